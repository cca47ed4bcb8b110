"""The commitment ledger: promises follow answers, are kept with evidence only, warned of, missed and moved in the open (R4)."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from landready import answering, clock, commitments, gate, misses, reminders, replanning, suspending
from landready.answering import AnswerDraft
from landready.answers import Answer, AnswerVerdict
from landready.completion import Evidence, describe, plan_milestone, reach
from landready.db import ENGINE, Actor, transaction
from landready.errors import Conflict, Invalid, NotFound
from landready.ledger import Outcome, Promise, outcome, record, records, slip_days
from landready.listings import Listing
from landready.organisations import Organisation
from landready.outbox import OutboxEvent
from landready.reminders import Notice, Reminder
from landready.settings import Clocks, Settings, load
from landready.timeline import Progress, timeline
from landready.works import Commitment, CommitmentState, Milestone, Works
from tests.factories import (
    make_answer,
    make_enterprise,
    make_layer,
    make_office,
    make_plan,
    make_push,
    make_supervisor,
    metres,
    point,
)

# Real time: the database's own gate asks its own clock.
TODAY = clock.today(datetime.now(UTC))
SOON, LATER = TODAY + timedelta(days=60), TODAY + timedelta(days=90)
TERMS: Clocks = load(env={}).clocks
READY_BY = AnswerVerdict.READY_BY


def actor(organisation: Organisation) -> Actor:
    return Actor(organisation.role, organisation.id, None, organisation.city)


def paper() -> Evidence:
    """Evidence of the day on which it is given: works that began today are not done before."""
    day = clock.today(datetime.now(UTC))
    return Evidence(day, "验收〔2026〕1号", day)


def at(day: date) -> datetime:
    return datetime.combine(day, time(9), clock.SHANGHAI)


@dataclass(frozen=True)
class Case:
    """Two plans of two plots each, pushed to one water company; power has answered "ready" for all four."""

    engine: Engine
    settings: Settings
    office: Actor
    water: Actor
    other: Actor
    pushes: tuple[int, int]
    plots: tuple[int, ...]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def promise(self, number: int = 0, day: date = SOON, **said: object) -> None:
        values = {"works": "新建泵站", "ready_by": day, **said}
        lon, lat = metres(50, -20)
        draft = AnswerDraft(self.plots[number], "water", READY_BY, (lon, lat), **values)  # type: ignore[arg-type]
        with transaction(self.engine, self.water) as session:
            self.answer(session, number, draft)

    def answer(self, session: Session, number: int, draft: AnswerDraft) -> Answer:
        return answering.answer(
            session, self.pushes[number // 2], draft, check=self.settings.check,
            region=self.settings.region, gate=self.settings.gate, account_id=None, now=self.now,
        )  # fmt: skip

    def say(self, verdict: str, number: int = 0) -> None:
        draft = AnswerDraft(
            self.plots[number], "water", AnswerVerdict(verdict), metres(50, -20), reason="改了"
        )
        with transaction(self.engine, self.water) as session:
            self.answer(session, number, draft)

    def ledger(self) -> list[tuple[int, str, date, date]]:
        with transaction(self.engine, ENGINE) as session:
            rows = session.scalars(select(Commitment).order_by(Commitment.id))
            return [(self.plots.index(c.plot_id), c.state, c.first_on, c.due_on) for c in rows]

    def works(self) -> list[int]:
        with transaction(self.engine, ENGINE) as session:
            return list(session.scalars(select(Works.id).order_by(Works.id)))

    def reach(self, evidence: Evidence, *, completes: bool = True, now: datetime | None = None) -> None:  # fmt: skip
        with transaction(self.engine, self.water) as session:
            query = select(Milestone.id).where(Milestone.completes.is_(completes))
            step = session.scalars(query.order_by(Milestone.id)).first()
            assert step
            reach(session, self.settings, step, evidence, account_id=None, now=now or self.now)

    def replan(self, day: date, reason: str = "管线迁改延误", works: int | None = None) -> None:
        with transaction(self.engine, self.water) as session:
            replanning.replan(
                session, self.settings, works or self.works()[0], day, reason,
                account_id=None, now=self.now,
            )  # fmt: skip

    def offer(self, number: int = 0) -> None:
        with transaction(self.engine, self.office) as session:
            gate.list_plot(
                session, self.plots[number], self.settings.gate, account_id=None, now=self.now
            )

    def listing(self) -> tuple[str, str]:
        with transaction(self.engine, ENGINE) as session:
            found = session.scalars(select(Listing)).one()
            return found.state, found.state_reason

    def said(self, number: int = 0) -> list[str]:
        with transaction(self.engine, ENGINE) as session:
            rows = select(Answer.verdict).where(
                Answer.plot_id == self.plots[number], Answer.utility == "water"
            )
            return list(session.scalars(rows.order_by(Answer.version)))


@pytest.fixture
def case(database: Engine, settings: Settings) -> Case:
    with transaction(database, ENGINE) as session:
        office = make_office(session)
        make_supervisor(session, name="市督办")
        water, power = make_enterprise(session, "water"), make_enterprise(session, "power")
        other = make_enterprise(session, "water")
        make_layer(session, water, point(50, -20), title="给水管")
        pushes, plots = [], []
        for _ in range(2):
            plan = make_plan(session, office, plots=2, state="released")
            pushes.append(make_push(session, plan, water, pushed_at=datetime.now(UTC)).id)
            asked = make_push(session, plan, power, pushed_at=datetime.now(UTC))
            for one in plan.plots:
                make_answer(session, asked, plot=one)
                plots.append(one.id)
        return Case(
            database, settings, actor(office), actor(water), actor(other), tuple(pushes), tuple(plots)
        )  # fmt: skip


# --- promises follow answers ------------------------------------------------------------------------------------------


def test_an_answer_ready_by_a_day_is_a_commitment_with_works_of_its_own(case: Case) -> None:
    case.promise(works="新建泵站，敷设 DN300 管 450 米")
    assert case.ledger() == [(0, "open", SOON, SOON)]
    with transaction(case.engine, case.office) as session:
        works = session.scalars(select(Works)).one()
        assert (works.title, works.facility) == ("新建泵站，敷设 DN300 管 450 米", "给水管 1")
        assert [(m.planned_on, m.completes) for m in works.milestones] == [(SOON, True)]


def test_a_refused_answer_leaves_no_commitment(case: Case) -> None:
    with pytest.raises(Invalid):
        case.promise(day=TODAY)
    assert case.ledger() == []
    assert case.works() == []


def test_a_correction_supersedes_the_promise_and_keeps_its_first_day(case: Case) -> None:
    case.promise()
    case.promise(day=LATER)
    assert case.ledger() == [(0, "superseded", SOON, SOON), (0, "open", SOON, LATER)]
    assert len(case.works()) == 1


@pytest.mark.parametrize(
    ("verdict", "state"),
    [("not_possible", "withdrawn"), ("not_concerned", "withdrawn"), ("ready", "unproven")],
)
def test_what_replaces_a_promise_without_evidence_does_not_keep_it(
    case: Case, verdict: str, state: str
) -> None:
    case.promise()
    case.say(verdict)
    assert case.ledger() == [(0, state, SOON, SOON)]


def test_a_promise_after_one_that_was_taken_back_begins_anew(case: Case) -> None:
    case.promise()
    case.say("not_possible")
    case.promise(day=LATER)
    assert case.ledger()[1:] == [(0, "open", LATER, LATER)]


@pytest.mark.parametrize(
    "change",
    [
        "update commitment set state = 'kept', done_on = due_on, closed_at = now()",
        "update commitment set first_on = first_on + 30",
        "update milestone set done_on = planned_on, done_at = now()",
        "delete from commitment",
        "insert into commitment (answer_id, works_id, plot_id, enterprise_id, office_id, utility, first_on, due_on, reason,"
        " made_at, state) select a.id, c.works_id, c.plot_id, c.enterprise_id, c.office_id, c.utility, c.due_on + 9,"
        " c.due_on + 9, '', now(), 'open' from commitment c join answer a on a.plot_id = c.plot_id and a.id > c.answer_id",
    ],
)
def test_the_database_lets_nobody_improve_a_record(case: Case, change: str) -> None:
    case.promise()
    case.promise(day=LATER)
    with transaction(case.engine, case.water) as session:
        session.execute(text("update commitment set reason = 'x' where state = 'open'"))
    with pytest.raises(DBAPIError), transaction(case.engine, case.water) as session:
        session.execute(text(change))


def test_works_are_joined_and_separated_without_changing_a_promise(case: Case) -> None:
    case.promise(0)
    case.promise(2)
    before = case.ledger()
    one, other = case.works()
    with transaction(case.engine, case.water) as session:
        joined = commitments.join(session, one, other)
        assert {c.plot_id for c in joined.current} == {case.plots[0], case.plots[2]}
    assert case.ledger() == before
    with transaction(case.engine, case.water) as session:
        commitments.separate(session, one, case.plots[2], case.now)
        with pytest.raises(Conflict):
            commitments.separate(session, one, case.plots[0], case.now)
    assert case.ledger() == before


def test_works_that_end_on_different_days_cannot_be_joined(case: Case) -> None:
    case.promise(0)
    case.promise(1, LATER)
    with transaction(case.engine, case.water) as session, pytest.raises(Conflict):
        commitments.join(session, *case.works())


def test_works_of_another_enterprise_look_like_nobodys(case: Case) -> None:
    case.promise()
    with transaction(case.engine, case.other) as session:
        assert timeline(session, case.now, 20) == []
        with pytest.raises(NotFound):
            replanning.replan(
                session, case.settings, case.works()[0], LATER, "x", account_id=None, now=case.now
            )


# --- kept with evidence -----------------------------------------------------------------------------------------------


def test_completion_with_a_document_makes_a_new_answer_ready(case: Case) -> None:
    case.promise()
    case.reach(paper())
    assert case.ledger() == [(0, "kept", SOON, SOON)]
    assert case.said() == ["ready_by", "ready"]


def test_completion_of_joined_works_makes_the_plots_of_both_plans_ready(case: Case) -> None:
    case.promise(0)
    case.promise(2)
    with transaction(case.engine, case.water) as session:
        commitments.join(session, *case.works())
    case.reach(Evidence(paper().done_on, file=("验收.pdf", io.BytesIO(b"%PDF-1.7\n"))))
    assert [state for _, state, _, _ in case.ledger()] == ["kept", "kept"]
    with transaction(case.engine, case.office) as session:
        latest = session.scalars(select(Answer).where(Answer.verdict == "ready", Answer.version == 2))  # fmt: skip
        assert [[f.filename for f in a.attachments] for a in latest] == [["验收.pdf"]] * 2


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(TODAY),
        Evidence(TODAY, "验收〔2026〕1号"),
        Evidence(TODAY, "", TODAY),
        Evidence(None, "验收〔2026〕1号", TODAY),
        Evidence(TODAY + timedelta(days=2), "验收〔2026〕1号", TODAY),
        Evidence(TODAY, file=("x.exe", io.BytesIO(b"MZ"))),
    ],
)
def test_nothing_is_done_without_evidence_and_a_day(case: Case, evidence: Evidence) -> None:
    case.promise()
    with pytest.raises(Invalid):
        case.reach(evidence)
    assert case.ledger() == [(0, "open", SOON, SOON)]
    assert case.said() == ["ready_by"]


def test_nothing_is_done_before_the_works_began(case: Case) -> None:
    case.promise()
    yesterday = TODAY - timedelta(days=1)
    with pytest.raises(Invalid) as refused:
        case.reach(Evidence(yesterday, "验收〔2026〕1号", TODAY))
    assert "不能早于工程的开始日期" in refused.value.problems[0].message
    with transaction(case.engine, case.water) as session:
        describe(session, case.works()[0], "新建泵站", "", yesterday)
    case.reach(Evidence(yesterday, "验收〔2026〕1号", TODAY))
    assert case.said() == ["ready_by", "ready"]


def test_a_step_on_the_way_is_recorded_and_keeps_no_promise(case: Case) -> None:
    case.promise()
    with transaction(case.engine, case.water) as session:
        plan_milestone(session, case.works()[0], "沟槽开挖", TODAY + timedelta(days=9))
    case.reach(paper(), completes=False)
    assert case.said() == ["ready_by"]
    with pytest.raises(Conflict):
        case.reach(paper(), completes=False)


def test_completed_works_do_not_change_any_more(case: Case) -> None:
    case.promise()
    case.reach(paper())
    with pytest.raises(Conflict):
        case.replan(LATER)
    with pytest.raises(Conflict):
        case.reach(paper())
    with pytest.raises(DBAPIError, match="for good"), transaction(case.engine, ENGINE) as session:
        session.execute(text("update milestone set done_on = done_on - 9"))


# --- warned of and missed ---------------------------------------------------------------------------------------------


DAYS = [date(2025, 3, 10) + timedelta(days=n) for n in range(500)]


@given(st.sampled_from(DAYS), st.integers(-60, 20))
def test_a_warning_stands_once_for_each_number_of_days_and_the_miss_once(
    due: date, begins: int
) -> None:
    """From whatever day on it is looked at, every day twice; a day that was slept through is not made up for twice."""
    told: set[tuple[Notice, date]] = set()
    for number in range(begins, 30):
        for _ in range(2):
            told |= set(reminders.owed_works(due, due + timedelta(days=number), TERMS))
    warned = sorted(day for notice, day in told if notice is Notice.BEFORE)
    passed = [clock.before(due, days) for days in (20, 5)]
    first = due + timedelta(days=begins)
    # The last one passed before the first look is told on that look, if a working day of the term is left.
    looked = [d for d in (first + timedelta(days=n) for n in range(90)) if clock.ANNOUNCED.is_working(d) and d <= due]  # fmt: skip
    expected = {max(p for p in passed if p <= d) for d in looked if any(p <= d for p in passed)}
    assert warned == sorted(expected)
    assert sum(notice is Notice.LATE for notice, _ in told) == 1
    assert sum(notice is Notice.ESCALATED for notice, _ in told) == 1


def test_works_are_warned_of_and_missed_once_over_restarts_and_jumps_of_the_clock(case: Case) -> None:  # fmt: skip
    case.promise()
    together = Barrier(3)

    def sweep(number: int) -> None:
        together.wait(20)
        for n in (0, 80, 5, 61, 40, 58, 75, 62)[number:]:
            with transaction(case.engine, ENGINE) as session:
                reminders.send(session, case.settings.clocks, at(SOON + timedelta(days=n - 60)))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(sweep, range(3)))
    with transaction(case.engine, ENGINE) as session:
        told = session.execute(
            select(Reminder.notice, Reminder.on_day).where(Reminder.works_id.is_not(None))
        ).all()
        events = session.scalars(select(OutboxEvent.type)).all()
    assert len(told) == len(set(told))
    mine = [kind for kind, _ in told]
    assert mine.count("late") <= 1
    assert mine.count("escalated") <= 1
    assert "before" in mine
    assert len(events) >= len(told)


def test_planner_and_enterprise_are_told_of_a_miss(case: Case) -> None:
    case.promise()
    day = next(
        d for d in (SOON + timedelta(days=n) for n in range(1, 15)) if clock.ANNOUNCED.is_working(d)
    )
    with transaction(case.engine, ENGINE) as session:
        reminders.send(session, case.settings.clocks, at(day))
        (event,) = session.scalars(
            select(OutboxEvent).where(OutboxEvent.type == "deadline.late", OutboxEvent.push_id.is_(None))
        ).all()  # fmt: skip
        assert event.enterprise_id == case.water.organisation_id
    with transaction(case.engine, case.office) as session:
        assert [n.notice for n in reminders.notices_of_works(session, case.works()[0])][
            -1
        ] == "late"
        assert [c.plot_id for c in misses.missed_of(session, at(day))] == [case.plots[0]]


def test_a_missed_promise_suspends_the_listing_and_is_named_as_the_reason(case: Case) -> None:
    case.promise()
    case.offer()
    for day, state in ((SOON, "listed"), (SOON + timedelta(days=1), "suspended")):
        with transaction(case.engine, ENGINE) as session:
            suspending.review(session, case.settings.gate, at(day))
        assert case.listing()[0] == state
    reason = case.listing()[1]
    assert SOON.isoformat() in reason
    assert "新建泵站" in reason
    with transaction(case.engine, ENGINE) as session:
        assert suspending.review(session, case.settings.gate, at(LATER)) == []


def test_a_listing_that_another_enterprise_carries_stays(case: Case) -> None:
    case.promise()
    with transaction(case.engine, ENGINE) as session:
        plan = session.get_one(Commitment, 1).plot.plan
        other = session.get_one(Organisation, case.other.organisation_id)
        make_answer(session, make_push(session, plan, other), utility="water")
    case.offer()
    with transaction(case.engine, ENGINE) as session:
        assert suspending.review(session, case.settings.gate, at(SOON + timedelta(days=1))) == []
    assert case.listing()[0] == "listed"


# --- replanned --------------------------------------------------------------------------------------------------------


def test_a_later_date_is_recorded_as_a_slip_and_the_first_promise_stays(case: Case) -> None:
    case.promise()
    case.replan(LATER)
    assert case.ledger() == [(0, "superseded", SOON, SOON), (0, "open", SOON, LATER)]
    assert case.said() == ["ready_by", "ready_by"]
    with transaction(case.engine, case.office) as session:
        (line,) = timeline(session, case.now, 20)
        assert (line.progress, line.first_on, line.ends_on) == (Progress.SLIPPED, SOON, LATER)
        assert [c.reason for c in replanning.moves_of(session, line.works.id)] == ["管线迁改延误"]
        found = records(session, [case.water.organisation_id], TODAY)[case.water.organisation_id]
    assert (dict(found.counts), found.median_slip) == ({Outcome.OPEN: 1}, 30.0)


def test_joined_works_of_two_plans_move_together_or_not_at_all(case: Case) -> None:
    case.promise(0)
    case.promise(2, valid_until=SOON)
    with transaction(case.engine, case.water) as session:
        commitments.join(session, *case.works())
    case.replan(LATER)
    assert [(n, due) for n, state, _, due in case.ledger() if state == "open"] == [(0, LATER), (2, LATER)]  # fmt: skip
    before = case.ledger()
    with pytest.raises(Invalid):
        case.replan(TODAY)
    assert case.ledger() == before


def test_a_plot_that_is_promised_for_another_day_leaves_the_joined_works(case: Case) -> None:
    case.promise(0)
    case.promise(1)
    with transaction(case.engine, case.water) as session:
        commitments.join(session, *case.works())
    case.promise(1, LATER)
    with transaction(case.engine, case.office) as session:
        ends = {w.works.id: (w.ends_on, len(w.promises)) for w in timeline(session, case.now, 20)}
    assert sorted(ends.values()) == [(SOON, 1), (LATER, 1)]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_date_is_not_moved_without_a_reason(case: Case, reason: str) -> None:
    case.promise()
    with pytest.raises(Invalid):
        case.replan(LATER, reason)
    assert case.ledger() == [(0, "open", SOON, SOON)]


def test_effects_are_shown_before_saving_and_are_what_then_happens(case: Case) -> None:
    case.promise()
    case.offer()
    far = TODAY + timedelta(days=case.settings.gate.commitment_horizon_days + 10)
    with transaction(case.engine, case.water) as session:
        (effect,) = replanning.effects(session, case.settings, case.works()[0], far, case.now)
        assert effect.plot.id == case.plots[0]
        assert effect.suspended
        assert effect.listable == (True, False)
        assert effect.listable_from == TODAY + timedelta(days=10)
    assert case.listing()[0] == "listed"
    assert case.ledger() == [(0, "open", SOON, SOON)]
    case.replan(far)
    assert case.listing()[0] == "suspended"


def test_a_later_date_within_the_horizon_suspends_nothing(case: Case) -> None:
    case.promise()
    case.offer()
    with transaction(case.engine, case.water) as session:
        (effect,) = replanning.effects(session, case.settings, case.works()[0], LATER, case.now)
        assert (effect.suspended, effect.listable, effect.due_on, effect.moved_to) == (
            False, (True, True), SOON, LATER,
        )  # fmt: skip


# --- the record -------------------------------------------------------------------------------------------------------

D = date(2026, 6, 1)
OPEN, KEPT = CommitmentState.OPEN, CommitmentState.KEPT


@pytest.mark.parametrize(
    ("promise", "counts_as", "slip"),
    [
        (Promise(D, D, OPEN), Outcome.OPEN, None),
        (Promise(D, D + timedelta(30), OPEN), Outcome.OPEN, 30),
        (Promise(D - timedelta(9), D - timedelta(9), OPEN), Outcome.MISSED, 9),
        # Moved after it was missed: the first day is past all the same.
        (Promise(D - timedelta(9), D + timedelta(11), OPEN), Outcome.MISSED, 20),
        (Promise(D, D, KEPT, D), Outcome.KEPT, 0),
        (Promise(D, D, KEPT, D - timedelta(3)), Outcome.KEPT, 0),
        # Within the moved date is late all the same.
        (Promise(D, D + timedelta(30), KEPT, D + timedelta(7)), Outcome.LATE, 7),
        (Promise(D, D, CommitmentState.UNPROVEN), Outcome.UNPROVEN, None),
        (Promise(D, D, CommitmentState.WITHDRAWN), Outcome.WITHDRAWN, None),
    ],
)
def test_a_promise_counts_by_the_day_first_promised(
    promise: Promise, counts_as: Outcome, slip: int | None
) -> None:
    assert (outcome(promise, D), slip_days(promise, D)) == (counts_as, slip)


@given(st.integers(0, 400), st.integers(1, 400))
def test_moving_a_date_improves_no_record(done_after: int, moved: int) -> None:
    kept = Promise(D, D, KEPT, D + timedelta(done_after))
    assert record([kept], D) == record([replace(kept, due_on=D + timedelta(moved))], D)


def test_a_record_is_the_median_of_what_was_reached() -> None:
    days = (0, 4, 10)
    found = record([Promise(D, D, KEPT, D + timedelta(n)) for n in days], D)
    assert (found.counts[Outcome.KEPT], found.counts[Outcome.LATE], found.median_slip) == (1, 2, 4.0)  # fmt: skip
