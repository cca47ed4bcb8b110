"""Loads: in order, by the upper end, and "each fits alone, together they do not" with the plots named. Pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landready.loads import Claim, Fit, Kind, Load, age_days, load

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def claim(number: int, high: float | None, kind: Kind = Kind.HELD) -> Claim:
    low = None if high is None else high / 2
    return Claim(number, f"P-{number}", kind, low, high, NOW)


def fits(found: Load) -> list[Fit]:
    return [line.fit for line in found.lines]


def test_each_fits_alone_together_they_do_not_and_they_are_named():
    found = load(100, [claim(1, 60), claim(2, 60, Kind.LEANING)])
    assert fits(found) == [Fit.FITS, Fit.TOGETHER]
    assert found.result is Fit.TOGETHER
    assert [c.code for c in found.together] == ["P-1", "P-2"]
    assert found.over
    assert not found.surely_over  # at the lower end both fit


def test_one_that_does_not_fit_alone_is_no_matter_of_together():
    found = load(100, [claim(1, 120), claim(2, 10)])
    assert fits(found) == [Fit.ALONE, Fit.TOGETHER]
    assert found.result is Fit.ALONE
    assert found.together == ()


def test_a_capacity_that_nobody_stated_is_neither_zero_nor_endless():
    found = load(None, [claim(1, 60), claim(2, None)])
    assert fits(found) == [Fit.NOT_STATED, Fit.NOT_STATED]
    assert (found.left, found.over, found.result) == (None, False, Fit.NOT_STATED)


def test_a_stated_zero_is_zero():
    assert load(0.0, [claim(1, 1)]).result is Fit.ALONE


def test_an_unknown_need_is_counted_as_unknown_not_as_nothing():
    found = load(100, [claim(1, None), claim(2, 60)])
    assert fits(found) == [Fit.UNKNOWN, Fit.FITS]
    assert (found.unknown, found.result) == (1, Fit.UNKNOWN)


def test_exactly_as_much_as_is_left_fits():
    assert load(100, [claim(1, 60), claim(2, 40)]).result is Fit.FITS


def test_only_what_is_reserved_counts_against_what_is_left():
    found = load(100, [claim(1, 30), claim(2, 20, Kind.SOLD), claim(3, 90, Kind.LEANING)])
    assert (found.held, found.left, found.total_high) == (50, 50, 140)


@pytest.mark.parametrize(("hours", "days"), [(0, 0), (23, 0), (24, 1), (24 * 40 + 5, 40), (-5, 0)])
def test_age_is_told_in_whole_days(hours, days):
    assert age_days(NOW - timedelta(hours=hours), NOW) == days


CLAIMS = st.lists(
    st.one_of(st.none(), st.floats(0, 1000)).map(lambda high: claim(1, high)), max_size=12
)


@given(st.one_of(st.none(), st.floats(0, 2000)), CLAIMS)
def test_totals_only_grow_and_the_first_that_is_over_stays_over(spare, claims):
    found = load(spare, claims)
    totals = [line.total_high for line in found.lines]
    assert totals == sorted(totals)
    assert found.over == (spare is not None and found.total_high > spare)
    if found.together:
        assert all(c.high is not None and c.high <= spare for c in found.together)
        assert sum(c.high for c in found.together) == pytest.approx(found.total_high)


@given(st.floats(0, 2000), st.floats(0, 2000), CLAIMS)
def test_more_spare_capacity_never_shuts_anybody_out(spare, more, claims):
    before, after = load(spare, claims), load(spare + more, claims)
    shut = {Fit.ALONE, Fit.TOGETHER}
    assert sum(f in shut for f in fits(after)) <= sum(f in shut for f in fits(before))
