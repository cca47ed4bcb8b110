"""From the records of a file to measured features in EPSG:4490, with every fault said by row and place."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from geo import attributes, crs, shapes
from geo.crs import Box
from geo.errors import refuse
from geo.problems import N_, Problem
from geo.source import Record, Source

Kind = Literal["plots", "facilities", "service_areas"]
AREA_TOLERANCE = (
    0.003  # the choice of the central meridian alone makes up to 0.25 % (domain facts §2.1)
)
REPAIR_TOLERANCE = 1e-4
# Formats that state no CRS and may hold degrees; drawings and survey files never do without saying so.
_MAY_BE_DEGREES = {"shapefile", "csv", "xlsx"}


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of a file. `boxes`: lon/lat areas one of which must hold every point; none: anywhere."""

    kind: Kind
    crs: str | None
    boxes: tuple[Box, ...]
    vertices: int
    vertices_per_feature: int


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
    rows = [record for record in source.records if _whole(record, terms, result)]
    rows = [record for record in rows if _valid(record, result)]
    if not source.records or all(r.geometry is None for r in source.records):
        result.problems = [
            Problem("no_geometry", "error", N_("文件里没有图形。请上传带边界的数据。"))
        ]
        result.refused = True
        return result
    system = _decide_crs(source, terms, result)
    if system is None:
        result.refused = True
        return result
    result.source_crs = crs.epsg_name(system)
    _transform(rows, system, terms, result)
    _declare(source.fields, result)
    result.refused = result.refused or not result.features
    return result


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
                where=_where(record),
                row=record.row,
                count=int(count),
                limit=terms.vertices_per_feature,
            )


def _where(record: Record) -> str:
    return record.where or f"第 {record.row} 个图形"


def _error(
    record: Record,
    result: Result,
    code: str,
    text: str,
    *,
    place: tuple[float, float] | None = None,
    **params: object,
) -> None:
    result.problems.append(Problem(code, "error", text, params, record.row, _where(record), place))


def _whole(record: Record, terms: Terms, result: Result) -> bool:
    """Has the record a geometry of the right kind, with finite coordinates?"""
    shape = record.geometry
    if shape is None or shape.is_empty:
        if not any(p.row == record.row and p.severity == "error" for p in result.problems):
            _error(record, result, "geometry_missing", N_("没有图形，或图形是空的。"))
        return False
    if not shapes.is_finite(shape):
        _error(record, result, "not_finite", shapes.NOT_FINITE)
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
        _error(record, result, "geometry_kind", text, kind=_kind_name(shape))
        return False
    record.geometry = area
    return True


def _kind_name(shape: BaseGeometry) -> str:
    kind = shape.geom_type
    if "Point" in kind:
        return "点"
    return "线" if "Line" in kind else "混合图形"


def _valid(record: Record, result: Result) -> bool:
    """Is the geometry valid, or made so by giving its rings other roles (which is said, with the areas)?"""
    shape = record.geometry
    if shape is None or shape.is_valid:
        return True
    if isinstance(shape, (Polygon, MultiPolygon)):
        anew = shapes.rebuilt(shape)
        if anew is not None:
            _note_rebuilt(record, result, shape.area, anew.area)
            record.geometry = anew
            return True
    return True  # reported with its place once that is known in lon/lat


def _note_rebuilt(record: Record, result: Result, before: float, after: float) -> None:
    result.problems.append(
        Problem(
            "rings_rebuilt",
            "warning",
            N_(
                "外环没有分开成独立的部分，已按包含关系重新组合，未移动任何点；面积由 {before} 变为 {after}（源坐标单位的平方）。"
            ),
            {"before": round(before, 4), "after": round(after, 4)},
            record.row,
            _where(record),
        )
    )


def note_ring_roles(source: Source, signed: Iterable[float]) -> None:
    """Say where the reader has already given rings other roles than the file (`signed` areas by record, see layers)."""
    for record, before in zip(source.records, signed, strict=False):
        after = record.geometry.area if record.geometry is not None else 0.0
        if (
            record.geometry is not None
            and record.geometry.is_valid
            and abs(abs(before) - after) > REPAIR_TOLERANCE * after
        ):
            result = Result()
            _note_rebuilt(record, result, before, after)
            source.problems += result.problems


def _decide_crs(source: Source, terms: Terms, result: Result) -> str | None:
    """The CRS of the file: what the user says, else what the file says, else ask."""
    stated = source.crs
    if terms.crs:
        declared = crs.parse(terms.crs)
        if stated and stated != "OGC:CRS84" and crs.parse(stated) != declared:
            result.problems.append(
                Problem(
                    "crs_overridden",
                    "warning",
                    N_("文件写明坐标系 {stated}，已按您指定的 {declared} 读取。"),
                    {"stated": crs.epsg_name(stated), "declared": terms.crs},
                )
            )
        return terms.crs
    if stated:
        return stated
    bounds = _bounds(source.records)
    if not terms.boxes and source.format in _MAY_BE_DEGREES and _degrees(bounds):
        result.problems.append(
            Problem(
                "crs_assumed",
                "warning",
                N_("文件没有写明坐标系，数值像经纬度，暂按 EPSG:4490 读取。如不是，请指定坐标系。"),
            )
        )
        return crs.STORED
    _ask_crs(bounds, terms, result)
    return None


def _bounds(records: list[Record]) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = shapely.total_bounds(
        [r.geometry for r in records if r.geometry is not None]
    )
    return found


def _degrees(bounds: npt.NDArray[np.float64]) -> bool:
    return bool(bounds[0] >= -180 and bounds[2] <= 180 and bounds[1] >= -90 and bounds[3] <= 90)


def _ask_crs(bounds: npt.NDArray[np.float64], terms: Terms, result: Result) -> None:
    if not np.isfinite(bounds).all():
        return
    x, y = float(bounds[0] + bounds[2]) / 2, float(bounds[1] + bounds[3]) / 2
    likely = crs.candidates(x, y, terms.boxes or ((73.0, 3.0, 136.0, 54.0),))
    text = (
        N_("文件没有写明坐标系，请指定。数值像是 {likely}，请向数据提供方核实后选择。")
        if likely
        else N_(
            "文件没有写明坐标系，请指定，例如 EPSG:4546（2000 国家大地坐标系，3 度带，中央子午线 111°）。"
        )
    )
    result.problems.append(
        Problem("crs_missing", "error", text, {"likely": "、".join(likely[:6])} if likely else {})
    )


def _transform(rows: list[Record], system: str, terms: Terms, result: Result) -> None:
    if not rows:
        return
    geographic = crs.parse(system).is_geographic
    raw = np.array([record.geometry for record in rows], dtype=object)
    moved = crs.to_stored(raw, system)
    valid = shapely.is_valid(raw)
    for record, shape, good in zip(rows, moved, valid, strict=True):
        if geographic and not _in_degrees(record, result):
            continue
        if not shapes.is_finite(shape) or not _on_earth(shape):
            _misplaced(record, shape, terms, result)
        elif terms.boxes and (point := _first_outside(shape, terms.boxes)) is not None:
            _misplaced(record, shape, terms, result, point)
        elif not good:
            _report_invalid(record, system, result)
        else:
            _accept(record, shape, result)


def _in_degrees(record: Record, result: Result) -> bool:
    if record.geometry is None or _degrees(np.asarray(record.geometry.bounds)):
        return True
    _error(
        record,
        result,
        "not_degrees",
        N_("坐标系是经纬度，但坐标超出 ±180/±90，像是投影坐标（米），或经纬度写反。请核对坐标系。"),
    )
    return False


def _on_earth(shape: BaseGeometry) -> bool:
    west, south, east, north = shape.bounds
    return bool(west >= -180 and east <= 180 and south >= -90 and north <= 90)


def _first_outside(shape: BaseGeometry, boxes: tuple[Box, ...]) -> int | None:
    west, south, east, north = shape.bounds
    if any(b[0] <= west and b[1] <= south and east <= b[2] and north <= b[3] for b in boxes):
        return None
    for number, (lon, lat) in enumerate(shapely.get_coordinates(shape), 1):
        if not any(crs.inside(lon, lat, box) for box in boxes):
            return number
    return None


def _misplaced(
    record: Record, shape: BaseGeometry, terms: Terms, result: Result, point: int = 1
) -> None:
    """Name the likely cause: swapped axes, another zone, or simply elsewhere."""
    if record.geometry is None:
        return
    coords = shapely.get_coordinates(record.geometry)
    x, y = (float(v) for v in coords[point - 1])
    lon, lat = (float(v) for v in shapely.get_coordinates(shape)[point - 1])
    boxes = terms.boxes or ((73.0, 3.0, 136.0, 54.0),)
    place = (lon, lat) if np.isfinite(lon) and _on_earth(shape) else None
    if likely := crs.candidates(y, x, boxes):
        _error(
            record,
            result,
            "axes_swapped",
            N_(
                "第 {point} 个点起坐标像是 X、Y（经纬度）写反了：对调后落在辖区内（{likely}）。请更正后再上传。"
            ),
            place=place,
            point=point,
            likely="、".join(likely[:3]),
        )
    elif likely := crs.candidates(x, y, boxes):
        _error(
            record,
            result,
            "wrong_zone",
            N_(
                "第 {point} 个点按文件的坐标系不在辖区内，按 {likely} 则在。请核对坐标系、带号和中央子午线。"
            ),
            place=place,
            point=point,
            likely="、".join(likely[:3]),
        )
    elif place is None:
        _error(
            record,
            result,
            "not_on_earth",
            N_("第 {point} 个点按这个坐标系算不出经纬度。请核对坐标系。"),
            point=point,
        )
    else:
        _error(
            record,
            result,
            "outside_region",
            N_("第 {point} 个点（{lon}, {lat}）不在辖区内。请核对坐标系和数据。"),
            place=place,
            point=point,
            lon=f"{lon:.6f}",
            lat=f"{lat:.6f}",
        )


_REASONS = {
    "Self-intersection": N_(
        "边界自相交，在第 {point} 个点附近（{lon}, {lat}）。请在源数据中修正。"
    ),
    "Ring Self-intersection": N_(
        "边界在第 {point} 个点附近与自身相接（{lon}, {lat}）。请在源数据中修正。"
    ),
    "Hole lies outside shell": N_(
        "内环在外环之外，见第 {point} 个点（{lon}, {lat}）。请在源数据中修正。"
    ),
    "Nested shells": N_("多个外环相互重叠，见第 {point} 个点（{lon}, {lat}）。请在源数据中修正。"),
}
_OTHER_REASON = N_("边界无效，见第 {point} 个点（{lon}, {lat}）。请在源数据中修正。")


def _report_invalid(record: Record, system: str, result: Result) -> None:
    if record.geometry is None:
        return
    reason, spot = shapes.fault(record.geometry)
    spot = spot or tuple(shapely.get_coordinates(record.geometry)[0])
    point = shapes.nearest_point_number(record.geometry, spot)
    moved = crs.to_stored(np.array([shapely.Point(spot)], dtype=object), system)[0]
    place = (float(moved.x), float(moved.y))
    _error(
        record,
        result,
        "geometry_invalid",
        _REASONS.get(reason, _OTHER_REASON),
        place=place,
        point=point,
        lon=f"{place[0]:.6f}",
        lat=f"{place[1]:.6f}",
    )


def _accept(record: Record, shape: BaseGeometry, result: Result) -> None:
    area = crs.geodesic_area_m2(shape) if isinstance(shape, (Polygon, MultiPolygon)) else None
    if area is not None and not (np.isfinite(area) and area > 0):
        _error(record, result, "area_zero", N_("边界围不成面积。"))
        return
    if not shape.is_valid:
        # Rounding in the transformation closed a gap of nanometres: the source is valid, the result is not.
        _error(
            record,
            result,
            "geometry_invalid",
            _OTHER_REASON,
            point=1,
            lon=f"{shape.bounds[0]:.6f}",
            lat=f"{shape.bounds[1]:.6f}",
        )
        return
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
            _compare(measured, number * unit, measured.area_m2, result)


def _compare(measured: Measured, declared: float, area: float, result: Result) -> None:
    off = declared / area - 1
    if abs(off) <= AREA_TOLERANCE:
        return
    centre = measured.geometry.representative_point()
    result.problems.append(
        Problem(
            "area_differs",
            "warning",
            N_("申报面积 {declared} 平方米，与按坐标计算的 {area} 平方米相差 {percent}%。请核对。"),
            {"declared": f"{declared:.2f}", "area": f"{area:.2f}", "percent": f"{off * 100:+.2f}"},
            measured.record.row,
            _where(measured.record),
            (float(centre.x), float(centre.y)),
        )
    )
