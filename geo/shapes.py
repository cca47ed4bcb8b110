"""Shapes as they come: are they finite, whole, of the right kind, and do their rings make an area?"""

import re

import numpy as np
import numpy.typing as npt
import shapely
from shapely import LinearRing, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from geo.errors import refuse
from geo.problems import N_

WKT_DEPTH = 8
NOT_FINITE = N_("坐标里有无效数字（NaN、无穷大或过大）。")
BROKEN = N_("图形的坐标写法有误（点数不足、缺数字或层次不对），无法读取。")
_PLACE = re.compile(r"\[(\S+) (\S+)\]")


def from_wkt(text: str) -> BaseGeometry | None:
    """Read WKT (an EWKT `SRID=n;` must be cut off before); None when it is not WKT.

    Raises:
        Refused: nested deeper than eight levels; GEOS crashes on 100,000 (libgeos/geos#1487).
    """
    depth = deepest = 0
    for sign in re.findall(r"[()]", text):
        depth += 1 if sign == "(" else -1
        deepest = max(deepest, depth)
    if deepest > WKT_DEPTH:
        raise refuse(
            "too_deep", N_("图形嵌套超过 {limit} 层，不是正常的地块数据。"), limit=WKT_DEPTH
        )
    try:
        return judged(shapely.from_wkt(text, on_invalid="ignore"))
    except (shapely.errors.ShapelyError, ValueError):
        return None


def closed_wkt(text: str) -> BaseGeometry | None:
    """Read WKT that `from_wkt` could not, closing its open rings; None when that is not all it takes."""
    try:
        return judged(shapely.from_wkt(text, on_invalid="fix"))
    except (shapely.errors.ShapelyError, ValueError):
        return None


def read_wkb(wkbs: npt.NDArray[np.object_]) -> tuple[npt.NDArray[np.object_], list[int]]:
    """Read WKB; the second list names those whose open rings had to be closed. None where even that does not help."""
    found = shapely.from_wkb(wkbs, on_invalid="ignore")
    lost = [i for i, wkb in enumerate(wkbs) if wkb is not None and found[i] is None]
    if lost:
        found[lost] = shapely.from_wkb(wkbs[lost], on_invalid="fix")
    found[:] = [judged(shape) for shape in found]
    return found, [i for i in lost if found[i] is not None]


def judged(shape: BaseGeometry | None) -> BaseGeometry | None:
    """The shape, or None where GEOS fails at the very question whether it is valid, as at 1e304 beside 1e-197."""
    try:
        shapely.is_valid(shape)
    except shapely.errors.GEOSException:
        return None
    return shape


def is_finite(shape: BaseGeometry) -> bool:
    """Are all coordinates finite numbers of a size the Earth has (less than 10⁹)?"""
    coords = shapely.get_coordinates(shape)
    return bool(np.isfinite(coords).all() and (np.abs(coords) < 1e9).all())


def polygonal(shape: BaseGeometry) -> Polygon | MultiPolygon | None:
    """The shape as polygon(s): itself, the polygons of a collection of nothing else, or None."""
    if isinstance(shape, (Polygon, MultiPolygon)):
        return shape
    if shape.geom_type == "GeometryCollection" and not shape.is_empty:
        parts = shapely.get_parts(shape)
        if all(part.geom_type == "Polygon" for part in parts):
            return MultiPolygon(list(parts))
    return None


def closed_line_as_polygon(shape: BaseGeometry) -> BaseGeometry:
    """A closed line (drawing formats have no polygons) as polygon; any other shape unchanged."""
    if shape.geom_type == "LineString" and shape.is_closed and len(shape.coords) >= 4:
        return Polygon(shape.coords)
    return shape


def assemble(rings: list[LinearRing]) -> Polygon | MultiPolygon:
    """Polygons from rings that do not say what they are: a ring inside an odd number of others is a hole.

    Direction and order of the rings do not matter, so areas never cancel out. Rings that cross each other or themselves
    give an invalid result, which the caller must report.
    """
    faces = [Polygon(ring) for ring in rings]
    broken = [face for face in faces if not face.is_valid]
    if broken:
        return broken[0] if len(faces) == 1 else MultiPolygon(faces)
    points = [face.representative_point() for face in faces]
    tree = shapely.STRtree(faces)
    holders: list[list[int]] = [
        [
            int(j)
            for j in tree.query(point, predicate="within")
            if j != i and faces[j].area > faces[i].area
        ]
        for i, point in enumerate(points)
    ]
    holes: dict[int, list[LinearRing]] = {}
    for i, around in enumerate(holders):
        if len(around) % 2:
            shell = min(around, key=lambda j: faces[j].area)
            holes.setdefault(shell, []).append(rings[i])
    polygons = [
        Polygon(ring, holes.get(i, [])) for i, ring in enumerate(rings) if len(holders[i]) % 2 == 0
    ]
    return polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)


def rings_of(shape: Polygon | MultiPolygon) -> list[LinearRing]:
    """All rings, shells and holes alike."""
    return [
        ring
        for polygon in shapely.get_parts(shape)
        for ring in (polygon.exterior, *polygon.interiors)
    ]


def rebuilt(shape: Polygon | MultiPolygon) -> Polygon | MultiPolygon | None:
    """The same rings put together anew where only their roles were wrong; None when a ring itself is at fault.

    No point is moved, added or dropped.
    """
    rings = rings_of(shape)
    if len(rings) < 2 or not all(Polygon(ring).is_valid for ring in rings):
        return None
    anew = assemble(rings)
    return anew if anew.is_valid else None


def fault(shape: BaseGeometry) -> tuple[str, tuple[float, float] | None]:
    """GEOS's reason why a shape is not valid, and where (in the CRS of the shape)."""
    said = explain_validity(shape)
    place = _PLACE.search(said)
    where = (float(place[1]), float(place[2])) if place else None
    return said.split("[")[0].strip(), where


def nearest_point_number(shape: BaseGeometry, place: tuple[float, float]) -> int:
    """Number, from 1 in the order of the file, of the vertex nearest to `place`."""
    gaps = np.hypot(*(shapely.get_coordinates(shape) - np.asarray(place)).T)
    return int(np.argmin(gaps)) + 1
