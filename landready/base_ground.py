"""The ground between a plot and a facility as the city's base layers tell it: a road graph, and what a line may meet."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import shapely
from shapely import MultiLineString
from shapely.geometry.base import BaseGeometry
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from geo import encounters, road_graph, route
from geo.crs import Geometries, to_stored, to_working
from geo.encounters import Encounter
from geo.road_graph import RoadGraph
from geo.roads import Roads
from landready.base_layers import BaseFeature, BaseLayer, as_stored, current_layers
from landready.external_lines import Met
from landready.road_classes import RoadClass, rules
from landready.settings import Route as Terms
from landready.shapes import SRID, loaded

_METRES_A_DEGREE = 100_000.0
_CLASSES = list(RoadClass)
_AREAS: Mapping[str, Literal["green", "water", "planning"]] = {
    "greens": "green",
    "waters": "water",
    "planning_areas": "planning",
}


@dataclass(frozen=True, slots=True)
class Feature:
    """A road, green, water or planning area in the metres of the ground's CRS."""

    geometry: BaseGeometry
    name: str = ""
    road_class: RoadClass | None = None
    land_width_m: float | None = None
    completed: date | None = None
    overhauled: date | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A connection route and what it meets."""

    route: route.Route
    met: tuple[Met, ...]


class Ground:
    """Base features of one place in one projected CRS in metres, made ready to be crossed.

    `features` by kind of base layer; a kind that is not among its keys was never uploaded. `base` names the versions.
    """

    def __init__(
        self, crs: str, features: Mapping[str, Sequence[Feature]], base: list[dict[str, Any]]
    ) -> None:
        self.crs, self.features, self.base = crs, features, base
        roads = features.get("roads", ())
        self.graph: RoadGraph = road_graph.build(_measures(crs, roads))
        self.whole = _whole_roads(roads)
        self.roads = _measures(crs, self.whole)
        self.trees = {
            "roads": shapely.STRtree(self.roads.geometries),
            **{kind: shapely.STRtree(_geometries(features.get(kind, ()))) for kind in _AREAS},
        }

    def lines(
        self, origin: BaseGeometry, targets: Sequence[BaseGeometry], terms: Terms
    ) -> list[Line]:
        """Route a line from `origin` to each target (all in the ground's CRS) and say what each meets."""
        if not targets:
            return []
        ways = route.routes(
            self.graph, origin, targets, route.Terms(terms.open_ground, terms.leg_m)
        )
        return [Line(way, tuple(self.met(way.line))) for way in ways]

    def met(self, line: shapely.LineString) -> Iterable[Met]:
        """Say what a line meets, roads first."""
        reach = float((self.roads.half_m + self.roads.zone_m).max(initial=0.0)) + 1.0
        near = np.sort(self.trees["roads"].query(line, predicate="dwithin", distance=reach))
        on_roads = encounters.on_roads(line, _some(self.roads, near))
        places = self._places(on_roads)
        for one, place in zip(on_roads, places, strict=True):
            yield _met_road(self.whole[near[one.index]], one, place)
        for kind, what in _AREAS.items():
            yield from self._on_areas(line, kind, what)

    def _on_areas(
        self, line: shapely.LineString, kind: str, what: Literal["green", "water", "planning"]
    ) -> Iterable[Met]:
        near = np.sort(self.trees[kind].query(line, predicate="intersects"))
        features = [self.features[kind][i] for i in near]
        found = encounters.on_areas(line, _geometries(features))
        for one, place in zip(found, self._places(found), strict=True):
            yield Met(what, one.manner, one.length_m, place, features[one.index].name)

    def _places(self, found: Sequence[Encounter]) -> list[tuple[float, float]]:
        points = to_stored(shape_array([one.place for one in found]), self.crs)
        return [(round(p.x, 7), round(p.y, 7)) for p in points]


def ground_around(
    session: Session, office_id: int, system: str, around: Geometries, terms: Terms
) -> Ground:
    """Load an office's current base layers around lon/lat shapes, `terms.around_m` metres more on every side; as the engine."""
    layers = current_layers(session, office_id)
    west, south, east, north = (float(v) for v in shapely.total_bounds(around))
    high = terms.around_m / _METRES_A_DEGREE
    wide = high / max(float(np.cos(np.radians(max(abs(south), abs(north))))), 0.01)
    box = func.ST_MakeEnvelope(west - wide, south - high, east + wide, north + high, SRID)
    rows = session.execute(
        select(
            BaseLayer.kind,
            BaseFeature.geom,
            BaseFeature.name,
            BaseFeature.road_class,
            BaseFeature.land_width_m,
            BaseFeature.completed,
            BaseFeature.overhauled,
        )
        .join(BaseLayer, BaseLayer.id == BaseFeature.layer_id)
        .where(BaseLayer.office_id == office_id, BaseLayer.current, BaseFeature.geom.op("&&")(box))
        .order_by(BaseFeature.id)
    ).all()
    shapes = to_working(loaded(row.geom for row in rows), system)
    # Projecting may fold a sliver that was valid in degrees.
    folded = ~shapely.is_valid(shapes)
    shapes[folded] = shapely.make_valid(shapes[folded])
    features: dict[str, list[Feature]] = {layer.kind: [] for layer in layers}
    for row, shape in zip(rows, shapes, strict=True):
        found = RoadClass(row.road_class) if row.road_class else None
        features[row.kind].append(
            Feature(shape, row.name, found, row.land_width_m, row.completed, row.overhauled)
        )
    return Ground(system, features, as_stored(layers))


def _measures(crs: str, roads: Sequence[Feature]) -> Roads:
    """What geo measures of roads: widths and costs of their class, and the width of their land where it is stated."""
    rule = [rules()[road.road_class or RoadClass.STREET] for road in roads]
    return Roads(
        crs,
        _geometries(roads),
        np.array([_CLASSES.index(r.road_class) for r in rule], dtype=np.int64),
        np.array([_half(road) for road in roads], dtype=np.float64),
        np.array([r.zone_m for r in rule], dtype=np.float64),
        np.array([r.along_factor for r in rule], dtype=np.float64),
        np.array([r.crossing_m for r in rule], dtype=np.float64),
    )


def _is_land(road: Feature) -> bool:
    return road.geometry.geom_type.endswith("Polygon")


def _half(road: Feature) -> float:
    """From the centre line to the edge of the land; a polygon is the land itself."""
    if _is_land(road):
        return 0.0
    return (road.land_width_m or rules()[road.road_class or RoadClass.STREET].land_width_m) / 2


def _whole_roads(roads: Sequence[Feature]) -> list[Feature]:
    """Roads as people name them: the pieces of one name, class, width and age together; a nameless piece stays alone.

    A centre line without a stated width that runs in land of its own class is left out: that land has the edge.
    """
    groups: dict[object, list[Feature]] = defaultdict(list)
    for number, road in enumerate(_without_double_edges(roads)):
        key = (
            road.name or number,
            road.road_class,
            road.land_width_m,
            road.completed,
            road.overhauled,
            _is_land(road),
        )
        groups[key].append(road)
    return [_together(pieces) for pieces in groups.values()]


def _together(pieces: Sequence[Feature]) -> Feature:
    one = pieces[0]
    if len(pieces) == 1:
        return one
    shapes = _geometries(pieces)
    whole = (
        shapely.union_all(shapes)
        if _is_land(one)
        else MultiLineString(list(shapely.get_parts(shapes)))
    )
    return Feature(whole, one.name, one.road_class, one.land_width_m, one.completed, one.overhauled)


def _without_double_edges(roads: Sequence[Feature]) -> Iterable[Feature]:
    land = {
        name: shapely.union_all(
            _geometries([r for r in roads if r.road_class is name and _is_land(r)])
        )
        for name in {r.road_class for r in roads if _is_land(r)}
    }
    for road in roads:
        drawn = land.get(road.road_class)
        if drawn is None or _is_land(road) or road.land_width_m or not drawn.covers(road.geometry):
            yield road


def _some(roads: Roads, which: npt.NDArray[np.intp]) -> Roads:
    return Roads(
        roads.crs,
        roads.geometries[which],
        roads.kind[which],
        roads.half_m[which],
        roads.zone_m[which],
        roads.along[which],
        roads.crossing[which],
    )


def _met_road(road: Feature, one: Encounter, place: tuple[float, float]) -> Met:
    name = road.road_class or RoadClass.STREET
    return Met(
        "road",
        one.manner,
        one.length_m,
        place,
        road.name,
        name,
        one.distance_m,
        rules()[name].zone_m,
        "stated" if _is_land(road) or road.land_width_m else "assumed",
        road.completed,
        road.overhauled,
    )


def _geometries(features: Iterable[Feature]) -> Geometries:
    return shape_array([feature.geometry for feature in features])


def shape_array(shapes: Sequence[BaseGeometry]) -> Geometries:
    """An array of shapes; numpy would take a lone multi-part shape apart."""
    found = np.empty(len(shapes), dtype=object)
    for i, shape in enumerate(shapes):
        found[i] = shape
    return found
