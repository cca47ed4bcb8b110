"""Facilities to extend: against every possible set, one at a time."""

import numpy as np
import pytest
from hypothesis import given, settings

from bench.allocation import city
from geo.allocation import allocate
from geo.extension import curve, extend, extend_for_all
from tests.geo.cases import case, cases, every_choice, worth


def ways(given_case, now):
    """(hectares, facilities over their capacity) of every way that keeps who is served."""
    keep = set(np.flatnonzero(now.served))
    for chosen in every_choice(given_case):
        if keep <= {int(given_case.plot[c]) for c in chosen}:
            hectares, _length, load = worth(given_case, chosen)
            yield hectares, int((load > given_case.room).sum())


def holds_its_word(given_case, now, found):
    chosen = [int(c) for c in found.connection[found.served].ravel()]
    hectares, _length, load = worth(given_case, chosen)
    assert found.hectares == pytest.approx(hectares)
    assert found.served[now.served].all(), "who is served today stays served"
    over = np.flatnonzero(load > given_case.room * (1 + 1e-9))
    assert found.facilities.tolist() == over.tolist()
    np.testing.assert_allclose(found.by, (load - given_case.room)[over])


@given(cases())
@settings(deadline=None, max_examples=100)
def test_a_budget_frees_the_most_hectares_of_all_ways(given_case):
    now = allocate(given_case)
    every = list(ways(given_case, now))
    for budget in range(3):
        found = extend(given_case, now, budget)
        holds_its_word(given_case, now, found)
        assert len(found.facilities) <= budget
        assert found.hectares == pytest.approx(max(h for h, over in every if over <= budget))
        assert found.gap == 0


@given(cases())
@settings(deadline=None, max_examples=100)
def test_all_are_served_by_the_fewest_extensions(given_case):
    now = allocate(given_case)
    found = extend_for_all(given_case, now)
    holds_its_word(given_case, now, found)
    most = max(h for h, _ in ways(given_case, now))
    fewest = min(over for h, over in ways(given_case, now) if h == most)
    assert found.hectares == pytest.approx(most)
    assert len(found.facilities) == fewest == found.fewest


def test_one_extension_is_told_with_the_amount():
    """Two plots want 6 and 7 of 10; the near facility must give 3 more, and nobody moves to the far one, which is full."""
    rows = [(0, 0, 0, 6, 1), (1, 0, 0, 7, 1), (0, 0, 1, 6, 900)]
    given_case = case([3, 5], [10, 1], rows)
    (found,) = curve(given_case, allocate(given_case), 4)
    assert found.facilities.tolist() == [0]
    assert found.by.tolist() == [3]
    assert found.hectares == 8


def test_the_least_extension_serves_the_same():
    """Both could be extended for the third plot: 2 more there is less than 5 here."""
    rows = [(0, 0, 0, 5, 1), (1, 0, 1, 5, 1), (2, 0, 0, 5, 1), (2, 0, 1, 5, 1)]
    found = extend(*_with_now(case([1, 1, 1], [5, 8], rows)), 1)
    assert (found.facilities.tolist(), found.by.tolist()) == ([1], [2])


def test_who_is_served_may_be_moved_so_that_one_extension_does():
    """Extending only the second lets the first plot move there and leaves the first facility to the third plot."""
    rows = [
        (0, 0, 0, 6, 1), (0, 0, 1, 6, 50),
        (1, 0, 1, 6, 1),
        (2, 0, 0, 6, 1),
    ]  # fmt: skip
    found = extend(*_with_now(case([9, 1, 1], [6, 0], rows)), 1)
    assert found.hectares == 11
    assert found.facilities.tolist() == [1]
    assert found.by.tolist() == [12]


def test_what_needs_two_utilities_is_freed_by_two():
    rows = [(0, 0, 0, 5, 1), (0, 1, 1, 5, 1)]
    given_case, now = _with_now(case([4], [1, 1], rows, needs=2))
    assert extend(given_case, now, 1).hectares == 0
    assert extend(given_case, now, 1).facilities.size == 0
    assert extend_for_all(given_case, now).by.tolist() == [4, 4]
    assert list(curve(given_case, now, 1)) == []
    assert [found.by.tolist() for found in curve(given_case, now, 5)] == [[4, 4]]


def test_where_all_are_served_nothing_is_extended():
    given_case, now = _with_now(case([1], [5], [(0, 0, 0, 5, 1)]))
    assert list(curve(given_case, now, 5)) == []
    assert extend_for_all(given_case, now).facilities.size == 0


def test_without_time_something_is_found_and_the_gap_is_honest():
    """No solver answers in no time: one facility after the other is extended, and the bound leaves the rest open."""
    large = city(seed=1, plots=400, facilities=60, scarcity=1.0)
    now = allocate(large, time_limit_s=0.3)
    found = extend(large, now, 2, time_limit_s=0.0)
    holds_its_word(large, now, found)
    assert len(found.facilities) <= 2
    assert found.hectares > now.hectares
    assert 0 < found.gap < 1
    everybody = extend_for_all(large, now, time_limit_s=0.0)
    holds_its_word(large, now, everybody)
    assert everybody.fewest <= len(everybody.facilities)
    assert everybody.served[large.plot[large.complete(np.arange(len(large.plot)))]].all()


def _with_now(given_case):
    return given_case, allocate(given_case)
