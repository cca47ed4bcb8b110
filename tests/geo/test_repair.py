"""Nothing is repaired in silence: whatever rings are drawn, an accepted area is the one that was written, or its change is listed."""

import json
from pathlib import Path

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import Polygon

from geo import features, geojson, repair
from geo.crs import geodesic_area_m2

PLACES = st.tuples(st.integers(0, 8), st.integers(0, 8)).map(
    lambda p: [110.35 + p[0] / 1000, 20.02 + p[1] / 1000]
)
RINGS = st.lists(PLACES, min_size=3, max_size=8)
TERMS = features.Terms("plots", None, ((108.2, 17.9, 111.5, 20.4),), 1000, 1000)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    polygons=st.lists(st.lists(RINGS, min_size=1, max_size=3), min_size=1, max_size=2),
    close=st.booleans(),
)
def test_an_accepted_area_is_the_written_one_or_the_change_is_listed(tmp_path, polygons, close):
    if close:
        polygons = [[[*ring, ring[0]] for ring in polygon] for polygon in polygons]
    path: Path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "MultiPolygon", "coordinates": polygons}))
    result = features.measure(geojson.read(path, features=10), TERMS)
    written = sum(
        geodesic_area_m2(Polygon(rings[0])) - sum(geodesic_area_m2(Polygon(r)) for r in rings[1:])
        for rings in polygons
    )
    for found in result.features:
        assert found.geometry.is_valid
        assert found.area_m2 is not None
        changed = abs(found.area_m2 - abs(written)) > repair.CONSENT * found.area_m2 + 0.01
        assert changed == any(repair.needs_consent(p) for p in result.problems)
    opened = any(ring[0] != ring[-1] for polygon in polygons for ring in polygon)
    assert opened == any(p.code == "ring_closed" for p in result.problems) or not result.features


@pytest.mark.parametrize(
    ("before", "after", "asks"),
    [
        (5000.0, 5000.0, False), (5000.0, 5000.4, False), (5000.0, 5000.6, True), (0.0, 5000.0, True), (5000.0, 0.0, True),
    ],
)  # fmt: skip
def test_more_than_a_ten_thousandth_needs_consent(before, after, asks):
    problem = repair.repaired("x", repair.RING_CLOSED, before, after, 1, "")
    assert repair.needs_consent(problem) is asks


def test_areas_are_geodesic_for_degrees_and_plane_for_metres():
    assert repair.area_m2(shapely.box(37432000, 2215000, 37432100, 2215050)) == 5000
    degrees = shapely.box(110.35, 20.02, 110.351, 20.021)
    assert repair.area_m2(degrees) == pytest.approx(geodesic_area_m2(degrees))
    assert repair.area_m2(Polygon()) == 0
