"""The clocks of a push: acknowledged, answered, paused with a reason, each deadline explained (R10)."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from landready import deadlines
from landready.db import ENGINE, Actor, transaction
from landready.deadlines import ClockPause
from landready.errors import Conflict, Invalid, NotAllowed, NotFound
from landready.pushes import Push, PushState
from landready.release import release
from landready.settings import Settings
from tests.factories import (  # fmt: skip
    NOW,
    make_enterprise,
    make_layer,
    make_office,
    make_plan,
    make_push,
    point,
)

TODAY = date(2026, 3, 2)  # a Monday


@dataclass(frozen=True)
class Case:
    engine: Engine
    office: Actor
    other_office: Actor
    water: Actor
    push: int

    def pause(self, first: date | None, last: date | None, reason: str = "台风", now=NOW) -> Push:
        with transaction(self.engine, self.office) as session:
            return deadlines.pause(
                session, self.push, first=first, last=last, reason=reason, account_id=None, now=now
            )

    def pushed(self) -> Push:
        with transaction(self.engine, ENGINE) as session:
            return session.get_one(Push, self.push)


def actor(organisation) -> Actor:
    return Actor(organisation.role, organisation.id, None, organisation.city)


@pytest.fixture
def case(database: Engine) -> Case:
    with transaction(database, ENGINE) as session:
        office, other = make_office(session), make_office(session, city="460200")
        water = make_enterprise(session, "water")
        plan = make_plan(session, office, plots=1, state="released")
        push = make_push(session, plan, water, acknowledge_by=date(2026, 3, 3))
        return Case(database, actor(office), actor(other), actor(water), push.id)


def test_a_released_plan_is_to_be_acknowledged_and_answered(
    database: Engine, settings: Settings
) -> None:
    with transaction(database, ENGINE) as session:
        office = make_office(session)
        water = make_enterprise(session, "water")
        make_layer(session, water, point(0, 0))
        plan_id = make_plan(session, office, plots=1).id
    with transaction(database, actor(office)) as session:
        release(session, settings, plan_id, NOW, None)
    with transaction(database, actor(water)) as session:
        push = session.scalars(select(Push)).one()
        found = deadlines.clocks_of(session, push.id)
    assert [(d.name, d.due_on) for d in found.deadlines] == [
        ("acknowledge", date(2026, 3, 3)),
        ("answer", date(2026, 3, 9)),
    ]


def test_a_pause_moves_the_deadline_by_its_working_days_and_says_why(case: Case) -> None:
    """Thursday to Saturday: two working days."""
    case.pause(date(2026, 3, 5), date(2026, 3, 7))
    assert case.pushed().due_on == date(2026, 3, 11)
    with transaction(case.engine, case.water) as session:
        found = deadlines.clocks_of(session, case.push)
    answer = found.deadlines[-1]
    assert [note.message for note in answer.explained] == [
        "从 2026-03-02 的次日起算，第 5 个工作日是 2026-03-11。",
        "2026-03-05 至 2026-03-07 暂停计时（台风），不计入。",
        "另有周末 1 天不计入。",
    ]
    assert [p.reason for p in found.pauses] == ["台风"]


def test_pauses_that_overlap_count_once(case: Case) -> None:
    case.pause(date(2026, 3, 4), date(2026, 3, 5))
    case.pause(date(2026, 3, 5), date(2026, 3, 6))
    assert case.pushed().due_on == date(2026, 3, 12)


def test_a_pause_before_the_acknowledgement_moves_that_too(case: Case) -> None:
    case.pause(date(2026, 3, 3), date(2026, 3, 4))
    assert case.pushed().acknowledge_by == date(2026, 3, 5)


def test_a_push_is_not_late_while_its_clock_rests(case: Case) -> None:
    late = date(2026, 3, 10)
    assert case.pushed().state(late) is PushState.LATE
    case.pause(date(2026, 3, 9), date(2026, 3, 13), now=NOW + timedelta(days=8))
    assert case.pushed().state(late) is PushState.SENT


def test_a_pause_can_be_ended_early(case: Case) -> None:
    case.pause(date(2026, 3, 3), date(2026, 3, 31))
    with transaction(case.engine, case.office) as session:
        (kept,) = session.scalars(select(ClockPause))
        push = deadlines.resume(session, kept.id, NOW + timedelta(days=2))
    assert kept.last == date(2026, 3, 4)
    assert push.due_on == date(2026, 3, 11)
    with transaction(case.engine, case.office) as session, pytest.raises(Conflict):
        deadlines.resume(session, kept.id, NOW + timedelta(days=9))


@pytest.mark.parametrize(
    ("first", "last", "reason", "code"),
    [
        (None, TODAY, "x", "days_unusable"),
        (TODAY, None, "x", "days_unusable"),
        (date(2026, 3, 6), date(2026, 3, 5), "x", "days_unusable"),
        (date(2026, 3, 1), date(2026, 3, 5), "x", "days_early"),
        (TODAY, date(2026, 7, 5), "x", "days_long"),
        (TODAY, TODAY, " ", "reason_unusable"),
        (TODAY, TODAY, "x" * 201, "reason_unusable"),
    ],
)
def test_a_pause_that_cannot_be_is_refused(case: Case, first, last, reason, code) -> None:
    with pytest.raises(Invalid) as refused:
        case.pause(first, last, reason)
    assert [p.code for p in refused.value.problems] == [code]
    assert case.pushed().due_on == date(2026, 3, 9)


def test_only_the_office_that_pushed_pauses(case: Case) -> None:
    with pytest.raises(NotFound):
        replace(case, office=case.other_office).pause(TODAY, TODAY)
    with pytest.raises(NotAllowed):
        replace(case, office=case.water).pause(TODAY, TODAY)


def test_an_answered_push_is_not_paused(case: Case) -> None:
    with transaction(case.engine, ENGINE) as session:
        session.get_one(Push, case.push).answered_at = NOW
    with pytest.raises(Conflict):
        case.pause(TODAY, TODAY)


def test_no_enterprise_moves_its_own_deadline(case: Case) -> None:
    with (
        pytest.raises(DBAPIError, match="product alone"),
        transaction(case.engine, case.water) as session,
    ):
        session.execute(text("update push set due_on = '2099-01-01'"))
