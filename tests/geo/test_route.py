"""The way of a connection line: along roads where that is cheaper, else straight and called so."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point, affinity, box
from shapely.geometry import shape

from geo.crs import to_working
from geo.frame import MissingCRS
from geo.road_graph import build
from geo.roads import Roads, no_roads
from geo.route import Terms, routes

TERMS = Terms(open_ground=3.0, leg_m=300.0)
STREETS = Path(__file__).parents[1] / "data" / "cambridge" / "TRANS_Centerlines.geojson"


def roads(*lines, kind=0, crossing=0.0, along=1.0):
    n = len(lines)
    shapes = np.empty(n, dtype=object)
    shapes[:] = lines
    full = np.full
    return Roads(
        "EPSG:4546",
        shapes,
        full(n, kind),
        full(n, 10.0),
        np.zeros(n),
        full(n, along),
        full(n, crossing),
    )


def both(first, second):
    return Roads(
        "EPSG:4546",
        *(
            np.concatenate((getattr(first, name), getattr(second, name)))
            for name in ("geometries", "kind", "half_m", "zone_m", "along", "crossing")
        ),
    )


def way(network, plot, facility, terms=TERMS):
    return routes(build(network), plot, [facility], terms)[0]


def test_without_roads_the_line_is_straight_and_says_so():
    found = way(no_roads("EPSG:4546"), box(0, 0, 10, 10), Point(110, 10))
    assert (found.method, found.why) == ("straight", "no_roads")
    assert found.length_m == found.straight_m == 100


@pytest.mark.parametrize("crs", ["", "EPSG:4490"])
def test_roads_without_a_metric_crs_are_refused(crs):
    with pytest.raises(MissingCRS):
        no_roads(crs)


def test_a_line_follows_the_street_round_the_corner():
    corner = roads(LineString([(0, 0), (400, 0)]), LineString([(400, 0), (400, 400)]))
    found = way(corner, box(0, 10, 20, 30), Point(390, 390))
    assert found.method == "roads"
    assert found.length_m == pytest.approx(10 + 380 + 390 + 10)
    assert found.along_m == pytest.approx(770)
    assert found.line.coords[0] == (20, 10)
    assert found.line.coords[-1] == (390, 390)


def test_a_drawn_gap_of_half_a_metre_is_a_junction():
    nearly = roads(LineString([(0, 0), (400, 0)]), LineString([(200, 0.5), (200, 400)]))
    found = way(nearly, box(0, 10, 20, 30), Point(210, 390))
    assert found.method == "roads"
    assert found.length_m == pytest.approx(10 + 180 + 390 + 10, abs=1)


def test_roads_that_do_not_meet_lead_nowhere():
    apart = roads(LineString([(0, 0), (400, 0)]), LineString([(0, 900), (400, 900)]))
    found = way(apart, box(0, -60, 20, -40), Point(390, 940))
    assert (found.method, found.why) == ("straight", "no_path")


def test_a_line_that_is_cheaper_straight_stays_straight():
    found = way(roads(LineString([(0, 200), (400, 200)])), box(0, 0, 20, 20), Point(40, 20))
    assert (found.method, found.why) == ("straight", "direct")


def test_a_facility_on_the_boundary_needs_no_line():
    found = way(roads(LineString([(0, 20), (90, 20)])), box(0, 0, 20, 20), Point(20, 10))
    assert (found.method, found.why, found.length_m) == ("straight", "touches", 0)


def test_a_road_beyond_the_reach_of_a_leg_is_not_used():
    far = roads(LineString([(-1000, 310), (1000, 310)]))
    assert way(far, box(0, 0, 5, 5), Point(900, 0)).why == "no_path"


def test_a_costly_crossing_is_gone_round():
    """Two ways to the same place, one over a motorway: the longer one is taken when the crossing costs more."""
    street = roads(
        LineString([(0, 0), (0, 300)]),
        LineString([(0, 0), (200, 0)]),
        LineString([(200, 0), (200, 300)]),
        LineString([(200, 300), (0, 300)]),
        crossing=0.0,
    )
    plot, facility = box(-20, 0, -10, 10), Point(-15, 290)
    near = way(street, plot, facility)
    assert near.length_m == pytest.approx(10 + 280 + 15)
    motorway = roads(LineString([(-400, 150), (100, 150)]), kind=1, crossing=800.0)
    round_it = way(both(street, motorway), plot, facility)
    assert round_it.length_m > 600
    assert not round_it.line.crosses(motorway.geometries[0])


def test_side_by_side_the_nearest_end_of_a_main_is_taken():
    """A main beside the street is equally near everywhere: the line leaves the street at its near end."""
    street = roads(LineString([(0, 0), (1000, 0)]))
    found = way(street, box(0, 20, 30, 50), LineString([(400, 3), (900, 3)]))
    assert found.length_m == pytest.approx(20 + 370 + 3, abs=1e-6)


def test_polygons_of_road_land_carry_no_line():
    land = roads(box(0, 0, 400, 20))
    assert way(land, box(0, 30, 20, 50), Point(390, 30)).why == "no_roads"


spot = st.tuples(st.integers(-300, 300), st.integers(-300, 300))
segment = st.tuples(spot, spot).filter(lambda ends: ends[0] != ends[1])
network = st.lists(segment, max_size=7).map(lambda found: [LineString(ends) for ends in found])
place = st.tuples(st.integers(-250, 250), st.integers(-250, 250))


@settings(max_examples=60, deadline=None)
@given(network, place, place)
def test_a_route_is_at_least_as_long_as_the_straight_line(lines, at, to):
    plot, facility = box(at[0], at[1], at[0] + 30, at[1] + 20), Point(to)
    found = way(roads(*lines, crossing=20.0), plot, facility)
    assert found.straight_m == pytest.approx(plot.distance(facility))
    assert found.length_m >= found.straight_m - 1e-9
    assert found.length_m == pytest.approx(found.line.length)
    assert 0 <= found.along_m <= found.length_m + 1e-9
    assert plot.distance(Point(found.line.coords[0])) < 1e-9
    assert facility.distance(Point(found.line.coords[-1])) < 1e-9
    assert found.method == "roads" or found.line.length == found.straight_m
    if not lines:
        assert found.method == "straight"


@settings(max_examples=60, deadline=None)
@given(network, segment, place, place)
def test_a_road_more_never_makes_a_line_dearer(lines, more, at, to):
    """Where crossings cost nothing; what a new road across the way costs is another matter."""
    plot, facility = box(at[0], at[1], at[0] + 30, at[1] + 20), Point(to)
    before = way(roads(*lines), plot, facility)
    after = way(roads(*lines, LineString(more)), plot, facility)
    assert after.cost <= before.cost + 1e-6


@settings(max_examples=60, deadline=None)
@given(network, segment, place, place)
def test_a_road_away_from_the_line_never_makes_it_dearer(lines, more, at, to):
    plot, facility = box(at[0], at[1], at[0] + 30, at[1] + 20), Point(to)
    new = LineString(more)
    before = way(roads(*lines, crossing=25.0), plot, facility)
    if before.line.distance(new) > 2:
        after = way(roads(*lines, new, crossing=25.0), plot, facility)
        assert after.cost <= before.cost + 1e-6


@settings(max_examples=40, deadline=None)
@given(network, place, place, st.floats(0, 360), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
def test_moving_and_turning_everything_changes_no_cost(lines, at, to, angle, dx, dy):
    plot, facility = box(at[0], at[1], at[0] + 30, at[1] + 20), Point(to)

    def moved(thing):
        turned = affinity.rotate(thing, angle, origin=(0, 0))
        return affinity.translate(turned, dx, dy)

    here = way(roads(*lines), plot, facility)
    there = way(roads(*map(moved, lines)), moved(plot), moved(facility))
    # Ends that come within a metre are joined: turning rounds that metre.
    assert there.cost == pytest.approx(here.cost, abs=1e-3) or _at_the_snap(lines)


def _at_the_snap(lines):
    """Do two ends stand at just the distance at which they are joined, or not?"""
    gaps = [a.distance(b) for i, a in enumerate(lines) for b in lines[:i]]
    ends = [Point(line.coords[k]) for line in lines for k in (0, -1)]
    gaps += [a.distance(b) for i, a in enumerate(ends) for b in ends[:i]]
    return any(abs(gap - 1.0) < 1e-6 for gap in gaps)


def test_real_streets_carry_a_line_from_corner_to_corner():
    """2,643 centre lines of one city, as they were drawn."""
    lines = [
        shape(f["geometry"])
        for f in json.loads(STREETS.read_text(encoding="utf-8"))["features"]
        if f["geometry"]
    ]
    network = roads(*to_working(np.array(lines, dtype=object), "EPSG:32619"), crossing=20.0)
    graph = build(network)
    west, south, east, north = shapely.total_bounds(network.geometries)
    middle = graph.xy[np.argmin(np.hypot(*(graph.xy - ((west + east) / 2, (south + north) / 2)).T))]
    away = np.hypot(*(graph.xy - middle).T)
    targets = [Point(graph.xy[i]) for i in np.flatnonzero((away > 800) & (away < 810))[:3]]
    found = routes(graph, Point(middle).buffer(40), targets, TERMS)
    assert [one.method for one in found] == ["roads"] * 3
    for one in found:
        assert one.straight_m < one.length_m < 2 * one.straight_m
        assert one.along_m > 0.8 * one.length_m
