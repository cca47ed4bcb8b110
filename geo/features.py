"""From the records of a file to measured features in EPSG:4490, with every fault said by row and place."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from geo import attributes, crs, faults, repair, shapes
from geo.crs import Box
from geo.errors import Refused, refuse
from geo.problems import N_, Problem
from geo.source import Record, Source

Kind = Literal["plots", "facilities", "service_areas"]
# The choice of the central meridian alone makes up to 0.25 % (domain facts §2.1).
AREA_TOLERANCE = 0.003
# Formats that state no CRS and may hold degrees; drawings and survey files never do without saying so.
_MAY_BE_DEGREES = {"shapefile", "csv", "xlsx"}
_FRAME_FAULTS = {"axes_swapped", "zone_mismatch", "prefix_mixed", "crs_conflict"}


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of a file. `boxes`: lon/lat areas one of which must hold every point; none: anywhere.

    `swap`: the user confirmed that X and Y stand in each other's place.
    """

    kind: Kind
    crs: str | None
    boxes: tuple[Box, ...]
    vertices: int
    vertices_per_feature: int
    swap: bool = False


@dataclass(slots=True)
class Measured:
    """A usable feature: `geometry` lon/lat in EPSG:4490, `area_m2` geodesic on GRS80 (None for points and lines)."""

    record: Record
    geometry: BaseGeometry
    area_m2: float | None
    declared_area_m2: float | None = None


@dataclass(slots=True)
class Result:
    """What became of a file; `refused` says that it cannot be used as a whole."""

    features: list[Measured] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    source_crs: str | None = None
    refused: bool = False


def measure(source: Source, terms: Terms) -> Result:
    """Check, transform and measure all records of a file.

    A fault of one feature leaves the others usable; nothing is moved or mended without a problem that says so.

    Raises:
        Refused: the limits are exceeded, or the CRS is unknown or refused by name.
    """
    result = Result(problems=list(source.problems), refused=source.refused)
    _check_size(source.records, terms)
    if terms.swap:
        _swap(source, result)
    told = {p.row for p in source.problems if p.severity == "error"}
    rows = [record for record in source.records if _whole(record, terms, result, told)]
    for record in rows:
        _mend(record, result)
    if not source.records or all(r.geometry is None for r in source.records):
        # Why no shape could be read says more than that there is none.
        if all(p.severity != "error" or p.code == "geometry_missing" for p in result.problems):
            text = N_("文件里没有图形。请上传带边界的数据。")
            result.problems = [Problem("no_geometry", "error", text)]
        result.refused = True
        return result
    system = _decide_crs(source, rows, terms, result) if rows else None
    if system is None:
        result.refused = True
        return result
    result.source_crs = crs.epsg_name(system)
    _transform(rows, system, terms, result)
    if terms.kind == "plots":  # a network and a permit declare no area of their own
        _declare(source.fields, result)
    result.refused = result.refused or not result.features
    return result


def _swap(source: Source, result: Result) -> None:
    """Put X and Y into each other's place, as the user confirmed; it is a repair like any other."""
    if not source.swapped:
        for record in source.records:
            if record.geometry is not None:
                record.geometry = shapely.transform(record.geometry, lambda xy: xy[:, ::-1])
    text = N_("已按您的确认把 X、Y（经纬度）对调后读取。")
    result.problems.append(Problem("axes_turned", "warning", text))


def _check_size(records: list[Record], terms: Terms) -> None:
    counts = shapely.get_num_coordinates([record.geometry for record in records])
    if int(np.sum(counts)) > terms.vertices:
        raise refuse(
            "too_many_vertices",
            N_("顶点共 {count} 个，超过上限 {limit} 个。请拆分后再上传。"),
            count=int(np.sum(counts)),
            limit=terms.vertices,
        )
    for record, count in zip(records, counts, strict=True):
        if count > terms.vertices_per_feature:
            raise refuse(
                "too_many_vertices_feature",
                N_("第 {row} 个图形有 {count} 个顶点，超过上限 {limit} 个。请简化后再上传。"),
                where=faults.where(record),
                row=record.row,
                count=int(count),
                limit=terms.vertices_per_feature,
            )


def _whole(record: Record, terms: Terms, result: Result, told: set[int | None]) -> bool:
    """Has the record a geometry of the right kind, with finite coordinates? `told`: rows of which an error is known."""
    shape = record.geometry
    if shape is None or shape.is_empty:
        if record.row not in told:
            result.problems.append(
                faults.in_record(record, "geometry_missing", N_("没有图形，或图形是空的。"))
            )
        return False
    if not shapes.is_finite(shape):
        result.problems.append(faults.in_record(record, "not_finite", shapes.NOT_FINITE))
        return False
    if terms.kind == "facilities":
        return True
    area = shapes.polygonal(shape)
    if area is None:
        text = (
            N_("地块必须是面，这里是{kind}。请上传地块的边界面。")
            if terms.kind == "plots"
            else N_("服务边界必须是面，这里是{kind}。请上传边界面。")
        )
        result.problems.append(
            faults.in_record(record, "geometry_kind", text, kind=_kind_name(shape))
        )
        return False
    record.geometry = area
    return True


def _kind_name(shape: BaseGeometry) -> str:
    kind = shape.geom_type
    if "Point" in kind:
        return N_("点")
    return N_("线") if "Line" in kind else N_("混合图形")


def _mend(record: Record, result: Result) -> None:
    """Give the rings of an invalid area their right roles where that is all it takes, and say so with the areas.

    Other invalid shapes stay as they are: they are reported with their place once that is known in lon/lat.
    """
    shape = record.geometry
    if isinstance(shape, (Polygon, MultiPolygon)) and not shape.is_valid:
        anew = shapes.rebuilt(shape)
        if anew is not None:
            result.problems.append(_rebuilt(record, shape.area, anew))
            record.geometry = anew


def note_ring_roles(source: Source, signed: Iterable[float]) -> None:
    """Say where the reader has already given rings other roles than the file (`signed` areas by record, see layers)."""
    for record, before in zip(source.records, signed, strict=False):
        after = record.geometry.area if record.geometry is not None else 0.0
        if (
            record.geometry is not None
            and record.geometry.is_valid
            and abs(abs(before) - after) > repair.CONSENT * after
        ):
            source.problems.append(_rebuilt(record, before, record.geometry))


def _rebuilt(record: Record, literal: float, anew: BaseGeometry) -> Problem:
    """The repair of ring roles; `literal` is the area in source units that the file as written had."""
    scale = repair.scale_of(anew)
    before, after = abs(literal) * scale, float(anew.area) * scale
    where = faults.where(record)
    return repair.repaired("rings_rebuilt", repair.RINGS_REBUILT, before, after, record.row, where)


def _decide_crs(source: Source, rows: list[Record], terms: Terms, result: Result) -> str | None:
    """The CRS of the file: what the user says, else what the file says, else ask."""
    stated = source.crs
    if terms.crs:
        _compare(stated, terms.crs, result)
        return terms.crs
    if stated:
        return stated
    bounds = _bounds(rows)
    if not terms.boxes and source.format in _MAY_BE_DEGREES and _degrees(bounds):
        result.problems.append(
            Problem(
                "crs_assumed",
                "warning",
                N_("文件没有写明坐标系，数值像经纬度，暂按 EPSG:4490 读取。如不是，请指定坐标系。"),
            )
        )
        return crs.STORED
    _ask_crs(rows, bounds, terms, result)
    return None


def _compare(stated: str | None, declared: str, result: Result) -> None:
    """Say that the user's word goes before the file's; a system nobody knows may be overruled, one refused by name not.

    Raises:
        Refused: the file is in a system that cannot be brought to CGCS2000, whatever the user says.
    """
    meant = crs.parse(declared)
    if not stated or stated == "OGC:CRS84":
        return
    try:
        if crs.parse(stated) == meant:
            return
        name = crs.epsg_name(stated)
    except Refused as refusal:
        if refusal.problem.code != "crs_unknown":
            raise
        name = stated[:80]
    text = N_("文件写明坐标系 {stated}，已按您指定的 {declared} 读取。")
    params = {"stated": name, "declared": crs.epsg_name(declared)}
    result.problems.append(Problem("crs_overridden", "warning", text, params))


def _bounds(records: list[Record]) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = shapely.total_bounds(
        [r.geometry for r in records if r.geometry is not None]
    )
    return found


def _degrees(bounds: Sequence[float] | npt.NDArray[np.float64]) -> bool:
    return bool(bounds[0] >= -180 and bounds[2] <= 180 and bounds[1] >= -90 and bounds[3] <= 90)


def _ask_crs(
    rows: list[Record], bounds: npt.NDArray[np.float64], terms: Terms, result: Result
) -> None:
    x, y = float(bounds[0] + bounds[2]) / 2, float(bounds[1] + bounds[3]) / 2
    likely = crs.candidates(x, y, terms.boxes or ((73.0, 3.0, 136.0, 54.0),))
    first = shapely.get_coordinates(rows[0].geometry)[0]
    params: dict[str, object] = {"x": f"{first[0]:.10g}", "y": f"{first[1]:.10g}"}
    if likely:
        params["likely"] = "、".join(likely[:6])
        text = N_(
            "文件没有写明坐标系，请指定。第 1 个点（东 {x}，北 {y}）像是 {likely}，请向数据提供方核实后选择。"
        )
    elif crs.candidates(y, x, terms.boxes or ((73.0, 3.0, 136.0, 54.0),)):
        text = N_(
            "文件没有写明坐标系，请指定。第 1 个点（{x}, {y}）的 X、Y 像是写反了，请核对后改正或确认对调。"
        )
        if not any(p.code == "axes_swapped" for p in result.problems):
            where, row = faults.where(rows[0]), rows[0].row
            result.problems.append(Problem("axes_swapped", "error", text, params, row, where))
        return
    else:
        text = N_(
            "文件没有写明坐标系，请指定，例如 EPSG:4546（2000 国家大地坐标系，3 度带，中央子午线 111°）。第 1 个点是（{x}, {y}）。"
        )
    where = faults.where(rows[0])
    result.problems.append(Problem("crs_missing", "error", text, params, where=where))


def _transform(rows: list[Record], system: str, terms: Terms, result: Result) -> None:
    degrees = crs.parse(system).is_geographic
    # One fault of the whole frame was named already: every shape of the file stands in the wrong place by it.
    frame_at_fault = any(p.code in _FRAME_FAULTS for p in result.problems)
    raw = np.array([record.geometry for record in rows], dtype=object)
    moved = crs.to_stored(raw, system)
    valid = shapely.is_valid(raw)
    for record, before, after, good in zip(rows, raw, moved, valid, strict=True):
        point = _first_misplaced(before, after, terms.boxes, degrees=degrees)
        if point is not None and frame_at_fault:
            continue
        if point is not None:
            result.problems.append(
                faults.misplaced(record, after, terms.boxes, point=point, degrees=degrees)
            )
        elif not good:
            result.problems.append(faults.invalid(record, before, system))
        else:
            _accept(record, after, result)


def _first_misplaced(
    before: BaseGeometry, after: BaseGeometry, boxes: tuple[Box, ...], *, degrees: bool
) -> int | None:
    """Number of the first point that is off the Earth or outside all boxes."""
    if not shapes.is_finite(after) or not _degrees(after.bounds):
        return 1
    if degrees and not _degrees(before.bounds):
        return 1
    return _first_outside(after, boxes) if boxes else None


def _first_outside(shape: BaseGeometry, boxes: tuple[Box, ...]) -> int | None:
    west, south, east, north = shape.bounds
    if any(b[0] <= west and b[1] <= south and east <= b[2] and north <= b[3] for b in boxes):
        return None
    for number, (lon, lat) in enumerate(shapely.get_coordinates(shape), 1):
        if not any(crs.inside(lon, lat, box) for box in boxes):
            return number
    return None


def _accept(record: Record, shape: BaseGeometry, result: Result) -> None:
    area = crs.geodesic_area_m2(shape) if isinstance(shape, (Polygon, MultiPolygon)) else None
    if area is not None and not (np.isfinite(area) and area > 0):
        result.problems.append(faults.in_record(record, "area_zero", N_("边界围不成面积。")))
    elif not shape.is_valid:
        # Valid where it was drawn, but rounding in the transformation closed a gap of nanometres.
        result.problems.append(faults.invalid(record, shape, crs.STORED))
    else:
        result.features.append(Measured(record, shape, area))


def _declare(fields: list[str], result: Result) -> None:
    """Compare the area the file declares with the measured one; more than 0.3 % apart is a warning."""
    column = attributes.guess(fields).get("area")
    areal = [m for m in result.features if m.area_m2 is not None]
    if column is None or not areal:
        return
    numbers = [attributes.parse(m.record.properties.get(column)).number for m in areal]
    pairs = [(n, m.area_m2) for n, m in zip(numbers, areal, strict=True) if n and m.area_m2]
    unit = attributes.area_unit(column, pairs)
    if unit is None:
        if pairs:
            result.problems.append(
                Problem(
                    "area_unit",
                    "warning",
                    N_("“{column}”一列没有写面积单位，数值也与实测面积对不上，未作核对。"),
                    {"column": column},
                )
            )
        return
    for number, measured in zip(numbers, areal, strict=True):
        if number and number > 0 and measured.area_m2:
            measured.declared_area_m2 = number * unit
            declared = number * unit
            if abs(declared / measured.area_m2 - 1) > AREA_TOLERANCE:
                result.problems.append(
                    faults.area_differs(
                        measured.record, measured.geometry, declared, measured.area_m2
                    )
                )
