"""Nearest facilities, crossed barriers and served shares, against plain definitions of each."""

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapely import affinity

from geo import coverage, flat, grid, search
from geo.frame import CRSMismatch, MissingCRS
from geo.ground import Ground
from geo.network import Network
from geo.outlines import Outlines

ZONE = "EPSG:4546"


def array(geometries):
    found = np.empty(len(geometries), dtype=object)
    found[:] = geometries
    return found


def numbered(geometries, ids=None):
    return np.array(list(range(1, len(geometries) + 1) if ids is None else ids), dtype=np.int64)


def ground(*geometries, crs=ZONE):
    return Ground.of(numbered(geometries), flat.from_shapely(array(geometries)), crs)


def index(*geometries, ids=None, crs=ZONE):
    return grid.build(numbered(geometries, ids), flat.from_shapely(array(geometries)), crs)


def outlines(*geometries, crs=ZONE):
    return Outlines.of(numbered(geometries), flat.from_shapely(array(geometries)), crs)


def nearest(plots, facilities, radius, k, ids=None):
    return search.nearest(ground(*plots), [(index(*facilities, ids=ids), None)], radius, k)


def agree(found, plots, facilities, radius, k, ids=None):
    """Every plot against every facility, one at a time; ties within rounding may stand in either order, those at 0 not."""
    ids = numbered(facilities, ids)
    for i, plot in enumerate(plots):
        gaps = {int(n): plot.distance(f) for n, f in zip(ids, facilities, strict=True)}
        near = sorted((d, n) for n, d in gaps.items() if d <= radius)[:k]
        rows = found.facility[i][found.facility[i] >= 0]
        assert len(rows) == len(near)
        assert len(set(rows)) == len(rows)
        assert found.distance[i, : len(rows)] == pytest.approx([d for d, _ in near], abs=1e-6)
        for rank, (gap, facility) in enumerate(near):
            tie = gap > 0 and gaps[int(rows[rank])] == pytest.approx(gap, abs=1e-9)
            assert rows[rank] == facility or tie


# Whole metres make ties and touching edges common instead of never.
places = st.tuples(st.integers(0, 400), st.integers(0, 400))
boxes = st.builds(
    lambda at, size: shapely.box(*at, at[0] + size[0], at[1] + size[1]),
    places,
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
discs = st.builds(lambda at, r: shapely.Point(at).buffer(r), places, st.integers(5, 60))
rings = st.builds(
    lambda at, r: shapely.Point(at).buffer(r).difference(shapely.Point(at).buffer(r / 2)),
    places,
    st.integers(5, 60),
)
apart = st.builds(
    lambda a, b: shapely.MultiPolygon([a, affinity.translate(b, 900, 0)]), boxes, discs
)
plots_ = st.lists(st.one_of(boxes, discs, rings, apart), max_size=6)
facilities_ = st.lists(
    st.one_of(
        st.builds(shapely.Point, places),
        st.builds(lambda a, b: shapely.LineString([a, b]), places, places),
        st.builds(
            lambda a, b, c: shapely.MultiLineString([[a, b], [b, c]]), places, places, places
        ),
        st.builds(lambda a, b: shapely.MultiPoint([a, b]), places, places),
        boxes,
        rings,
        apart,
    ),
    max_size=25,
)


@given(plots_, facilities_, st.integers(1, 300), st.integers(1, 4), st.randoms())
@settings(deadline=None, max_examples=300)
def test_nearest_equals_brute_force(plots, facilities, radius, k, random):
    ids = random.sample(range(1000), len(facilities))
    agree(nearest(plots, facilities, radius, k, ids), plots, facilities, radius, k, ids)


@given(plots_, facilities_, st.floats(0, 6.28), st.integers(-9, 9), st.integers(-9, 9))
@settings(deadline=None, max_examples=60)
def test_distances_do_not_change_under_rigid_motion(plots, facilities, angle, east, north):
    def moved(shapes):
        turned = [affinity.rotate(s, angle, (0, 0), use_radians=True) for s in shapes]
        return [affinity.translate(s, 4e5 + east * 1e3, 2.2e6 + north * 1e3) for s in turned]

    still = nearest(plots, facilities, 300, 3)
    gone = nearest(moved(plots), moved(facilities), 300.000001, 3)
    both = np.isfinite(still.distance)
    assert gone.distance[both] == pytest.approx(still.distance[both], abs=1e-6)


@given(plots_, facilities_, boxes)
@settings(deadline=None, max_examples=60)
def test_one_more_facility_never_puts_a_plot_farther_away(plots, facilities, extra):
    before = nearest(plots, facilities, 300, 3).distance
    after = nearest(plots, [*facilities, extra], 300, 3).distance
    assert (after <= before).all()


@given(plots_, facilities_)
@settings(deadline=None, max_examples=100)
def test_link_runs_from_the_plot_to_the_facility_and_is_as_long_as_the_distance(plots, facilities):
    found = nearest(plots, facilities, 500, 2)
    for i, j in zip(*np.nonzero(found.facility >= 0), strict=True):
        start, end = (shapely.Point(xy) for xy in found.link[i, j].reshape(2, 2))
        assert start.distance(end) == pytest.approx(found.distance[i, j], abs=1e-9)
        assert plots[i].distance(start) < 1e-9
        assert facilities[found.facility[i, j] - 1].distance(end) < 1e-9


def test_real_shapes_are_exact_too():
    """Rings of thousands of vertices, mains of 10 km and a crowd in one place, at coordinates of Hainan."""
    rng = np.random.default_rng(3)
    at = np.array([430_000.0, 2_210_000.0])
    angles = np.linspace(0, 2 * np.pi, 3001)[:-1]
    lake = np.column_stack((np.cos(angles), np.sin(angles))) * rng.uniform(380, 420, (3000, 1)) + at
    plots = [
        shapely.Polygon(lake).difference(shapely.Point(at).buffer(100, 300)),
        *(shapely.Point(at + rng.uniform(-4000, 4000, 2)).buffer(80, 60) for _ in range(20)),
    ]
    mains = [shapely.LineString(at + rng.uniform(-6000, 6000, (2, 2))) for _ in range(40)]
    crowd = [shapely.Point(at + 3000 + rng.normal(0, 30, 2)) for _ in range(3000)]
    inside = [shapely.Point(at), shapely.Point(at).buffer(9000)]
    facilities = [*mains, *crowd, *inside]
    agree(nearest(plots, facilities, 2000, 5), plots, facilities, 2000, 5)


def test_line_along_an_edge_beyond_its_end_does_not_touch_it():
    edge = shapely.Polygon([(0.1, 0.1), (70.7, 33.3), (10, 90)])
    main = affinity.scale(shapely.LineString([(0.1, 0.1), (70.7, 33.3)]), 1, 1)
    beyond = affinity.translate(main, 2 * (70.7 - 0.1), 2 * (33.3 - 0.1))
    assert nearest([edge], [beyond], 200, 1).distance[0, 0] == pytest.approx(edge.distance(beyond))


def test_facility_at_exactly_the_radius_is_reported_and_a_millimetre_farther_is_not():
    found = nearest(
        [shapely.box(0, 0, 10, 10)], [shapely.Point(2010, 5), shapely.Point(2010.001, 5)], 2000, 3
    )
    assert found.facility.tolist() == [[1, -1, -1]]


def test_touching_facility_has_distance_zero_and_a_link_of_no_length():
    found = nearest([shapely.box(0, 0, 10, 10)], [shapely.LineString([(10, 5), (50, 5)])], 100, 1)
    assert found.distance[0, 0] == 0
    assert found.link[0, 0].tolist() == [10, 5, 10, 5]


def test_plot_within_a_facility_that_covers_ground_is_at_distance_zero():
    station = shapely.box(-5000, -5000, 5000, 5000)
    pond = station.difference(shapely.box(-50, -50, 50, 50))
    found = nearest([shapely.box(0, 0, 10, 10)], [station, pond], 2000, 2)
    assert found.facility[0].tolist() == [1, 2]
    assert found.distance[0].tolist() == [0, 40]


def test_plot_far_from_the_network_finds_it_when_the_radius_says_so():
    lone = shapely.box(9e6, -9e6, 9e6 + 10, -9e6 + 10)
    pipes = [shapely.LineString([(x, 0), (x, 50)]) for x in range(0, 5000, 20)]
    agree(nearest([lone], pipes, 2e7, 3), [lone], pipes, 2e7, 3)
    assert nearest([lone], pipes, 2000, 1).facility.tolist() == [[-1]]


def test_of_touching_facilities_the_lower_id_is_nearer_wherever_it_is_met():
    crowd = [shapely.Point(x, 250 + x) for x in range(-3000, -1000, 5)]
    found = nearest(
        [shapely.box(0, 0, 500, 500)],
        [shapely.Point(10, 0), shapely.Point(10, 500), *crowd],
        100,
        1,
        ids=[2, 1, *range(3, 3 + len(crowd))],
    )
    assert found.facility.tolist() == [[1]]


def test_lines_that_cling_to_a_polygon_do_not_make_it_larger():
    plot = shapely.GeometryCollection(
        [shapely.box(0, 0, 10, 10), shapely.LineString([(10, 5), (40, 20), (80, 5)])]
    )
    found = nearest([plot], [shapely.Point(45, 10)], 100, 1)
    assert found.distance[0, 0] == pytest.approx(
        shapely.box(0, 0, 10, 10).distance(shapely.Point(45, 10))
    )


def test_stray_coordinate_does_not_make_a_vast_grid():
    made = index(shapely.Point(0, 0), shapely.Point(9e8, 9e8))
    assert made.cell_start.nbytes < 1_000_000


def test_part_without_vertices_is_not_there():
    barriers = outlines(
        shapely.LineString([(100, 0), (100, 40)]),
        shapely.from_wkt("MULTILINESTRING(EMPTY, (100 50, 100 100))"),
    )
    reached = coverage.reach(
        ground(shapely.box(0, 0, 50, 30)),
        Network.of(index(shapely.Point(200, 10))),
        {"b": barriers},
        500,
        1,
    )
    assert reached.crossed["b"][1].tolist() == [0]


def test_of_equal_distances_the_lower_id_is_nearer():
    ring = [shapely.Point(x, y) for x, y in ((110, 5), (-100, 5), (5, 110), (5, -100))]
    found = nearest([shapely.box(0, 0, 10, 10)], ring, 2000, 2, ids=[9, 3, 7, 5])
    assert found.facility.tolist() == [[3, 5]]


def test_empty_and_missing_geometries_are_near_nothing():
    plots = [shapely.Polygon(), None, shapely.box(0, 0, 10, 10)]
    found = nearest(plots, [shapely.Point(), None, shapely.Point(20, 5)], 100, 3)
    assert found.facility.tolist() == [[-1, -1, -1], [-1, -1, -1], [3, -1, -1]]


def test_nothing_in_gives_nothing_out():
    plot = shapely.box(0, 0, 1, 1)
    assert nearest([], [plot], 10, 1).facility.shape == (0, 1)
    assert nearest([plot], [], 10, 1).facility.tolist() == [[-1]]
    nobody = np.zeros(0, np.int64)
    assert coverage.served_by(ground(plot), outlines(), nobody).of_all.tolist() == [0.0]
    assert len(coverage.served_by(ground(), outlines(plot), np.array([1])).of_all) == 0


def test_one_thread_and_two_find_the_same():
    rng = np.random.default_rng(1)
    plots = [shapely.Point(p).buffer(20) for p in rng.uniform(0, 9000, (1500, 2))]
    facilities = index(*(shapely.Point(p) for p in rng.uniform(0, 9000, (3000, 2))))
    one, two = (
        search.nearest(ground(*plots), [(facilities, None)], 500, 3, threads=n) for n in (1, 2)
    )
    assert np.array_equal(one.facility, two.facility)
    assert np.array_equal(one.distance, two.distance)


@given(plots_, facilities_, st.lists(st.one_of(boxes, rings, apart), max_size=8))
@settings(deadline=None, max_examples=100)
def test_crossings_are_those_of_the_shortest_line(plots, facilities, barriers):
    reached = coverage.reach(
        ground(*plots), Network.of(index(*facilities)), {"b": outlines(*barriers)}, 500, 1
    )
    expected = [
        (i, j)
        for i in range(len(plots))
        for j, barrier in enumerate(barriers)
        if reached.near.distance[i, 0] not in (0, np.inf)
        and shapely.LineString(reached.near.link[i, 0].reshape(2, 2)).intersects(barrier)
    ]
    assert list(zip(*reached.crossed["b"], strict=True)) == expected


def test_connection_without_length_crosses_nothing():
    plot = shapely.box(0, 0, 10, 10)
    reached = coverage.reach(
        ground(plot), Network.of(index(shapely.Point(5, 5))), {"zone": outlines(plot)}, 100, 1
    )
    assert len(reached.crossed["zone"][0]) == 0


@given(plots_, st.lists(st.tuples(places, st.integers(1, 300), st.integers(1, 3)), max_size=6))
@settings(deadline=None, max_examples=150)
@example([shapely.box(0, 0, 10, 10)], [((10, 0), 10, 1)])
def test_shares_equal_their_definition(plots, areas):
    owners = np.array([owner for _, _, owner in areas], dtype=np.int64)
    shapes = array([shapely.Point(at).buffer(radius) for at, radius, _ in areas])
    found = coverage.served_by(ground(*plots), outlines(*shapes), owners)
    expected = {}
    for i, plot in enumerate(plots):
        for owner in sorted(set(owners)):
            common = shapely.union_all(shapes[owners == owner]).intersection(plot).area
            if common > 1e-6:
                expected[i, int(owner)] = common / plot.area
    pairs = [(int(p), int(o)) for p, o in zip(found.plot, found.owner, strict=True)]
    assert pairs == list(expected)
    assert found.share == pytest.approx(list(expected.values()), abs=1e-9)
    union = shapely.union_all(shapes)
    assert found.of_all == pytest.approx(
        [union.intersection(plot).area / plot.area for plot in plots], abs=1e-9
    )


def test_overlapping_areas_of_one_owner_count_once():
    areas = outlines(shapely.box(0, 0, 5, 10), shapely.box(0, 0, 6, 10), shapely.box(9, 0, 20, 10))
    found = coverage.served_by(ground(shapely.box(0, 0, 10, 10)), areas, np.array([1, 1, 2]))
    assert found.share == pytest.approx([0.6, 0.1])
    assert found.of_all == pytest.approx([0.7])


def test_area_that_only_touches_the_plot_does_not_serve_it():
    found = coverage.served_by(
        ground(shapely.box(0, 0, 10, 10)), outlines(shapely.box(10, 0, 20, 10)), np.array([4])
    )
    assert len(found.plot) == 0
    assert found.of_all.tolist() == [0.0]


changes = st.lists(
    st.tuples(st.integers(1, 25), st.one_of(st.none(), st.builds(shapely.Point, places), boxes)),
    min_size=1,
    max_size=6,
    unique_by=lambda change: change[0],
)


@given(plots_, facilities_, changes, st.lists(boxes, max_size=4))
@settings(deadline=None, max_examples=150)
def test_redoing_the_touched_plots_equals_a_full_run(plots, facilities, changed, barriers):
    here, barrier = ground(*plots), {"b": outlines(*barriers)}
    network = Network.of(index(*facilities))
    before = coverage.reach(here, network, barrier, 200, 2)
    removed = np.array([n for n, _ in changed], dtype=np.int64)
    came = {n: shape for n, shape in changed if shape is not None}
    ids, shapes = numbered(came, came), flat.from_shapely(array(list(came.values())))
    after = network.changed(removed, ids, shapes, ZONE)
    touched = coverage.touched(here, before.near, removed, grid.build(ids, shapes, ZONE), 200)
    redone = coverage.redo(here, before, after, touched, barrier, 200)

    now = {i: f for i, f in enumerate(facilities, 1) if i not in removed} | came
    full = coverage.reach(here, Network.of(index(*now.values(), ids=list(now))), barrier, 200, 2)
    assert np.array_equal(redone.near.facility, full.near.facility)
    assert redone.near.distance == pytest.approx(full.near.distance, abs=1e-9)
    assert [list(c) for c in redone.crossed["b"]] == [list(c) for c in full.crossed["b"]]
    differs = (before.near.facility != full.near.facility).any(axis=1)
    assert set(np.flatnonzero(differs)) <= set(touched)
    unchanged = [i for i in touched if not np.isin(before.near.facility[i], removed).any()]
    assert set(unchanged) <= set(np.flatnonzero(differs))


@given(facilities_, plots_)
@settings(deadline=None, max_examples=25)
def test_kept_index_finds_what_the_fresh_one_finds(facilities, plots):
    import tempfile
    from pathlib import Path

    fresh = index(*facilities)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):  # whoever comes second finds it there
            grid.save(fresh, Path(folder) / "kept")
        kept = grid.load(Path(folder) / "kept")
        assert isinstance(kept.segments, np.memmap) or not len(kept.segments)
        assert [p.name for p in Path(folder).iterdir()] == ["kept"]
        one, two = (search.nearest(ground(*plots), [(i, None)], 300, 3) for i in (fresh, kept))
        assert np.array_equal(one.facility, two.facility)
        assert kept.crs == ZONE


@pytest.mark.parametrize(
    "measure",
    [
        lambda p, q: coverage.reach(ground(*p), Network.of(index(*q)), {}, 10, 1),
        lambda p, q: coverage.served(ground(*p), outlines(*q)),
    ],
)
def test_shapes_of_two_systems_are_not_measured(measure, monkeypatch):
    here, there = [shapely.box(0, 0, 1, 1)], [shapely.box(0, 0, 1, 1)]
    measure(here, there)
    with pytest.raises(CRSMismatch):
        coverage.reach(ground(*here), Network.of(index(*there, crs="EPSG:4545")), {}, 10, 1)
    with pytest.raises(CRSMismatch):
        coverage.served(ground(*here, crs="EPSG:4545"), outlines(*there))


@pytest.mark.parametrize("make", [ground, index, outlines])
@pytest.mark.parametrize("crs", ["", "EPSG:4490"])
def test_shapes_without_metres_are_not_measured(make, crs):
    with pytest.raises(MissingCRS):
        make(shapely.box(0, 0, 1, 1), crs=crs)
