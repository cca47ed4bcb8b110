"""Repairs: what had to be changed to read a shape at all. Each is a listed problem with the area before and after."""

import numpy as np
import numpy.typing as npt
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from geo import crs
from geo.problems import N_, Problem

# A repair that changes the area by more than this share needs the consent of the person who sent the file.
CONSENT = 1e-4
RING_CLOSED = N_(
    "边界没有闭合（缺少与起点相同的终点），已自动闭合，未移动任何点；面积 {before} 平方米，闭合后 {after} 平方米。"
)
RINGS_REBUILT = N_(
    "外环没有分开成独立的部分，已按包含关系重新组合，未移动任何点；面积由 {before} 变为 {after} 平方米。"
)


def area_m2(shape: BaseGeometry) -> float:
    """Area in m²: geodesic on GRS80 where the coordinates can be degrees, else in the plane of metres. Holes count off.

    Rings with the wrong roles cancel out, as they do for whoever reads the file literally.
    """
    box = shape.bounds
    if not np.isfinite(box).all():
        return 0.0
    if box[0] >= -180 and box[2] <= 360 and box[1] >= -90 and box[3] <= 90:
        return crs.geodesic_area_m2(shape)
    return float(shape.area)


def ring_area_m2(points: npt.NDArray[np.float64]) -> float:
    """Area in m² that a ring of (x, y) encloses, closed or not; 0 with fewer than three points."""
    if len(points) < 3 or not np.isfinite(points).all():
        return 0.0
    return area_m2(Polygon(points))


def repaired(
    code: str, text: str, before: float, after: float, row: int | None, where: str, **params: object
) -> Problem:
    """A warning that names a repair, with the areas in m² that its text shows as {before} and {after}."""
    areas = {"before": round(before, 2), "after": round(after, 2)}
    return Problem(code, "warning", text, {**params, **areas}, row, where)


def needs_consent(problem: Problem) -> bool:
    """Is it a repair that changed an area by more than 0.01 %?"""
    before, after = problem.params.get("before"), problem.params.get("after")
    if not isinstance(before, (int, float)) or not isinstance(after, (int, float)):
        return False
    return abs(after - before) > CONSENT * max(abs(after), abs(before)) + 0.01


def scale_of(shape: BaseGeometry) -> float:
    """Square metres in one square unit of the shape's coordinates, at its place."""
    plane = float(shape.area)
    return area_m2(shape) / plane if plane > 0 else 1.0
