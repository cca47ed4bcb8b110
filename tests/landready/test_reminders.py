"""Reminders, late notices and escalation: computed from rows, each told once (R10)."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Barrier

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from landready import reminders
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, NotAllowed
from landready.outbox import OutboxEvent
from landready.pushes import Push
from landready.reminders import Notice, Reminder
from landready.settings import Clocks, Settings, load
from tests.factories import make_enterprise, make_office, make_plan, make_push, make_supervisor

TERMS: Clocks = load(env={}).clocks
DUE = date(2026, 3, 9)  # a Monday
DAYS = [date(2025, 1, 10) + timedelta(days=n) for n in range(680)]


def morning(day: date, hour: int = 9) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour - 8)


@dataclass(frozen=True)
class Case:
    engine: Engine
    settings: Settings
    push: int
    supervisor: int

    def send(self, day: date, hour: int = 9) -> int:
        with transaction(self.engine, ENGINE) as session:
            return reminders.send(session, self.settings.clocks, morning(day, hour))

    def notices(self) -> list[tuple[str, str, date]]:
        with transaction(self.engine, ENGINE) as session:
            rows = session.scalars(select(Reminder).order_by(Reminder.id))
            return [(r.clock, r.notice, r.on_day) for r in rows]

    def events(self) -> list[dict]:
        with transaction(self.engine, ENGINE) as session:
            rows = session.scalars(select(OutboxEvent).order_by(OutboxEvent.created_at))
            return [json.loads(e.body) for e in rows]


@pytest.fixture
def case(database: Engine, settings: Settings) -> Case:
    with transaction(database, ENGINE) as session:
        office = make_office(session)
        make_supervisor(session, city="", name="省级")
        supervisor = make_supervisor(session, name="市督办", phone="0898-1")
        plan = make_plan(session, office, plots=1, state="released", title="二季度计划")
        push = make_push(session, plan, make_enterprise(session, "water"), opened_at=morning(DUE))
        return Case(database, settings, push.id, supervisor.id)


def test_a_reminder_goes_out_once_before_the_deadline(case: Case) -> None:
    assert case.send(DUE - timedelta(days=4)) == 0  # Thursday
    assert case.send(DUE) == 1
    assert case.send(DUE, hour=17) == 0
    assert case.notices() == [("answer", "before", DUE)]
    (event,) = case.events()
    assert event["type"] == "deadline.before"
    assert event["data"]["title"] == "二季度计划"
    assert event["data"]["due_on"] == "2026-03-09"


def test_a_reminder_that_was_missed_is_made_up_for_while_there_is_time(case: Case) -> None:
    two = case.settings.clocks.model_copy(update={"remind_days": 3})
    with transaction(case.engine, ENGINE) as session:
        assert reminders.send(session, two, morning(DUE)) == 1  # nothing ran since Thursday
    assert case.notices() == [("answer", "before", date(2026, 3, 5))]


def test_every_working_day_after_the_deadline_has_its_notice(case: Case) -> None:
    for number in range(1, 8):  # Tuesday to the next Monday
        case.send(DUE + timedelta(days=number))
    late = [day for _, notice, day in case.notices() if notice == "late"]
    assert late == [date(2026, 3, d) for d in (10, 11, 12, 13, 16)]


def test_after_an_interruption_only_the_day_itself_is_told(case: Case) -> None:
    case.send(date(2026, 3, 13))
    assert Counter(n for _, n, _ in case.notices()) == {"late": 1, "escalated": 1}


def test_the_supervisor_of_the_city_is_named_once(case: Case) -> None:
    for day in (10, 11, 12, 13):
        case.send(date(2026, 3, day))
    with transaction(case.engine, ENGINE) as session:
        query = select(Reminder).where(Reminder.notice == Notice.ESCALATED)
        (found,) = session.scalars(query)
        assert (found.supervisor_id, found.on_day) == (case.supervisor, date(2026, 3, 11))
    (event,) = [e for e in case.events() if e["type"] == "deadline.escalated"]
    assert event["data"]["supervisor"] == {"name": "市督办", "phone": "0898-1"}
    assert event["data"]["working_days_late"] == 2


@pytest.mark.parametrize(
    ("day", "hour"), [(date(2026, 3, 14), 9), (date(2026, 3, 10), 7), (date(2026, 2, 17), 9)]
)
def test_nothing_is_told_on_a_day_off_or_before_the_morning(case: Case, day: date, hour: int) -> None:  # fmt: skip
    assert case.send(day, hour) == 0


def test_nothing_is_told_once_it_is_answered(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        session.get_one(Push, case.push).answered_at = morning(DUE)
    assert case.send(DUE + timedelta(days=1)) == 0


def test_a_push_that_nobody_opened_is_reminded_of_too(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        push = session.get_one(Push, case.push)
        push.opened_at, push.acknowledge_by = None, date(2026, 3, 3)
    case.send(date(2026, 3, 3))
    case.send(date(2026, 3, 4))
    assert case.notices() == [
        ("acknowledge", "before", date(2026, 3, 3)),
        ("acknowledge", "late", date(2026, 3, 4)),
    ]


def test_a_push_that_is_late_and_unopened_is_told_of_once_a_day(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        push = session.get_one(Push, case.push)
        push.opened_at, push.acknowledge_by = None, date(2026, 3, 3)
    case.send(date(2026, 3, 10))
    assert case.notices() == [("answer", "late", date(2026, 3, 10))]


def test_a_moved_deadline_is_reminded_of_anew(case: Case) -> None:
    case.send(DUE)
    with transaction(case.engine, ENGINE) as session:
        session.get_one(Push, case.push).due_on = date(2026, 3, 16)
    case.send(date(2026, 3, 10))
    case.send(date(2026, 3, 16))
    assert [day for _, _, day in case.notices()] == [DUE, date(2026, 3, 16)]


def test_four_sweeps_at_once_tell_each_notice_once(case: Case) -> None:
    together = Barrier(4)

    def sweep(_number: int) -> int:
        together.wait(20)
        return case.send(date(2026, 3, 12))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(sweep, range(4))) == 2
    assert len(case.notices()) == len(case.events()) == 2


def test_what_the_supervisor_did_is_written_once_by_the_one_who_is_named(case: Case) -> None:
    case.send(date(2026, 3, 12))
    named = Actor(Role.SUPERVISOR, case.supervisor, None, "460100")
    other = Actor(Role.SUPERVISOR, case.supervisor - 1, None, None)
    with transaction(case.engine, other) as session:
        (found,) = reminders.escalations(session, handled=False)
        with pytest.raises(NotAllowed):
            reminders.handle(session, found.id, "x", account_id=None, now=morning(DUE))
    with transaction(case.engine, named) as session:
        with pytest.raises(Conflict):
            reminders.handle(session, found.id, "  ", account_id=None, now=morning(DUE))
        reminders.handle(session, found.id, "已电话督办", account_id=None, now=morning(DUE))
        assert reminders.escalations(session, handled=False) == []
        assert [r.note for r in reminders.escalations(session, handled=True)] == ["已电话督办"]
        with pytest.raises(Conflict):
            reminders.handle(session, found.id, "再一次", account_id=None, now=morning(DUE))


@given(st.sampled_from(DAYS[30:600]), st.integers(1, 5), st.integers(1, 5))
def test_over_any_days_each_notice_stands_as_often_as_an_independent_calendar_says(
    due: date, remind: int, escalate: int
) -> None:
    """Every day is looked at three times; what is told is kept as the database keeps it."""
    terms = TERMS.model_copy(update={"remind_days": remind, "escalate_days": escalate})
    told = set()
    for number in range(-20, 25):
        day = due + timedelta(days=number)
        for _ in range(3):
            told |= set(reminders.owed(due, day, terms))
    after = [d for d in DAYS if due < d <= due + timedelta(days=24) and chinese_calendar.is_workday(d)]  # fmt: skip
    assert sorted(day for notice, day in told if notice is Notice.LATE) == after
    assert sum(notice is Notice.BEFORE for notice, _ in told) == 1
    escalated = [day for notice, day in told if notice is Notice.ESCALATED]
    assert escalated == ([after[escalate - 1]] if len(after) >= escalate else [])
    (reminder,) = [day for notice, day in told if notice is Notice.BEFORE]
    left = [d for d in DAYS if reminder <= d <= due and chinese_calendar.is_workday(d)]
    assert len(left) == remind
