"""Disputes: who may challenge what, the clock, the decision for good, and the gate that does not move (R4, R5)."""

import csv
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import nan

import pytest
import shapely
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from landready import clock, deadlines, dispute_rules, disputes, disputing, reminders
from landready.db import ENGINE, PUBLIC, Actor, transaction
from landready.dispute_rules import DisputeDraft, faults, grounds
from landready.disputes import Dispute, DisputeStep
from landready.errors import Conflict, Invalid, LandreadyError, NotFound
from landready.gate import readiness_of
from landready.outbox import OutboxEvent
from landready.pushes import Push
from landready.reminders import Reminder
from landready.settings import Settings
from landready.shapes import loaded
from tests.factories import (
    NOW,
    make_account,
    make_answer,
    make_enterprise,
    make_office,
    make_owner,
    make_plan,
    make_push,
    make_supervisor,
    metres,
    square,
)
from tests.worlds import make_world

DRAFT = DisputeDraft("facility", "路边就有管", (metres(120, 50), metres(180, 50)))
LATER = NOW + timedelta(days=30)


@dataclass(frozen=True)
class Case:
    """A plot answered "ready" by the water company; power was asked too; a supervisor watches."""

    engine: Engine
    settings: Settings
    answer: int
    plot: int
    actors: dict[str, Actor]

    def open(self, who: str = "office", draft: DisputeDraft = DRAFT, now: datetime = NOW) -> int:
        s = self.settings
        with transaction(self.engine, self.actors[who]) as session:
            return disputing.challenge(
                session, self.answer, draft, check=s.check, region=s.region, clocks=s.clocks, now=now
            ).id  # fmt: skip

    def uphold(self, dispute: int, now: datetime = NOW) -> None:
        with transaction(self.engine, self.actors["water"]) as session:
            disputing.uphold(session, dispute, "核实无误", now)

    def decide(self, dispute: int, decision: str = "sustained", now: datetime = LATER) -> None:
        with transaction(self.engine, self.actors["supervisor"]) as session:
            disputing.decide(session, dispute, decision, "查明如此", now)

    def kept(self, dispute: int) -> tuple[str, Sequence[str]]:
        with transaction(self.engine, ENGINE) as session:
            found = disputes.dispute_of(session, dispute)
            return found.state, [step.kind for step in found.steps]

    def correct(self) -> int:
        """The next version of the answer, recorded as any other."""
        with transaction(self.engine, ENGINE) as session:
            push = session.scalars(
                select(Push).where(Push.enterprise_id == self.actors["water"].organisation_id)
            ).one()
            given = {"version": 2, "verdict": "not_possible", "reason": "管线未通"}
            return make_answer(session, push, **given).id

    def events(self, who: str) -> list[dict]:
        with transaction(self.engine, ENGINE) as session:
            rows = session.scalars(
                select(OutboxEvent)
                .where(OutboxEvent.enterprise_id == self.actors[who].organisation_id)
                .order_by(OutboxEvent.created_at)
            )
            return [json.loads(row.body) for row in rows]


@pytest.fixture
def case(database: Engine, settings: Settings) -> Case:
    with transaction(database, ENGINE) as session:
        office = make_office(session)
        water, power, stranger = (make_enterprise(session, u) for u in ("water", "power", "gas"))
        plan = make_plan(session, office, plots=1, state="released")
        answer = make_answer(session, make_push(session, plan, water))
        make_push(session, plan, power)
        organisations = {
            "office": office,
            "water": water,
            "power": power,
            "stranger": stranger,
            "owner": make_owner(session),
            "supervisor": make_supervisor(session),
            "other_office": make_office(session, city="460200"),
            "other_supervisor": make_supervisor(session, city="460200"),
        }
        actors = {name: make_account(session, o).actor for name, o in organisations.items()}
        return Case(database, settings, answer.id, answer.plot_id, actors)


def test_grounds_are_those_of_the_data() -> None:
    with dispute_rules._TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {r["mark"] for r in rows} == {"needs", "may"}
    assert {w for r in rows for w in (r["name"], r["meaning"])} == set(dispute_rules.WORDS)
    assert list(grounds()) == [r["code"] for r in rows]
    assert all(len(code) <= 20 for code in grounds())


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({}, []),
        ({"ground": "capacity", "mark": ()}, []),
        ({"ground": "nonsense"}, ["ground_missing"]),
        ({"reason": ""}, ["reason_missing"]),
        ({"reason": "长" * 2001}, ["reason_long"]),
        ({"mark": ()}, ["mark_missing"]),
        ({"mark": (metres(0, 0), (nan, 20.0))}, ["mark_unusable"]),
        ({"mark": ((20.0312345, 110.3491234),)}, ["mark_unusable"]),
        ({"mark": (metres(2500, 0),)}, ["mark_far"]),
        ({"mark": (metres(0, 0),) * 201}, ["mark_long"]),
    ],
)
def test_every_fault_of_a_draft_is_named(
    settings: Settings, change: dict, codes: list[str]
) -> None:
    found = faults(replace(DRAFT, **change), square(), settings.check, settings.region)
    assert [p.code for p in found] == codes


def test_a_line_in_one_place_is_a_point() -> None:
    assert DisputeDraft(mark=((110.0, 20.0),) * 2).shape == shapely.Point(110, 20)
    assert DisputeDraft().shape is None


def test_the_challenge_is_told_to_the_enterprise_with_its_evidence(case: Case) -> None:
    case.open()
    (event,) = case.events("water")
    data = event["data"]
    assert event["type"] == "dispute.opened"
    assert (data["ground"], data["reason"], data["due_on"]) == (
        "facility",
        "路边就有管",
        "2026-03-09",
    )
    assert data["mark"]["type"] == "LineString"
    assert data["challenger"]["kind"] == "office"
    with transaction(case.engine, ENGINE) as session:
        (kept,) = loaded([session.scalars(select(Dispute)).one().mark])
        assert kept.equals(DRAFT.shape)


def test_only_whom_the_plot_concerns_may_challenge(case: Case) -> None:
    for who in ("other_office", "stranger", "owner", "supervisor"):
        with pytest.raises(NotFound):
            case.open(who)
    for who in ("office", "power"):
        case.open(who)


def test_an_owner_challenges_what_their_application_rests_on(
    database: Engine, settings: Settings
) -> None:
    with transaction(database, ENGINE) as session:
        world = make_world(session, "460100", 0)
        session.execute(text("update dispute set state = 'decided'"))
    case = Case(database, settings, world.ids["answer_id"], world.ids["plot_id"], world.actors)
    assert case.kept(case.open("owner"))[0] == "open"


def test_an_enterprise_does_not_dispute_its_own_answer(case: Case) -> None:
    with pytest.raises(Conflict, match="本单位自己的答复"):
        case.open("water")


def test_one_open_dispute_per_challenger_and_answer(case: Case) -> None:
    first = case.open()
    with pytest.raises(Conflict, match="未了结的异议"):
        case.open()
    case.open("power")  # another challenger has one too
    case.decide(first)
    case.open(now=LATER)  # once decided, new evidence may come


def test_two_at_the_same_moment_open_one(case: Case) -> None:
    def one(_n: int) -> str:
        try:
            case.open()
        except Conflict:
            return "refused"
        return "opened"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, range(2))) == ["opened", "refused"]


def test_only_the_newest_version_can_be_challenged(case: Case) -> None:
    case.correct()
    with pytest.raises(Conflict, match="最新的一版"):
        case.open()


def test_the_clock_runs_working_days_and_the_office_may_stop_it(case: Case) -> None:
    dispute = case.open()
    with transaction(case.engine, case.actors["office"]) as session:
        days = {"first": clock.today(NOW), "last": clock.today(NOW) + timedelta(days=6)}
        deadlines.pause_dispute(session, dispute, **days, reason="台风", account_id=None, now=NOW)
    with transaction(case.engine, case.actors["power"]) as session, pytest.raises(NotFound):
        disputes.dispute_of(session, dispute)
    with transaction(case.engine, case.actors["water"]) as session:
        found = disputes.dispute_of(session, dispute)
        assert found.due_on.isoformat() == "2026-03-13"
        shown = deadlines.clock_of(session, found)
        assert any("台风" in note.message for note in shown.deadline.explained)
    case.uphold(dispute)
    with (
        transaction(case.engine, case.actors["office"]) as session,
        pytest.raises(Conflict, match="不再变动"),
    ):
        deadlines.pause_dispute(session, dispute, **days, reason="x", account_id=None, now=NOW)


def test_silence_goes_to_the_supervisor_of_the_city(case: Case) -> None:
    dispute = case.open()
    for day in range(7, 12):
        with transaction(case.engine, ENGINE) as session:
            reminders.send(session, case.settings.clocks, NOW + timedelta(days=day))
    with transaction(case.engine, ENGINE) as session:
        query = select(Reminder).where(Reminder.dispute_id == dispute).order_by(Reminder.id)
        rows = session.scalars(query).all()
        told = [r.notice for r in rows]
        assert told == ["before", "late", "late", "escalated", "late", "late"]
        assert {r.supervisor_id for r in rows if r.notice == "escalated"} == {
            case.actors["supervisor"].organisation_id
        }
    escalated = [e["data"] for e in case.events("water") if e["type"] == "deadline.escalated"]
    (told_of,) = [data for data in escalated if data["clock"] == "dispute"]
    assert (bool(told_of["dispute"]), told_of["push"]) == (True, None)


def test_an_answered_dispute_reminds_nobody(case: Case) -> None:
    case.uphold(case.open())
    with transaction(case.engine, ENGINE) as session:
        reminders.send(session, case.settings.clocks, LATER)
        assert not session.scalars(select(Reminder).where(Reminder.dispute_id.is_not(None))).all()


def test_a_correction_is_a_newer_version_and_is_linked(case: Case) -> None:
    dispute = case.open()
    with (
        transaction(case.engine, case.actors["water"]) as session,
        pytest.raises(Conflict, match="还没有更正后的答复"),
    ):
        disputing.correct(session, dispute, "", NOW)
    newer = case.correct()
    with transaction(case.engine, case.actors["water"]) as session:
        assert disputing.correct(session, dispute, "", NOW).answer_id == newer
    assert case.kept(dispute) == ("answered", ["corrected"])


def test_the_supervisor_waits_for_the_answer_or_the_day(case: Case) -> None:
    dispute = case.open()
    with pytest.raises(Conflict, match="期限过后，才能裁定"):
        case.decide(dispute, now=NOW)
    case.uphold(dispute)
    case.decide(dispute, now=NOW)
    assert case.kept(dispute) == ("decided", ["upheld", "sustained"])


def test_a_decision_stands_for_good(case: Case) -> None:
    dispute = case.open("power")
    case.decide(dispute, "rejected")
    for late in (case.uphold, case.decide):
        with pytest.raises(Conflict, match="不再改变"):
            late(dispute)
    assert case.kept(dispute) == ("decided", ["rejected"])
    for who in ("water", "power"):
        decided = case.events(who)[-1]
        assert (decided["type"], decided["data"]["decision"]) == ("dispute.decided", "rejected")


def test_nobody_but_the_citys_supervisor_decides(case: Case) -> None:
    dispute = case.open()
    for who in ("office", "water", "power", "other_supervisor"):
        with transaction(case.engine, case.actors[who]) as session, pytest.raises(LandreadyError):
            disputing.decide(session, dispute, "sustained", "x", LATER)
    assert case.kept(dispute) == ("open", [])


def test_a_decision_needs_its_word_and_a_reason(case: Case) -> None:
    dispute = case.open()
    with transaction(case.engine, case.actors["supervisor"]) as session:
        for decision, reason in (("", "x"), ("upheld", "x"), ("rejected", " ")):
            with pytest.raises(Invalid):
                disputing.decide(session, dispute, decision, reason, LATER)


def test_the_challenger_may_settle_and_nobody_else(case: Case) -> None:
    dispute = case.open("power")
    with transaction(case.engine, case.actors["water"]) as session, pytest.raises(Conflict):
        disputing.settle(session, dispute, "x", NOW)
    with transaction(case.engine, case.actors["power"]) as session:
        disputing.settle(session, dispute, "已现场确认", NOW)
    assert case.kept(dispute) == ("decided", ["settled"])


def test_two_who_decide_at_the_same_moment_leave_one_decision(case: Case) -> None:
    dispute = case.open()

    def one(decision: str) -> str:
        try:
            case.decide(dispute, decision)
        except Conflict:
            return "refused"
        return "decided"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, ("sustained", "rejected"))) == ["decided", "refused"]
    assert len(case.kept(dispute)[1]) == 1


def test_a_dispute_moves_no_gate(case: Case) -> None:
    def judged() -> object:
        with transaction(case.engine, ENGINE) as session:
            return readiness_of(session, [case.plot], case.settings.gate, NOW)

    before = judged()
    dispute = case.open()
    assert judged() == before
    case.decide(dispute)
    assert judged() == before


def test_the_mark_is_public_until_it_is_decided_and_names_nobody(case: Case) -> None:
    dispute = case.open()
    pair = (case.plot, "water", case.actors["water"].organisation_id)
    with transaction(case.engine, PUBLIC) as session:
        assert disputes.disputed(session, [case.plot]) == {pair}
        assert session.scalars(select(Dispute)).all() == []
    case.decide(dispute)
    with transaction(case.engine, PUBLIC) as session:
        assert disputes.disputed(session, [case.plot]) == frozenset()


def test_each_is_told_how_many_wait_for_them(case: Case) -> None:
    def waits() -> dict[str, int]:
        found = {}
        for who, actor in case.actors.items():
            with transaction(case.engine, actor) as session:
                found[who] = disputes.waiting(session)
        return {who: n for who, n in found.items() if n}

    dispute = case.open()
    assert waits() == {"office": 1, "water": 1, "supervisor": 1}
    case.uphold(dispute)
    assert waits() == {"office": 1, "supervisor": 1}
    case.decide(dispute)
    assert waits() == {}


# What no page does: the application's own role tries it in SQL.
HOSTILE = {
    "history is rewritten": ("supervisor", "update dispute_step set text = 'y'"),
    "history is forgotten": ("supervisor", "delete from dispute_step"),
    "a dispute is withdrawn from sight": ("office", "delete from dispute"),
    "the enterprise decides": (
        "water",
        "insert into dispute_step (dispute_id, kind, text, at, organisation_id)"
        " select id, 'rejected', 'x', now(), :me from dispute",
    ),
    "the challenger sustains": (
        "office",
        "insert into dispute_step (dispute_id, kind, text, at, organisation_id)"
        " select id, 'sustained', 'x', now(), :me from dispute",
    ),
    "the challenger answers": (
        "office",
        "insert into dispute_step (dispute_id, kind, text, at, organisation_id)"
        " select id, 'upheld', 'x', now(), :me from dispute",
    ),
    "the version in dispute is its own correction": (
        "water",
        "insert into dispute_step (dispute_id, kind, text, answer_id, at, organisation_id)"
        " select id, 'corrected', '', answer_id, now(), :me from dispute",
    ),
    "a step in another's name": (
        "water",
        "insert into dispute_step (dispute_id, kind, text, at, organisation_id)"
        " select id, 'sustained', 'x', now(), challenger_id from dispute",
    ),
    "it was decided from the start": (
        "office",
        "insert into dispute (uid, answer_id, push_id, plot_id, enterprise_id, office_id, utility, challenger_id, ground,"
        " reason, opened_at, due_on, due_provisional, state) select gen_random_uuid(), answer_id, push_id, plot_id,"
        " enterprise_id, office_id, utility, challenger_id, ground, reason, opened_at, due_on, false, 'decided' from dispute",
    ),
}


def test_the_database_refuses_whatever_the_application_does(case: Case) -> None:
    case.open()
    for who, statement in HOSTILE.values():
        with (
            pytest.raises(DBAPIError, match=r"row-level security|permission denied"),
            transaction(case.engine, case.actors[who]) as session,
        ):
            session.execute(text(statement), {"me": case.actors[who].organisation_id})


def test_nobody_writes_the_state_or_the_day(case: Case) -> None:
    dispute = case.open()
    for who in ("office", "water", "supervisor"):
        with transaction(case.engine, case.actors[who]) as session:
            moved = session.execute(
                text("update dispute set state = 'decided', due_on = '2030-01-01'")
            )
            assert moved.rowcount == 0
    assert case.kept(dispute)[0] == "open"


def test_a_decided_dispute_takes_no_further_step_in_the_database(case: Case) -> None:
    dispute = case.open()
    case.decide(dispute)
    with (
        pytest.raises(DBAPIError, match="decided before"),
        transaction(case.engine, ENGINE) as session,
    ):
        session.add(
            DisputeStep(
                dispute_id=dispute, kind="rejected", text="x", at=LATER,
                organisation_id=case.actors["supervisor"].organisation_id,
            )
        )  # fmt: skip
