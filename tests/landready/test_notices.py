"""Which notice of a deadline stands on which day: the rule alone, without rows."""

from datetime import UTC, date, datetime

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landready.clock import SHANGHAI, Calendar
from landready.notices import Notice, may_tell, owed, owed_works
from landready.settings import load

TERMS = load(env={}).clocks
DAYS = st.dates(date(2025, 3, 1), date(2026, 9, 1))


def between(after: date, until: date) -> int:
    """Working days after the one day up to and with the other, by an independent calendar."""
    days = chinese_calendar.get_dates(after, until)[1:]
    return sum(chinese_calendar.is_workday(day) for day in days)


def left(day: date, due_on: date) -> int:
    return sum(chinese_calendar.is_workday(d) for d in chinese_calendar.get_dates(day, due_on))


@given(DAYS, st.integers(-40, 40))
def test_notices_of_a_clock_stand_as_an_independent_calendar_counts(due_on, offset):
    today = date.fromordinal(due_on.toordinal() + offset)
    found = dict(owed(due_on, today, TERMS))
    working = chinese_calendar.is_workday(today)
    late = today > due_on
    assert (Notice.BEFORE in found) == (
        working and not late and left(today, due_on) <= TERMS.remind_days
    )
    assert found.get(Notice.LATE) == (today if working and late else None)
    passed = between(due_on, today) if late else 0
    assert (Notice.ESCALATED in found) == (working and passed >= TERMS.escalate_days)
    if Notice.BEFORE in found:
        assert left(found[Notice.BEFORE], due_on) == TERMS.remind_days
    if Notice.ESCALATED in found:
        assert between(due_on, found[Notice.ESCALATED]) == TERMS.escalate_days


@given(DAYS, st.integers(-70, 40))
def test_notices_of_works_stand_as_an_independent_calendar_counts(due_on, offset):
    today = date.fromordinal(due_on.toordinal() + offset)
    found = dict(owed_works(due_on, today, TERMS))
    working = chinese_calendar.is_workday(today)
    late = today > due_on
    reached = [n for n in TERMS.promise_days if not late and left(today, due_on) <= n]
    assert (Notice.BEFORE in found) == (working and bool(reached))
    if Notice.BEFORE in found:
        assert left(found[Notice.BEFORE], due_on) == min(reached)
    day_after = date.fromordinal(due_on.toordinal() + 1)
    assert found.get(Notice.LATE) == (day_after if working and late else None)
    passed = between(due_on, today) if late else 0
    assert (Notice.ESCALATED in found) == (working and passed >= TERMS.escalate_days)
    if Notice.ESCALATED in found:
        assert between(due_on, found[Notice.ESCALATED]) == TERMS.escalate_days


def test_notices_are_counted_in_the_calendar_they_are_given():
    plain = Calendar({}, {})
    due_on = date(2026, 2, 20)  # a day off in the announced calendar
    assert dict(owed(due_on, due_on, TERMS, plain)) == {
        Notice.BEFORE: _back(due_on, TERMS.remind_days)
    }
    assert dict(owed_works(due_on, due_on, TERMS, plain)) == {
        Notice.BEFORE: max(d for n in TERMS.promise_days if (d := _back(due_on, n)) <= due_on)
    }
    missed = date(2026, 2, 13)
    for told in (owed, owed_works):
        found = dict(told(missed, date(2026, 2, 27), TERMS, plain))
        assert found[Notice.ESCALATED] == _on(missed, TERMS.escalate_days)


def _back(day: date, days: int) -> date:
    """The day from which on so many weekdays are left."""
    return [d for n in range(200) if (d := date.fromordinal(day.toordinal() - n)).weekday() < 5][
        days - 1
    ]


def _on(day: date, days: int) -> date:
    return [d for n in range(1, 200) if (d := date.fromordinal(day.toordinal() + n)).weekday() < 5][
        days - 1
    ]


@pytest.mark.parametrize(("hour", "told"), [(-1, False), (0, True), (1, True)])
def test_people_are_told_from_the_hour_in_shanghai_on(hour, told):
    now = datetime(2026, 3, 2, TERMS.notices_from + hour, 30, tzinfo=SHANGHAI)
    assert may_tell(TERMS, now.astimezone(UTC)) is told
