"""Nearest facilities and served shares, against plain definitions of both."""

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geo.coverage import CRSMismatch, MissingCRS, Shapes, nearest, shares

ZONE = "EPSG:4546"


def shapes(*geometries, ids=None, crs=ZONE):
    found = np.empty(len(geometries), dtype=object)
    found[:] = geometries
    numbers = range(1, len(geometries) + 1) if ids is None else ids
    return Shapes(np.array(list(numbers), dtype=np.int64), found, crs)


def brute_force(plots, facilities, radius, k):
    """Every plot against every facility, one at a time."""
    rows = []
    for plot_id, plot in zip(plots.ids, plots.geometries, strict=True):
        near = sorted(
            (plot.distance(facility), int(facility_id))
            for facility_id, facility in zip(facilities.ids, facilities.geometries, strict=True)
            if plot.distance(facility) <= radius
        )
        rows += [
            (int(plot_id), rank, facility, distance)
            for rank, (distance, facility) in enumerate(near[:k], 1)
        ]
    return rows


# Whole metres make ties and touching edges common instead of never.
places = st.tuples(st.integers(0, 400), st.integers(0, 400))
plots_ = st.lists(
    st.builds(
        lambda at, size: shapely.box(*at, at[0] + size[0], at[1] + size[1]),
        places,
        st.tuples(st.integers(1, 60), st.integers(1, 60)),
    ),
    max_size=6,
)
facilities_ = st.lists(
    st.one_of(
        st.builds(shapely.Point, places),
        st.builds(lambda a, b: shapely.LineString([a, b]), places, places),
        st.builds(
            lambda at, size: shapely.box(*at, at[0] + size, at[1] + size),
            places,
            st.integers(1, 50),
        ),
    ),
    max_size=25,
)


@given(plots_, facilities_, st.integers(1, 300), st.integers(1, 4), st.randoms())
@settings(deadline=None, max_examples=300)
def test_nearest_equals_brute_force(plots, facilities, radius, k, random):
    ids = random.sample(range(1000), len(facilities))
    plots, facilities = shapes(*plots), shapes(*facilities, ids=ids)
    found = nearest(plots, facilities, radius, k)
    rows = zip(found.plot, found.rank, found.facility, found.distance_m, strict=True)
    assert [tuple(map(float, row)) for row in rows] == [
        tuple(map(float, row)) for row in brute_force(plots, facilities, radius, k)
    ]


@given(plots_, facilities_)
@settings(deadline=None, max_examples=100)
def test_link_runs_from_the_plot_to_the_facility_and_is_as_long_as_the_distance(plots, facilities):
    plots, facilities = shapes(*plots), shapes(*facilities)
    found = nearest(plots, facilities, 500, 2)
    for plot, facility, distance, link in zip(
        found.plot, found.facility, found.distance_m, found.link, strict=True
    ):
        start, end = (shapely.Point(xy) for xy in link.coords)
        assert link.length == pytest.approx(distance, abs=1e-9)
        assert plots.geometries[plot - 1].distance(start) < 1e-9
        assert facilities.geometries[facility - 1].distance(end) < 1e-9


def test_facility_at_exactly_the_radius_is_reported_and_a_millimetre_farther_is_not():
    plot = shapes(shapely.box(0, 0, 10, 10))
    facilities = shapes(shapely.Point(2010, 5), shapely.Point(2010.001, 5))
    assert list(nearest(plot, facilities, 2000, 3).facility) == [1]


def test_touching_facility_has_distance_zero_and_a_link_of_no_length():
    found = nearest(
        shapes(shapely.box(0, 0, 10, 10)), shapes(shapely.LineString([(10, 5), (50, 5)])), 100, 1
    )
    assert found.distance_m[0] == 0
    assert found.link[0].length == 0


def test_of_equal_distances_the_lower_id_is_nearer():
    ring = [shapely.Point(x, y) for x, y in ((110, 5), (-100, 5), (5, 110), (5, -100))]
    found = nearest(shapes(shapely.box(0, 0, 10, 10)), shapes(*ring, ids=[9, 3, 7, 5]), 2000, 2)
    assert list(found.facility) == [3, 5]
    assert list(found.rank) == [1, 2]


def test_empty_and_missing_geometries_are_near_nothing():
    plots = shapes(shapely.Polygon(), None, shapely.box(0, 0, 10, 10))
    facilities = shapes(shapely.Point(), None, shapely.Point(20, 5))
    found = nearest(plots, facilities, 100, 3)
    assert list(zip(found.plot, found.facility, strict=True)) == [(3, 3)]


def test_nothing_in_gives_nothing_out():
    nobody, plot = shapes(), shapes(shapely.box(0, 0, 1, 1))
    assert len(nearest(nobody, plot, 10, 1).plot) == 0
    assert len(nearest(plot, nobody, 10, 1).plot) == 0
    assert list(shares(plot, nobody, np.zeros(0, dtype=np.int64)).of_all) == [0.0]
    assert len(shares(nobody, plot, np.array([1])).of_all) == 0


@given(plots_, st.lists(st.tuples(places, st.integers(1, 300), st.integers(1, 3)), max_size=6))
@settings(deadline=None, max_examples=150)
@example([shapely.box(0, 0, 10, 10)], [((10, 0), 10, 1)])
def test_shares_equal_their_definition(plots, areas):
    plots = shapes(*plots)
    owners = np.array([owner for _, _, owner in areas], dtype=np.int64)
    areas = shapes(*(shapely.Point(at).buffer(radius) for at, radius, _ in areas))
    found = shares(plots, areas, owners)
    expected = {}
    for plot_id, plot in zip(plots.ids, plots.geometries, strict=True):
        for owner in sorted(set(owners)):
            union = shapely.union_all(areas.geometries[owners == owner])
            if union.intersects(plot):
                expected[int(plot_id), int(owner)] = union.intersection(plot).area / plot.area
    pairs = [(int(p), int(o)) for p, o in zip(found.plot, found.owner, strict=True)]
    assert pairs == list(expected)
    assert found.share == pytest.approx(list(expected.values()), abs=1e-9)
    union = shapely.union_all(areas.geometries)
    assert found.of_all == pytest.approx(
        [union.intersection(plot).area / plot.area for plot in plots.geometries], abs=1e-9
    )


def test_overlapping_areas_of_one_owner_count_once():
    plot = shapes(shapely.box(0, 0, 10, 10))
    areas = shapes(shapely.box(0, 0, 5, 10), shapely.box(0, 0, 6, 10), shapely.box(9, 0, 20, 10))
    found = shares(plot, areas, np.array([1, 1, 2]))
    assert found.share == pytest.approx([0.6, 0.1])
    assert found.of_all == pytest.approx([0.7])


def test_edge_that_only_touches_is_a_share_of_zero_and_still_there():
    found = shares(
        shapes(shapely.box(0, 0, 10, 10)), shapes(shapely.box(10, 0, 20, 10)), np.array([4])
    )
    assert list(zip(found.owner, found.share, strict=True)) == [(4, 0.0)]


@pytest.mark.parametrize(
    "measure", [lambda p, q: nearest(p, q, 10, 1), lambda p, q: shares(p, q, q.ids)]
)
def test_shapes_without_metres_or_of_two_systems_are_not_measured(measure):
    here = shapes(shapely.box(0, 0, 1, 1))
    for crs in ("", "EPSG:4490"):
        with pytest.raises(MissingCRS):
            measure(here, shapes(shapely.Point(0, 0), crs=crs))
        with pytest.raises(MissingCRS):
            measure(shapes(shapely.box(0, 0, 1, 1), crs=crs), here)
    with pytest.raises(CRSMismatch):
        measure(here, shapes(shapely.Point(0, 0), crs="EPSG:4545"))
