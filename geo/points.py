"""Point lists: tables with one boundary point per row (plot, ring, point number, X, Y) put together to plots.

As in survey files X is the northing; columns named longitude and latitude, or east and north, mean what they say.
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from shapely import LinearRing
from shapely.geometry.base import BaseGeometry

from geo import crs, guard
from geo.attributes import SYNONYMS, text
from geo.boundary import BoundaryPoint, Ring, closed_rings, xy
from geo.problems import N_, Problem, at_line
from geo.repair import ring_area_m2
from geo.shapes import assemble
from geo.source import Record, Source

Row = tuple[int, list[object]]
_PLOT = (*(name for name in SYNONYMS["code"] if name not in ("id", "gid", "fid", "objectid")),)
_NAMES: Mapping[str, tuple[str, ...]] = {
    "plot": (*_PLOT, "地块", "宗地", "地块名称", "宗地名称", "plot"),
    "ring": ("圈号", "地块圈号", "环号", "圈", "ring", "ringno", "part"),
    "point": (
        "点号",
        "界址点号",
        "界址点",
        "点名",
        "界址点编号",
        "拐点",
        "pointno",
        "point",
        "pt",
        "dh",
    ),
}
_NORTH = ("x", "x坐标", "坐标x", "纵坐标", "纵坐标x", "x纵坐标", "北坐标", "northing", "north", "n")
_EAST = ("y", "y坐标", "坐标y", "横坐标", "横坐标y", "y横坐标", "东坐标", "easting", "east", "e")
_LAT = ("纬度", "北纬", "lat", "latitude")
_LON = ("经度", "东经", "lon", "lng", "long", "longitude")
_SHORT = N_("第 {line} 行起的一圈不足 3 个不同的界址点，围不成面积。")
_BROKEN = N_("第 {line} 行的坐标不是数字。")


@dataclass(frozen=True, slots=True)
class Columns:
    """Numbers of the columns; `named`: their names tell north from east beyond doubt."""

    north: int
    east: int
    named: bool
    plot: int | None
    ring: int | None
    point: int | None


def columns(fields: Sequence[str]) -> Columns | None:
    """Find the columns of a point list by their names; None where the table is no such list."""
    plain = [_plain(field) for field in fields]
    where = {ours: _first(plain, names) for ours, names in _NAMES.items()}
    if where["plot"] is None and where["point"] is None:
        return None
    for north, east, named in ((_LAT, _LON, True), (_NORTH, _EAST, False)):
        x, y = _first(plain, north), _first(plain, east)
        if x is not None and y is not None:
            named = named or plain[x] in ("北坐标", "northing") or plain[y] in ("东坐标", "easting")
            return Columns(x, y, named, where["plot"], where["ring"], where["point"])
    return None


def _plain(field: str) -> str:
    flat = unicodedata.normalize("NFKC", field).lower()
    return re.sub(r"[\s_\-./:*#]+", "", re.sub(r"\((m|米|°|度|x|y)\)", "", flat))


def _first(plain: Sequence[str], names: Sequence[str]) -> int | None:
    return next((plain.index(name) for name in names if name in plain), None)


def is_list(found: Columns, body: Sequence[Row]) -> bool:
    """Are there rings to be made: points with numbers, or a plot with three rows and more?"""
    if found.point is not None:
        return True
    counts: dict[str, int] = {}
    for _, cells in body:
        name = text(_at(cells, found.plot))
        counts[name] = counts.get(name, 0) + 1
    return max(counts.values(), default=0) >= 3


def _at(cells: Sequence[object], column: int | None) -> object:
    return cells[column] if column is not None and column < len(cells) else None


@dataclass(slots=True)
class _Plot:
    row: int
    line: int
    values: dict[str, object]
    points: list[BoundaryPoint]


def read(
    kind: str,
    fields: Sequence[str],
    body: Sequence[Row],
    found: Columns,
    *,
    declared_crs: str | None,
    boxes: tuple[crs.Box, ...],
    swap: bool,
) -> Source:
    """Read the rows into plots. An empty plot cell means the plot above it, as merged cells do.

    Faults of the frame are errors with their line (geo.guard); a cell that is no number is one of its row.
    """
    used = {found.north, found.east, found.ring, found.point}
    names = [name for i, name in enumerate(fields) if i not in used]
    source = Source(kind, None, names, [], swapped=swap)
    plots = _plots(fields, body, found, used, source, swap=swap)

    def error(code: str, said: str, line: int, row: int | None = None, /, **params: object) -> None:
        where = at_line(line)
        source.problems.append(
            Problem(code, "error", said, {"line": line, **params}, row=row, where=where)
        )
        source.refused = True

    points = [(plot.row, p) for plot in plots for p in plot.points]
    degrees = bool(points) and guard.in_degrees(p for _, p in points)
    turned = False
    if degrees:
        source.crs = declared_crs
        turned = not found.named and guard.longitude_first(points, boxes, source.problems)
    else:
        source.crs = guard.decide(points, guard.Stated(), declared_crs, error)
    for plot in plots:
        shape = _area(plot, source, turned=turned)
        source.records.append(Record(plot.row, shape, plot.values, at_line(plot.line)))
    return source


def _plots(
    fields: Sequence[str],
    body: Sequence[Row],
    found: Columns,
    used: set[int | None],
    source: Source,
    *,
    swap: bool,
) -> list[_Plot]:
    plots: dict[str, _Plot] = {}
    name = ""
    for line, cells in body:
        name = text(_at(cells, found.plot)) or name
        values = {n: _at(cells, i) for i, n in enumerate(fields) if i not in used}
        plot = plots.setdefault(name, _Plot(len(plots) + 1, line, values, []))
        try:
            north, east = (_number(_at(cells, i)) for i in (found.north, found.east))
        except ValueError:
            source.problems.append(
                Problem("xy_broken", "error", _BROKEN, {"line": line}, plot.row, at_line(line))
            )
            source.refused = True
            continue
        label = text(_at(cells, found.point)) or str(len(plot.points) + 1)
        ring = text(_at(cells, found.ring)) or "1"
        point = BoundaryPoint(line, label, ring, north, east)
        plot.points.append(replace(point, x=east, y=north) if swap else point)
    return list(plots.values())


def _number(cell: object) -> float:
    number = float(str(cell).strip())
    if not math.isfinite(number):
        raise ValueError(cell)
    return number


def _area(plot: _Plot, source: Source, *, turned: bool) -> BaseGeometry | None:
    def note(point: BoundaryPoint, code: str, said: str, before: Ring, after: Ring) -> None:
        areas = [
            round(ring_area_m2(np.array(xy(ring, turned=turned))), 2) for ring in (before, after)
        ]
        params = {"line": point.line, "label": point.label, "before": areas[0], "after": areas[1]}
        source.problems.append(
            Problem(code, "warning", said, params, plot.row, at_line(point.line))
        )

    rings = []
    for ring in closed_rings(plot.points, note):
        if len({(p.x, p.y) for p in ring}) >= 3:
            rings.append(LinearRing(xy(ring, turned=turned)))
        else:
            line = ring[0].line
            source.problems.append(
                Problem(
                    "survey_ring_short", "error", _SHORT, {"line": line}, plot.row, at_line(line)
                )
            )
    return assemble(rings) if rings else None
