"""What is wrong with one feature, as problems that name row, point, place and the likely cause. Nothing is decided here."""

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geo import crs, shapes
from geo.crs import Box
from geo.problems import N_, Problem, at_shape
from geo.source import Record

# Without a region the hint still looks for systems that put the point into China.
_CHINA: tuple[Box, ...] = ((73.0, 3.0, 136.0, 54.0),)
_SWAPPED = N_(
    "第 {point} 个点起坐标像是 X、Y（经纬度）写反了：对调后落在辖区内（{likely}）。请更正后再上传。"
)
_OTHER_ZONE = N_(
    "第 {point} 个点按文件的坐标系不在辖区内，按 {likely} 则在。请核对坐标系、带号和中央子午线。"
)
_NOT_DEGREES = N_(
    "坐标系是经纬度，但第 {point} 个点超出 ±180/±90，像是投影坐标（米），或经纬度写反。请核对坐标系。"
)
_NOT_ON_EARTH = N_("第 {point} 个点按这个坐标系算不出经纬度。请核对坐标系。")
_OUTSIDE = N_("第 {point} 个点（{lon}, {lat}）不在辖区内。请核对坐标系和数据。")
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
_INVALID = N_("边界无效，见第 {point} 个点（{lon}, {lat}）。请在源数据中修正。")


def in_record(
    record: Record,
    code: str,
    text: str,
    *,
    place: tuple[float, float] | None = None,
    **params: object,
) -> Problem:
    """An error of one feature."""
    return Problem(code, "error", text, params, record.row, where(record), place)


def where(record: Record) -> str:
    """Words by which the feature is found again in its file."""
    return record.where or at_shape(record.row)


def misplaced(
    record: Record, moved: BaseGeometry, boxes: tuple[Box, ...], *, point: int, degrees: bool
) -> Problem:
    """Point number `point` is not where it may be: swapped axes, another zone, no degrees, or simply elsewhere.

    `moved` is the feature in EPSG:4490; `degrees`: the CRS of the file is geographic.
    """
    x, y = (float(v) for v in shapely.get_coordinates(record.geometry)[point - 1])
    lon, lat = (float(v) for v in shapely.get_coordinates(moved)[point - 1])
    on_earth = bool(abs(lon) <= 180 and abs(lat) <= 90)
    place = (lon, lat) if on_earth else None
    if likely := crs.candidates(y, x, boxes or _CHINA):
        return in_record(
            record, "axes_swapped", _SWAPPED, place=place, point=point, likely="、".join(likely[:3])
        )
    if likely := crs.candidates(x, y, boxes or _CHINA):
        return in_record(
            record,
            "wrong_zone",
            _OTHER_ZONE,
            place=place,
            point=point,
            likely="、".join(likely[:3]),
        )
    if not on_earth:
        code, text = ("not_degrees", _NOT_DEGREES) if degrees else ("not_on_earth", _NOT_ON_EARTH)
        return in_record(record, code, text, point=point)
    return in_record(
        record,
        "outside_region",
        _OUTSIDE,
        place=place,
        point=point,
        lon=f"{lon:.6f}",
        lat=f"{lat:.6f}",
    )


def invalid(record: Record, shape: BaseGeometry, system: str) -> Problem:
    """GEOS's reason why `shape` (in the CRS `system`) is not valid, with the nearest point and the place in lon/lat."""
    reason, spot = shapes.fault(shape)
    spot = spot or tuple(shapely.get_coordinates(shape)[0])
    point = shapes.nearest_point_number(shape, spot)
    moved = crs.to_stored(np.array([shapely.Point(spot)], dtype=object), system)[0]
    lon, lat = float(moved.x), float(moved.y)
    text = _REASONS.get(reason, _INVALID)
    return in_record(
        record,
        "geometry_invalid",
        text,
        place=(lon, lat),
        point=point,
        lon=f"{lon:.6f}",
        lat=f"{lat:.6f}",
    )


def area_differs(record: Record, shape: BaseGeometry, declared: float, area: float) -> Problem:
    """A warning: the declared area (m²) is not the measured one; `percent` is how much more was declared, negative: less."""
    centre = shape.representative_point()
    return Problem(
        "area_differs",
        "warning",
        N_("申报面积 {declared} 平方米，与按坐标计算的 {area} 平方米相差 {percent}%。请核对。"),
        {
            "declared": f"{declared:.2f}",
            "area": f"{area:.2f}",
            "percent": f"{(declared / area - 1) * 100:+.2f}",
        },
        record.row,
        where(record),
        (float(centre.x), float(centre.y)),
    )
