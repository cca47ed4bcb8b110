"""Deadlines count working days of the announced Chinese calendar (domain facts §8)."""

from datetime import UTC, date, datetime, timedelta

import chinese_calendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import deadlines
from landready import clock

DAYS_2025_2026 = [date(2025, 1, 1) + timedelta(days=n) for n in range(730)]


@pytest.mark.parametrize(
    ("start", "days", "last"),
    [
        ("2026-02-13", 1, "2026-02-14"),  # a Saturday that is worked
        ("2026-02-13", 10, "2026-03-05"),
        ("2026-09-18", 10, "2026-10-09"),
        ("2025-09-26", 10, "2025-10-16"),
        ("2026-04-30", 5, "2026-05-11"),
    ],
)
def test_published_vectors_hold(start: str, days: int, last: str) -> None:
    found = clock.due(date.fromisoformat(start), days)
    assert found.day == date.fromisoformat(last)
    assert not found.provisional


def test_every_day_of_the_announced_years_agrees_with_an_independent_calendar() -> None:
    ours = {day: clock.ANNOUNCED.is_working(day) for day in DAYS_2025_2026}
    assert ours == {day: chinese_calendar.is_workday(day) for day in DAYS_2025_2026}
    assert sum(clock.ANNOUNCED.is_working(day) for day in DAYS_2025_2026[:365]) == 248
    assert sum(clock.ANNOUNCED.is_working(day) for day in DAYS_2025_2026[365:]) == 248


@given(st.sampled_from(DAYS_2025_2026[:600]), st.integers(1, 60))
def test_due_day_is_the_nth_working_day_after_the_start(start: date, days: int) -> None:
    found = clock.due(start, days)
    after = [d for d in DAYS_2025_2026 if start < d and chinese_calendar.is_workday(d)]
    assert found.day == after[days - 1]
    assert clock.working_days(start, found.day) == days


@given(st.dates(date(2024, 6, 1), date(2028, 6, 1)), st.integers(1, 90))
def test_due_is_provisional_exactly_when_an_unannounced_year_was_counted(
    start: date, days: int
) -> None:
    found = clock.due(start, days)
    span = range(1, (found.day - start).days + 1)
    touched = {(start + timedelta(days=n)).year for n in span}
    assert found.provisional == bool(touched - {2025, 2026})


def test_unannounced_year_assumes_plain_weekends_and_says_so() -> None:
    found = clock.due(date(2026, 12, 30), 3)
    # Friday 2027-01-01 will be off once the notice is out; until then it counts as a Friday.
    assert (found.day, found.provisional) == (date(2027, 1, 4), True)
    assert found.explained[-1].message == (
        "2027 年放假安排尚未公布，暂按周六、周日休息推算，公布后可能变动。"
    )
    assert not clock.due(date(2026, 12, 30), 1).provisional


def test_a_loaded_announcement_ends_the_provision(tmp_path) -> None:
    file = tmp_path / "h.csv"
    file.write_text(
        "date,name,kind\n2027-01-01,元旦,off\n2027-01-03,元旦,work\n", encoding="utf-8-sig"
    )
    calendar = clock.load(file)
    found = clock.due(date(2026, 12, 31), 1, calendar)
    assert (found.day, found.provisional) == (date(2027, 1, 3), False)


def test_the_reckoning_names_the_holiday_and_the_worked_weekend() -> None:
    said = [note.message for note in clock.due(date(2026, 2, 13), 10).explained]
    assert said == [
        "从 2026-02-13 的次日起算，第 10 个工作日是 2026-03-05。",
        "2026-02-14 因春节调休上班，计入。",
        "2026-02-15 至 2026-02-23 春节放假，不计入。",
        "2026-02-28 因春节调休上班，计入。",
        "另有周末 1 天不计入。",
    ]


def test_the_reckoning_names_the_pause_and_why() -> None:
    still = [
        clock.Pause(date(2026, 3, 4), date(2026, 3, 5), "台风"),
        clock.Pause(date(2026, 3, 6), date(2026, 3, 6), "听证"),
    ]
    assert [note.message for note in clock.due(date(2026, 3, 2), 3, pauses=still).explained] == [
        "从 2026-03-02 的次日起算，第 3 个工作日是 2026-03-10。",
        "2026-03-04 至 2026-03-05 暂停计时（台风），不计入。",
        "2026-03-06 至 2026-03-06 暂停计时（听证），不计入。",
        "另有周末 2 天不计入。",
    ]


def test_every_holiday_name_of_the_file_can_be_translated() -> None:
    names = {*clock.ANNOUNCED.off.values(), *clock.ANNOUNCED.work.values()}
    assert names == set(clock.NAMES)


def test_the_day_changes_at_midnight_in_shanghai() -> None:
    assert clock.today(datetime(2026, 3, 1, 15, 59, tzinfo=UTC)) == date(2026, 3, 1)
    assert clock.today(datetime(2026, 3, 1, 16, 0, tzinfo=UTC)) == date(2026, 3, 2)
    with pytest.raises(ValueError, match=r"^a moment without a time zone"):
        clock.today(datetime(2026, 3, 1))  # noqa: DTZ001 - the fault under test


@pytest.mark.parametrize("now", ["2026-02-28T16:00", "2026-03-01T15:59:59.999999"])
def test_day_ends_at_midnight_in_shanghai(now: str) -> None:
    ends = clock.next_day(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert (ends, ends.tzinfo) == (datetime(2026, 3, 1, 16, tzinfo=UTC), clock.SHANGHAI)


@pytest.mark.parametrize("days", [0, -3])
def test_a_period_without_days_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match=r"^a period has at least one working day"):
        clock.due(date(2026, 1, 5), days)


def test_no_working_days_lie_before_the_start() -> None:
    assert clock.working_days(date(2026, 3, 5), date(2026, 3, 5)) == 0
    assert clock.working_days(date(2026, 3, 5), date(2026, 3, 1)) == 0


@settings(max_examples=30)
@given(
    st.sampled_from(DAYS_2025_2026[:400]),
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(-5, 60), st.integers(0, 20)), max_size=3),
)
def test_days_of_a_pause_do_not_count(start: date, days: int, spans: list[tuple[int, int]]) -> None:
    still = [
        clock.Pause(start + timedelta(days=a), start + timedelta(days=a + n), "x") for a, n in spans
    ]
    stopped = {p.first + timedelta(days=n) for p in still for n in range((p.last - p.first).days + 1)}  # fmt: skip
    after = [
        d
        for d in DAYS_2025_2026
        if start < d and d not in stopped and chinese_calendar.is_workday(d)
    ]
    assert clock.due(start, days, pauses=still).day == after[days - 1]
    assert clock.working_days(start, after[days - 1], pauses=still) == days


def test_the_day_from_which_days_are_left_counts_back_over_a_holiday() -> None:
    assert clock.before(date(2026, 3, 9), 1) == date(2026, 3, 9)
    assert clock.before(date(2026, 3, 9), 2) == date(2026, 3, 6)
    assert clock.before(date(2026, 2, 24), 2) == date(2026, 2, 14)
    with pytest.raises(ValueError, match=r"^a period has at least one working day"):
        clock.before(date(2026, 3, 9), 0)


def test_random_deadlines_with_pauses_agree_with_the_independent_calendar() -> None:
    """A sample of `make deadlines`, which tries a million."""
    assert deadlines.wrong(20_000, seed=20261123) == (20_000, 0, [])
