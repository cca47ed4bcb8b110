"""DXF drawings without GDAL: closed lines, circles and hatches as areas, other lines and texts beside them.

A drawing has no CRS and no attributes: the layer, the block and the text that stands inside an area are what it says of it.
Its units are taken for metres.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import shapely
from shapely import LinearRing, Polygon
from shapely.geometry.base import BaseGeometry

from geo import arcs
from geo.arcs import Points
from geo.dxf import Block, Dxf, Entity, parse
from geo.errors import refuse
from geo.hatch import hatch_rings
from geo.problems import N_, Problem, at_line
from geo.shapes import NOT_FINITE, assemble
from geo.source import Record, Source
from geo.text import decode

FIELDS = ["Layer", "Block", "Text"]
# Group codes of an INSERT that place its block: point, scales, distances of columns and rows, rotation.
_PLACING = (10, 20, 41, 42, 44, 45, 50)
_DEPTH = 8
_MESH = 16 | 64
_ESCAPED = re.compile(r"\\U\+([0-9A-Fa-f]{4})")
# Formatting of MTEXT: {\fSimSun|b0;甲-1}\P
_STYLED = re.compile(r"\\[A-Za-z][^;\\{}]*;|[{}]|\\[LlOoKk~]")
_SAME = 1e-3


@dataclass(slots=True)
class _Sheet:
    """What was drawn so far; `budget` is how many more entities may be."""

    dxf: Dxf
    budget: int
    features: int
    records: list[Record] = field(default_factory=list)
    curved: int = 0
    others: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _At:
    """Where a block stands: `points @ matrix + shift`, and how far it is nested."""

    matrix: Points
    shift: Points
    depth: int = 0
    block: str = ""
    inside: frozenset[str] = frozenset()

    def place(self, points: Points) -> Points:
        return points @ self.matrix + self.shift

    @property
    def tolerance(self) -> float:
        scale = float(np.abs(np.linalg.det(self.matrix))) ** 0.5
        return arcs.TOLERANCE / scale if math.isfinite(scale) and scale > 0 else arcs.TOLERANCE


def read(path: Path, *, features: int, areas: bool) -> Source:
    """Read a drawing. `areas`: only areas are wanted, everything else is counted in one warning.

    Raises:
        Refused: not a DXF, cut short, blocks inside themselves or too deep, too much, or no area although asked for.
    """
    sheet = _Sheet(parse(decode(path.read_bytes())), features * 10, features)
    for entity in sheet.dxf.entities:
        _draw(sheet, entity, _At(np.eye(2), np.zeros(2)))
    source = Source("dxf", None, list(FIELDS), [])
    if areas:
        _only_areas(sheet, source)
    source.records = sheet.records
    for row, record in enumerate(source.records, 1):
        record.row = row
    if sheet.curved:
        text = N_("图中有 {count} 处圆弧或曲线，已按 {tolerance} 米的精度转为折线。")
        params = {"count": sheet.curved, "tolerance": arcs.TOLERANCE}
        source.problems.append(Problem("curves_linearised", "warning", text, params))
    return source


def _draw(sheet: _Sheet, entity: Entity, at: _At) -> None:
    if entity.number(67) == 1:  # paper space: title blocks and frames
        return
    sheet.budget -= 1
    if sheet.budget < 0:
        raise refuse(
            "too_many_features",
            N_("图形超过 {limit} 个，请拆分后再上传。"),
            limit=sheet.features,
        )
    if entity.kind == "INSERT":
        _insert(sheet, entity, at)
        return
    shape = _shape(sheet, entity, at)
    if shape is None:
        sheet.others[entity.kind] += 1
        return
    text = _plain(entity.text(1)) if entity.kind in ("TEXT", "MTEXT", "ATTRIB") else ""
    properties: dict[str, object] = {"Layer": entity.text(8), "Block": at.block, "Text": text}
    sheet.records.append(Record(0, shape, properties, at_line(entity.line)))
    if len(sheet.records) > sheet.features:
        raise refuse(
            "too_many_features",
            N_("图形超过 {limit} 个，请拆分后再上传。"),
            limit=sheet.features,
        )


def _insert(sheet: _Sheet, entity: Entity, at: _At) -> None:
    name = entity.text(2)
    block = sheet.dxf.blocks.get(name)
    if block is None:
        sheet.others["INSERT"] += 1
        return
    if name in at.inside or at.depth >= _DEPTH:
        raise refuse(
            "block_recursion",
            N_("图块“{name}”嵌套了自己，或嵌套超过 {limit} 层。请分解图块后再上传。"),
            where=at_line(entity.line),
            name=name[:40],
            limit=_DEPTH,
        )
    if not all(math.isfinite(entity.number(code)) for code in _PLACING):
        raise refuse("not_finite", NOT_FINITE, where=at_line(entity.line))
    columns = min(max(entity.whole(70, 1), 1), 10_000)
    rows = min(max(entity.whole(71, 1), 1), 10_000)
    for row in range(rows):
        for column in range(columns):
            shift = (column * entity.number(44), row * entity.number(45))
            inner = _block_at(entity, block, at, shift)
            for part in block.entities:
                _draw(sheet, part, inner)
            sheet.budget -= 1  # an empty block repeated a million times is work too
            if sheet.budget < 0:
                _draw(sheet, entity, at)


def _block_at(entity: Entity, block: Block, at: _At, cell: tuple[float, float]) -> _At:
    turn = math.radians(entity.number(50))
    scale = np.diag([entity.number(41, 1.0), entity.number(42, 1.0)])
    turned = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    own = scale @ turned
    origin = np.array([entity.number(10), entity.number(20)]) + np.array(cell) @ turned
    shift = origin - np.array(block.base) @ own
    if entity.number(230, 1.0) < 0:
        own, shift = own @ np.diag([-1.0, 1.0]), shift * np.array([-1.0, 1.0])
    return _At(
        own @ at.matrix,
        at.place(shift),
        at.depth + 1,
        entity.text(2),
        at.inside | {entity.text(2)},
    )


def _shape(sheet: _Sheet, entity: Entity, at: _At) -> BaseGeometry | None:
    """The entity in the plane of the drawing; None where it is nothing we know."""
    with np.errstate(invalid="ignore", over="ignore"):
        found = _outline(entity, at.tolerance)
    if found is None:
        return None
    rings, closed, curved = found
    sheet.curved += curved
    mirror = np.array([-1.0, 1.0]) if entity.number(230, 1.0) < 0 else np.ones(2)
    with np.errstate(invalid="ignore", over="ignore"):
        placed = [at.place(ring * mirror) for ring in rings]
    if not all(np.isfinite(ring).all() for ring in placed):
        raise refuse("not_finite", NOT_FINITE, where=at_line(entity.line))
    if not placed or not len(placed[0]):
        return None
    if closed:
        loops = [_closed(ring) for ring in placed if len(np.unique(ring, axis=0)) >= 3]
        if len(loops) == 1:
            return Polygon(loops[0])
        return assemble([LinearRing(loop) for loop in loops]) if loops else None
    if len(placed[0]) == 1:
        return shapely.Point(placed[0][0])
    return shapely.LineString(placed[0])


def _closed(ring: Points) -> Points:
    return ring if (ring[0] == ring[-1]).all() else np.vstack([ring, ring[:1]])


def _outline(entity: Entity, tolerance: float) -> tuple[list[Points], bool, bool] | None:
    """Rings or a line, whether it is closed, and whether it was curved."""
    centre = (entity.number(10), entity.number(20))
    match entity.kind:
        case "LWPOLYLINE" | "POLYLINE":
            if entity.kind == "POLYLINE" and entity.whole(70) & _MESH:
                return None
            return _polyline(entity, tolerance)
        case "CIRCLE":
            ring = arcs.arc(centre, abs(entity.number(40)), 0.0, 2 * math.pi, tolerance)
            return [ring[:-1]], True, True
        case "ARC":
            start, end = math.radians(entity.number(50)), math.radians(entity.number(51))
            sweep = (end - start) % (2 * math.pi)
            return [arcs.arc(centre, abs(entity.number(40)), start, sweep, tolerance)], False, True
        case "ELLIPSE":
            start, end = entity.number(41), entity.number(42, 2 * math.pi)
            sweep = (end - start) % (2 * math.pi) or 2 * math.pi
            axis = (entity.number(11), entity.number(21))
            whole = abs(sweep - 2 * math.pi) < 1e-9
            points = arcs.ellipse(centre, axis, entity.number(40, 1.0), start, sweep, tolerance)
            return [points[:-1] if whole else points], whole, True
        case "SPLINE":
            return _spline(entity, tolerance)
        case "LINE":
            ends = np.array([centre, (entity.number(11), entity.number(21))])
            return [ends], False, False
        case "HATCH":
            rings, curved = hatch_rings(entity, tolerance)
            return rings, True, curved
        case "POINT" | "TEXT" | "MTEXT" | "ATTRIB":
            return [np.array([centre])], False, False
    return None


def _polyline(entity: Entity, tolerance: float) -> tuple[list[Points], bool, bool] | None:
    points = np.array([(x, y) for x, y, _ in entity.vertices], dtype=np.float64).reshape(-1, 2)
    if len(points) < 2:
        return None
    bulges = [b for _, _, b in entity.vertices]
    closed = bool(entity.whole(70) & 1)
    if closed:
        points, bulges = np.vstack([points, points[:1]]), [*bulges, 0.0]
    path = np.vstack(
        [
            points[:1],
            *(
                arcs.bulged(points[i], points[i + 1], bulges[i], tolerance)
                for i in range(len(points) - 1)
            ),
        ]
    )
    closed = closed or (len(path) > 3 and bool((path[0] == path[-1]).all()))
    return [path[:-1] if closed else path], closed, any(abs(b) > 1e-9 for b in bulges)


def _spline(entity: Entity, tolerance: float) -> tuple[list[Points], bool, bool] | None:
    control = np.array([(x, y) for x, y, _ in entity.vertices], dtype=np.float64).reshape(-1, 2)
    path = arcs.spline(entity.whole(71), entity.numbers(40), control, entity.numbers(41), tolerance)
    if path is None or len(path) < 2:
        return None
    closed = bool(entity.whole(70) & 1) or bool(np.hypot(*(path[0] - path[-1])) < _SAME)
    return [path], closed and len(path) > 3, True


def _plain(text: str) -> str:
    """Return the words of a text without its formatting."""
    words = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return _STYLED.sub("", words.replace("\\P", " ").replace("%%", "")).strip()[:200]


def _only_areas(sheet: _Sheet, source: Source) -> None:
    """Keep the areas with the texts inside them; say what else there was and which lines only nearly close."""
    areas, others = list[Record](), list[Record]()
    for record in sheet.records:
        (areas if _is(record, "Polygon") else others).append(record)
    open_lines = [record for record in others if _is(record, "Line")]
    if not areas:
        raise refuse(
            "drawing_no_area",
            N_(
                "图中没有闭合的多段线、圆或填充，只有 {lines} 条未闭合的线和 {others} 个其他图元。请在 CAD 中把地块边界闭合后再上传。"
            ),
            lines=len(open_lines),
            others=len(others) - len(open_lines) + sheet.others.total(),
        )
    _take_texts(areas, others)
    sheet.records = _without_doubles(areas, source)
    for record in open_lines:
        line = record.geometry
        if line is not None and _nearly_closed(line):
            text = N_(
                "多段线没有闭合（首尾相距 {gap} 米），未作为地块。如是地块，请在 CAD 中闭合。"
            )
            first, *_, last = line.coords
            gap = round(math.dist(first[:2], last[:2]), 3)
            source.problems.append(
                Problem("drawing_open", "warning", text, {"gap": gap}, where=record.where)
            )
    if left := len(others) + sheet.others.total():
        text = N_("图中还有 {count} 个不是闭合边界的图元（线、文字、点等），未作为地块。")
        source.problems.append(Problem("drawing_others", "warning", text, {"count": left}))


def _is(record: Record, kind: str) -> bool:
    return record.geometry is not None and kind in record.geometry.geom_type


def _nearly_closed(line: BaseGeometry) -> bool:
    first, *_, last = line.coords
    return len(line.coords) >= 4 and math.dist(first[:2], last[:2]) < 0.05 * line.length


def _take_texts(areas: list[Record], others: list[Record]) -> None:
    """Give every area the texts that stand in it and in no smaller area: where the plot's number is written."""
    texts = [r for r in others if r.properties["Text"]]
    shapes = np.array([r.geometry for r in areas], dtype=object)
    tree = shapely.STRtree(shapes)
    points = np.array([r.geometry for r in texts], dtype=object)
    if not len(points):
        return
    holders: dict[int, int] = {}
    for i, j in tree.query(points, predicate="intersects").T:
        best = holders.get(int(i))
        if best is None or shapely.area(shapes[j]) < shapely.area(shapes[best]):
            holders[int(i)] = int(j)
    for i, j in sorted(holders.items()):
        words = filter(None, (areas[j].properties["Text"], texts[i].properties["Text"]))
        areas[j].properties["Text"] = " ".join(map(str, words))[:200]


def _without_doubles(areas: list[Record], source: Source) -> list[Record]:
    """Leave out an area drawn twice, as a hatch over its outline is."""
    kept: dict[tuple[float, ...], Record] = {}
    for record in areas:
        box = shapely.bounds(record.geometry)
        key = (*(np.round(box, 2).tolist()), round(float(shapely.area(record.geometry)), 0))
        if key in kept:
            text = N_("与 {other} 的图形完全重合，只保留一个。")
            source.problems.append(
                Problem(
                    "drawing_twice", "warning", text, {"other": kept[key].where}, where=record.where
                )
            )
        else:
            kept[key] = record
    return list(kept.values())
