"""What a connection line meets: land of roads, control zones, greens, waters. Planar, in the metres of one projected CRS."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from shapely import LineString, Point
from shapely.geometry.base import BaseGeometry

from geo.crs import Geometries
from geo.roads import Roads

# crosses: over to the other side; along: within the land for longer than a crossing; enters: into the land and no farther;
# zone: outside the land, inside the control zone.
Manner = Literal["crosses", "along", "enters", "zone"]
# A line that only touches an edge meets nothing; a drawing is no better than this.
TOLERANCE_M = 1e-3
# A crossing at 30 degrees is twice as long as the land is wide; what is longer runs along.
_CROSSING = 2.0
_ARCS = 16


@dataclass(frozen=True, slots=True)
class Encounter:
    """One thing a line meets.

    `index` is its position among the things given. `length_m` is how far the line runs in it (0 where it only comes to the edge of a
    zone), `distance_m` how near it comes to the outer edge of the road's land (0 inside), `place` where a map should point.
    """

    index: int
    manner: Manner
    length_m: float
    distance_m: float
    place: Point


def on_roads(line: LineString, roads: Roads) -> list[Encounter]:
    """Return what a line meets of roads, each at most once.

    A zone ends where the outer edge of the land is `zone_m` away, that distance included.
    """
    if line.length == 0 or not len(roads):
        return []
    gap = shapely.distance(line, roads.geometries) - roads.half_m
    near = np.flatnonzero((gap < -TOLERANCE_M) | (gap <= roads.zone_m + TOLERANCE_M))
    found = (_on_road(line, roads, int(i), float(gap[i])) for i in near)
    return [one for one in found if one is not None]


def _on_road(line: LineString, roads: Roads, i: int, gap: float) -> Encounter | None:
    half, zone = float(roads.half_m[i]), float(roads.zone_m[i])
    road = _near(roads.geometries[i], line, half + zone)
    # A line on the very edge is not in the land.
    land = road.buffer(half - TOLERANCE_M, quad_segs=_ARCS)
    inside = _linear(line.intersection(land))
    if inside.length > TOLERANCE_M:
        width = 2 * half or _strip_m(roads.geometries[i])
        return Encounter(
            i, _manner(line, road, width, inside), inside.length, 0.0, _spot(line, road, inside)
        )
    if zone == 0:
        return None
    around = _linear(line.intersection(road.buffer(half + zone, quad_segs=_ARCS)))
    nearest = Point(shapely.shortest_line(line, road).coords[0])
    return Encounter(i, "zone", around.length, max(gap, 0.0), nearest)


def _near(shape: BaseGeometry, line: LineString, reach: float) -> BaseGeometry:
    """The part of a long shape that can matter to a line: what is farther is only slow to buffer."""
    west, south, east, north = line.bounds
    far = reach + 10.0
    return shapely.clip_by_rect(shape, west - far, south - far, east + far, north + far)


def _strip_m(land: BaseGeometry) -> float:
    """The width of a strip of land that is much longer than wide."""
    return 2 * float(land.area) / float(land.length)


def _manner(line: LineString, road: BaseGeometry, width: float, inside: BaseGeometry) -> Manner:
    if inside.length > _CROSSING * width + TOLERANCE_M:
        return "along"
    if road.geom_type.endswith("Polygon"):
        through = bool(shapely.get_num_geometries(line.intersection(road.boundary)) > 1)
    else:
        through = line.crosses(road)
    return "crosses" if through else "enters"


def _spot(line: LineString, road: BaseGeometry, inside: BaseGeometry) -> Point:
    """Where the line passes over the centre line, else half way through the land."""
    if not road.geom_type.endswith("Polygon"):
        over = shapely.get_parts(line.intersection(road))
        points = over[shapely.get_type_id(over) == shapely.GeometryType.POINT]
        if len(points):
            return Point(points[0])
    return _middle(inside)


def on_areas(line: LineString, areas: Geometries) -> list[Encounter]:
    """Return what a line meets of areas, or of lines as rivers are often drawn; a touched edge is not met."""
    if line.length == 0 or not len(areas):
        return []
    found = []
    for i in np.flatnonzero(shapely.intersects(line, areas)):
        area = _near(areas[i], line, 0.0)
        if area.geom_type.endswith("LineString"):
            if line.crosses(area):
                found.append(_over(line, area, int(i)))
            continue
        inside = _linear(line.intersection(area.buffer(-TOLERANCE_M)))
        if inside.length > TOLERANCE_M:
            ends = [Point(line.coords[0]), Point(line.coords[-1])]
            through = not any(area.intersects(end) for end in ends)
            manner: Manner = "crosses" if through else "enters"
            found.append(Encounter(int(i), manner, inside.length, 0.0, _middle(inside)))
    return found


def _over(line: LineString, river: BaseGeometry, i: int) -> Encounter:
    spot = shapely.get_parts(line.intersection(river))[0]
    return Encounter(i, "crosses", 0.0, 0.0, Point(spot.coords[0]))


def _linear(shape: BaseGeometry) -> BaseGeometry:
    """The lines of an intersection, without the points where edges only touch."""
    parts = shapely.get_parts(shape)
    lines = parts[shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING]
    return shapely.union_all(lines)


def _middle(lines: BaseGeometry) -> Point:
    longest = max(shapely.get_parts(lines), key=lambda part: part.length)
    return Point(longest.interpolate(0.5, normalized=True))
