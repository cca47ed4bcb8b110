"""Shapes as they come."""

import math

import numpy as np
import pytest
import shapely
from shapely import LinearRing, MultiPolygon, Polygon, box

from geo import geojson, shapes
from geo.errors import Refused


def test_wkt_deeper_than_eight_levels_never_reaches_geos():
    deep = "GEOMETRYCOLLECTION(" * 100_000 + "POINT(1 1)" + ")" * 100_000
    with pytest.raises(Refused) as refusal:
        shapes.from_wkt(deep)
    assert refusal.value.problem.code == "too_deep"


@pytest.mark.parametrize(
    "text", ["POLYGON((", "POLYGON((0 0,1 1))", "hello", "POLYGON((a b,c d,e f,a b))"]
)
def test_broken_wkt_is_none(text):
    assert shapes.from_wkt(text) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e308, -1e9])
def test_numbers_that_no_place_has_are_found(value):
    assert not shapes.is_finite(shapely.Point(value, 1))
    assert shapes.is_finite(shapely.Point(37_432_000, 2_215_000))


@pytest.mark.parametrize("turn", [False, True])
def test_rings_are_parts_or_holes_by_where_they_lie_not_by_direction(turn):
    rings = [
        box(0, 0, 10, 10).exterior,
        box(2, 2, 8, 8).exterior,
        box(4, 4, 6, 6).exterior,
        box(20, 0, 30, 10).exterior,
    ]
    if turn:
        rings = [LinearRing(list(ring.coords)[::-1]) for ring in rings[::-1]]
    whole = shapes.assemble(rings)
    assert isinstance(whole, MultiPolygon)
    assert whole.is_valid
    assert whole.area == pytest.approx(100 - 36 + 4 + 100)


def test_a_part_written_as_hole_gets_its_own_area_back():
    wrong = Polygon(box(0, 0, 1, 1).exterior, [box(5, 5, 6, 6).exterior])
    assert (wrong.area, wrong.is_valid) == (0.0, False)
    anew = shapes.rebuilt(wrong)
    assert anew is not None
    assert anew.area == 2.0


def test_a_bow_tie_is_never_rebuilt():
    assert shapes.rebuilt(Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])) is None
    crossing = Polygon(box(0, 0, 4, 4).exterior, [box(2, 2, 6, 6).exterior])
    assert shapes.rebuilt(crossing) is None


def test_a_fault_has_its_place_and_the_nearest_point():
    bow = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    reason, place = shapes.fault(bow)
    assert (reason, place) == ("Self-intersection", (1.0, 1.0))
    assert shapes.nearest_point_number(bow, (1.9, 0.2)) == 3


def test_closed_lines_of_drawings_are_areas_and_open_ones_stay_lines():
    ring = shapely.LineString([(0, 0), (1, 0), (1, 1), (0, 0)])
    assert shapes.closed_line_as_polygon(ring).area == 0.5
    assert (
        shapes.closed_line_as_polygon(shapely.LineString([(0, 0), (1, 0), (1, 1)])).geom_type
        == "LineString"
    )


# Bred by the fuzzer: GEOS fails when it is asked whether this is valid.
UNJUDGED = (
    "MULTIPOLYGON (((110.361 -5.491610192862482e+304, -1.0969748939149788e-197 5.1647025371550385e-284, "
    "-1.0969748939149488e-197 8.745562962966704e-283, -2.226056370097304e-197 8.745562962966704e-283, "
    "-2.226056370097304e-197 5.1647025371550385e-284, 110.361 -5.491610192862482e+304)), "
    "((-1.4041278642113347e-197 9.356719429803242e-284, -1.4041278642113347e-197 1.6768067570592814e-283, "
    "-1.2339629782325215e-197 1.6768067570592814e-283, -1.2339629782325215e-197 9.356719429803242e-284, "
    "-1.4041278642113347e-197 9.356719429803242e-284)))"
)


def test_shape_that_geos_cannot_judge_is_none(tmp_path):
    hopeless = shapely.from_wkt(UNJUDGED)
    with pytest.raises(shapely.errors.GEOSException):
        shapely.is_valid(hopeless)
    assert shapes.from_wkt(UNJUDGED) is None
    found, closed = shapes.read_wkb(shapely.to_wkb(np.array([hopeless, box(0, 0, 1, 1)])))
    assert (found[0], found[1], closed) == (None, box(0, 0, 1, 1), [])
    file = tmp_path / "a.geojson"
    file.write_text(f'{{"type": "Feature", "geometry": {shapely.to_geojson(hopeless)}}}')
    assert [p.code for p in geojson.read(file, features=9).problems] == ["geometry_broken"]
