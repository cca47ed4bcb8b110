"""Well-known binary to flat arrays, and exact orientation."""

from fractions import Fraction

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo import flat, wkb
from geo.crossings import touch, turn
from geo.flat import BadGeometry

SHAPES = [
    shapely.Point(1, 2),
    shapely.LineString([(0, 0), (3, 4), (5, 5)]),
    shapely.box(0, 0, 10, 10).difference(shapely.box(2, 2, 3, 3)),
    shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 7)]),
    shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 3)]]),
    shapely.GeometryCollection([shapely.Point(9, 9), shapely.box(0, 0, 2, 2)]),
    shapely.Polygon(),
    None,
]


def array(shapes):
    found = np.empty(len(shapes), dtype=object)
    found[:] = shapes
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"output_dimension": 2},
        {"output_dimension": 3},
        {"flavor": "iso", "output_dimension": 3},
        {"include_srid": True},
        {"byte_order": 0},
    ],
)
def test_every_dialect_is_read_alike(options):
    shapes = shapely.force_3d(array(SHAPES)) if "output_dimension" in options else array(SHAPES)
    pieces = [b"" if g is None else g for g in shapely.to_wkb(shapes, **options)]
    found, plain = flat.from_pieces(pieces), flat.from_shapely(array(SHAPES))
    for name in ("x", "y", "part_start", "part_kind", "start"):
        assert np.array_equal(getattr(found, name), getattr(plain, name)), name


def test_bounds_and_areas_are_those_of_the_shapes():
    found = flat.from_shapely(array(SHAPES))
    assert found.areas() == pytest.approx([0, 0, 99, 3, 0, 4, 0, 0])
    assert np.array_equal(found.bounds(), shapely.bounds(array(SHAPES)), equal_nan=True)


def test_shells_turn_left_and_holes_right_whatever_the_file_says():
    square = [(0, 0), (0, 4), (4, 4), (4, 0)]
    hole = [(1, 1), (2, 1), (2, 2), (1, 2)]
    for shell in (square, square[::-1]):
        for inner in (hole, hole[::-1]):
            assert flat.from_shapely(array([shapely.Polygon(shell, [inner])])).areas() == [15]


def test_polygons_come_back_as_they_went_in():
    found = flat.from_shapely(array(SHAPES)).polygons(np.array([3, 2]))
    assert all(a.equals(b) for a, b in zip(found, (SHAPES[3], SHAPES[2]), strict=True))


@pytest.mark.parametrize(
    "piece",
    [
        bytes.fromhex("0108000000") + bytes(40),  # a circular string
        shapely.to_wkb(SHAPES[2])[:-1],
        shapely.to_wkb(shapely.LineString([(0, 0), (1, float("inf"))])),
        shapely.to_wkb(shapely.LineString([(0, 0), (1, 1e300)])),
        bytes.fromhex("0106000000ffffffff"),
        b"\x01",
    ],
)
def test_what_is_no_geometry_is_refused(piece):
    with pytest.raises(BadGeometry):
        flat.from_pieces([piece])


@given(st.sampled_from(SHAPES[:6]), st.integers(0, 400), st.integers(0, 255))
@settings(deadline=None, max_examples=400)
def test_damaged_bytes_are_read_or_refused_but_never_beyond_their_end(shape, at, value):
    piece = bytearray(shapely.to_wkb(shape))
    piece[at % len(piece)] = value
    try:
        found = flat.from_pieces([bytes(piece), shapely.to_wkb(shapely.Point(7, 8))])
    except (BadGeometry, shapely.errors.GEOSException):
        return
    assert (found.x[-1], found.y[-1]) == (7, 8)


near = st.integers(0, 30).map(lambda n: 0.5 + n * 2.0**-53)
# Metres as small as the rule of the method allows; the product of smaller ones is no number any more.
metres = st.just(0.0) | st.floats(1e-60, 1e6) | st.floats(-1e6, -1e-60)


@given(st.lists(near | metres, min_size=6, max_size=6))
@settings(deadline=None, max_examples=500)
def test_side_of_a_line_is_exact(numbers):
    ax, ay, bx, by, cx, cy = map(Fraction, numbers)
    exact = (ax - cx) * (by - cy) - (ay - cy) * (bx - cx)
    assert turn(*numbers) == (exact > 0) - (exact < 0)


@given(st.lists(st.integers(0, 6), min_size=8, max_size=8))
@settings(deadline=None, max_examples=500)
def test_segments_share_a_point_when_geos_says_so(numbers):
    a, b = (
        shapely.LineString([numbers[:2], numbers[2:4]]),
        shapely.LineString([numbers[4:6], numbers[6:]]),
    )
    lone = [shapely.Point(s.coords[0]) if s.length == 0 else s for s in (a, b)]
    assert touch(*map(float, numbers)) == lone[0].intersects(lone[1])


def test_kinds_of_parts_are_those_of_the_reader():
    assert flat.from_shapely(array(SHAPES[:3])).part_kind.tolist() == [
        wkb.POINT, wkb.LINE, wkb.SHELL, wkb.HOLE,
    ]  # fmt: skip
