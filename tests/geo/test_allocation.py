"""Plots served together: against every possible way, one at a time, and at sizes that no one can try out."""

from time import perf_counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.allocation import city
from geo.allocation import allocate
from geo.connections import BadCase, Case
from tests.geo.cases import case, cases, every_choice, worth


def best_way(given_case):
    """Most hectares, then least length, over every way that fits."""
    ways = [worth(given_case, chosen) for chosen in every_choice(given_case)]
    fitting = [(-h, length) for h, length, load in ways if (load <= given_case.room).all()]
    hectares, length = min(fitting)
    return -hectares, length


def holds_its_word(given_case, found):
    """What an allocation says of itself, recomputed."""
    chosen = found.connection[found.served].ravel()
    assert (found.connection[~found.served] == -1).all(), "nobody is connected in part"
    plots = np.flatnonzero(found.served)
    assert (given_case.plot[chosen] == np.repeat(plots, given_case.needs)).all()
    assert (given_case.need[chosen] == np.tile(np.arange(given_case.needs), len(plots))).all()
    hectares, length, load = worth(given_case, [int(c) for c in chosen])
    assert (load <= given_case.room * (1 + 1e-9)).all(), "no facility gives more than it has"
    np.testing.assert_allclose(found.load, load)
    assert found.hectares == pytest.approx(hectares)
    assert found.length_m == pytest.approx(length)
    assert found.hectares <= found.hectares_bound * (1 + 1e-9)


# Three plots of 2 fill a facility of 6 exactly; the fourth must go to the far one.
full = case([1, 1, 1, 1], [6, 2], [(p, 0, f, 2, 1 + 9 * f) for p in range(4) for f in (0, 1)])
# Of equal hectares the shorter connection is made.
tie = case([1, 1], [1], [(0, 0, 0, 1, 10), (1, 0, 0, 1, 3)])
# Thirds add up to a whole within rounding.
thirds = case([1, 1, 1], [1], [(p, 0, 0, 1 / 3, 1) for p in range(3)])


@given(cases())
@example(full)
@example(tie)
@example(thirds)
@settings(deadline=None, max_examples=150)
def test_allocation_is_the_best_of_all_ways(given_case):
    found = allocate(given_case)
    holds_its_word(given_case, found)
    hectares, length = best_way(given_case) if given_case is not thirds else (3, 3)
    assert found.hectares == pytest.approx(hectares)
    assert found.length_m == pytest.approx(length)
    assert found.gap == 0
    assert found.length_gap == pytest.approx(0, abs=1e-6)


@given(cases(), st.integers(0, 3), st.integers(1, 6))
@settings(deadline=None, max_examples=60)
def test_more_capacity_never_serves_fewer_hectares(given_case, facility, more):
    capacity = given_case.capacity.copy()
    capacity[facility % len(capacity)] += more
    larger = Case(
        given_case.hectares, capacity, given_case.plot, given_case.need, given_case.facility,
        given_case.demand, given_case.length_m, given_case.needs,
    )  # fmt: skip
    assert allocate(larger).hectares >= allocate(given_case).hectares - 1e-6


def test_a_plot_that_lacks_one_utility_takes_nothing_of_the_other():
    only_water = case([5, 1], [10, 0], [(0, 0, 0, 8, 1), (0, 1, 1, 1, 1), (1, 0, 0, 4, 1)], needs=2)
    found = allocate(only_water)
    assert not found.served.any()
    assert (found.load == 0).all()


def test_each_fits_alone_but_not_together_the_larger_land_is_served():
    found = allocate(case([3, 5], [10], [(0, 0, 0, 6, 1), (1, 0, 0, 7, 1)]))
    assert found.served.tolist() == [False, True]


def test_a_demand_is_never_split_over_two_facilities():
    found = allocate(case([1], [5, 5], [(0, 0, 0, 8, 1), (0, 0, 1, 8, 1)]))
    assert not found.served.any()


def test_a_facility_that_gave_too_much_already_gives_nothing():
    rows = [(0, 0, 0, 1, 1), (1, 0, 0, 0, 1)]
    assert allocate(case([1, 1], [-3], rows)).served.tolist() == [False, True]


def test_nothing_to_connect_is_no_fault():
    assert allocate(case([1, 2], [], [])).hectares == 0
    assert allocate(case([], [], [])).gap == 0


@pytest.mark.parametrize(
    ("hectares", "capacity", "row", "fault"),
    [
        ([1], [1], (1, 0, 0, 1, 1), "plot"),
        ([1], [1], (0, 1, 0, 1, 1), "need"),
        ([1], [1], (0, 0, 1, 1, 1), "facility"),
        ([1], [1], (0, 0, 0, -1, 1), "demand"),
        ([1], [1], (0, 0, 0, 1, float("nan")), "length"),
        ([0], [1], (0, 0, 0, 1, 1), "hectares"),
        ([1], [float("nan")], (0, 0, 0, 1, 1), "capacity"),
    ],
)
def test_a_case_that_makes_no_sense_is_refused_by_name(hectares, capacity, row, fault):
    with pytest.raises(BadCase, match=fault):
        case(hectares, capacity, [row])


def test_a_large_plan_ends_in_time_with_an_honest_gap():
    large = city(seed=1, plots=1000, facilities=150, scarcity=1.0)
    began = perf_counter()
    found = allocate(large, time_limit_s=2.0)
    assert perf_counter() - began < 5
    holds_its_word(large, found)
    assert 0 <= found.gap < 0.25
    assert 0 <= found.length_gap < 1


def test_what_is_short_for_everyone_left_out():
    """Nobody who still fits is left out, also where the time was too short for a proof."""
    large = city(seed=2, plots=600, facilities=90, scarcity=1.0)
    found = allocate(large, time_limit_s=0.5)
    room = large.room - found.load
    fits = large.demand <= room[large.facility] * (1 - 1e-9)
    could = large.complete(np.flatnonzero(fits))
    assert found.served[large.plot[could]].all()
