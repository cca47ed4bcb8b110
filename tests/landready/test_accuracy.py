"""Answers are scored by later facts: the rule, the interval, and the figures rebuilt from rows."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, update

from landready import later_facts
from landready.accuracy import Connected, Outcome, outcome, record, wilson
from landready.answers import Answer, AnswerVerdict
from landready.applications import Application, Item, ItemMove
from landready.db import ENGINE, Actor, Role, Session, transaction
from landready.disputes import Dispute, DisputeStep
from landready.permits import Permit
from landready.pushes import Push
from landready.settings import Accuracy
from landready.shapes import multi, stored
from tests.factories import (
    NOW,
    make_answer,
    make_enterprise,
    make_office,
    make_owner,
    make_plan,
    make_push,
    make_supervisor,
    square,
)

TERMS = Accuracy(connected_days=20, least=3, last=4)
D = date(2026, 6, 30)
FAST = Connected(date(2026, 6, 1), 12, external_works=False)
READY, BY, NO, NOT_OURS = AnswerVerdict  # in its order


def scored(verdict: AnswerVerdict, found: Connected | None, *, sustained: bool = False) -> Outcome | None:  # fmt: skip
    return outcome(verdict, D, found, sustained=sustained, limit=20)


@pytest.mark.parametrize(
    ("verdict", "found", "expected"),
    [
        (READY, FAST, Outcome.AS_SAID),
        (READY, replace(FAST, handled_days=20), Outcome.AS_SAID),
        (READY, replace(FAST, handled_days=21), Outcome.SLOW),
        (READY, replace(FAST, external_works=True), Outcome.WORKS),
        (BY, replace(FAST, on=D, handled_days=99), Outcome.BY_DATE),
        (BY, replace(FAST, on=D + timedelta(days=1), handled_days=21), Outcome.LATE),
        (BY, replace(FAST, on=D + timedelta(days=9), handled_days=20), Outcome.BY_DATE),
        (BY, replace(FAST, external_works=True), Outcome.BY_DATE),
        (NO, FAST, Outcome.ANYWAY),
        (NOT_OURS, FAST, Outcome.ANYWAY),
    ],
)
def test_a_connection_scores_the_answer(
    verdict: AnswerVerdict, found: Connected, expected: Outcome
) -> None:
    assert scored(verdict, found) is expected


@pytest.mark.parametrize("verdict", list(AnswerVerdict))
def test_an_answer_that_no_fact_speaks_of_is_not_scored(verdict: AnswerVerdict) -> None:
    assert scored(verdict, None) is None


@pytest.mark.parametrize("found", [None, FAST])
def test_a_sustained_dispute_refutes_whatever_else_happened(found: Connected | None) -> None:
    assert scored(READY, found, sustained=True) is Outcome.SUSTAINED


def test_only_the_two_kept_words_confirm() -> None:
    assert {o for o in Outcome if o.confirmed} == {Outcome.AS_SAID, Outcome.BY_DATE}


def test_only_the_newest_answers_count() -> None:
    found = record([Outcome.LATE] * 5 + [Outcome.AS_SAID] * 4, least=3, last=4)
    assert (found.n, found.confirmed, found.share) == (4, 4, 1.0)


def test_too_few_answers_give_no_share() -> None:
    found = record([Outcome.AS_SAID, Outcome.LATE], least=3, last=40)
    assert (found.n, found.enough, found.share, found.interval) == (2, False, None, None)


@pytest.mark.parametrize(("confirmed", "n"), [(36, 40), (0, 10), (10, 10), (1, 3)])
def test_the_interval_holds_what_a_normal_score_test_does_not_refute(
    confirmed: int, n: int
) -> None:
    """Wilson's definition: each end p solves (x/n - p)² = z² p(1 - p)/n."""
    low, high = wilson(confirmed, n)
    assert 0 <= low <= confirmed / n <= high + 1e-12 <= 1 + 1e-9
    for p in (low, high):
        assert (confirmed / n - p) ** 2 == pytest.approx(1.959964**2 * p * (1 - p) / n, abs=1e-9)


def test_nothing_counted_has_no_interval() -> None:
    with pytest.raises(ValueError, match="nothing"):
        wilson(0, 0)


class City:
    """An office, a water company and an owner; each plot is answered, then applied for and connected."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.office = make_office(session)
        self.water = make_enterprise(session, "water")
        self.owner = make_owner(session)
        self.supervisor = make_supervisor(session)

    def answered(self, **given: object) -> Answer:
        plan = make_plan(self.session, self.office, plots=1, state="released")
        push = make_push(self.session, plan, self.water)
        return make_answer(self.session, push, **given)

    def connected(self, answer: Answer, days: int, *, state: int = 11, works: bool = False) -> None:
        """Apply for the answer's plot ten days after NOW; it is connected `days` after acceptance."""
        came = NOW + timedelta(days=10)
        permit = Permit(
            permit_no=f"no {answer.id} {days}",
            source_id=self.office.id,
            office_id=self.office.id,
            owner_id=self.owner.id,
            plot_id=answer.plot_id,
            city=self.office.city,
            project_name="x",
            payload={"owner": {}},
            payload_sha256="",
            received_at=came,
            geom=stored([multi(square())])[0],
        )
        self._add(permit)
        application = Application(
            permit_id=permit.id,
            plot_id=answer.plot_id,
            owner_id=self.owner.id,
            office_id=self.office.id,
            city=self.office.city,
            state="submitted",
            seeded_at=came,
            submitted_at=came,
        )
        self._add(application)
        item = Item(
            application_id=application.id,
            annex_no=1,
            utility=answer.utility,
            owner_id=self.owner.id,
            office_id=self.office.id,
            assignee_id=self.water.id,
            state=state,
            state_at=came + timedelta(days=days),
            external_works=works,
        )
        self._add(item)
        for to_state, after in ((1, 0), (8, 0), (11, days), *([(15, days)] if state == 15 else [])):
            at = came + timedelta(days=after)
            self._add(ItemMove(item_id=item.id, to_state=to_state, moved_at=at))

    def sustained(self, answer: Answer) -> None:
        dispute = Dispute(
            answer_id=answer.id,
            push_id=answer.push_id,
            plot_id=answer.plot_id,
            enterprise_id=self.water.id,
            office_id=self.office.id,
            utility=answer.utility,
            challenger_id=self.office.id,
            ground="capacity",
            reason="x",
            opened_at=NOW,
            due_on=D,
        )
        self._add(dispute)
        self._add(
            DisputeStep(
                dispute_id=dispute.id, kind="sustained", text="x", at=NOW,
                organisation_id=self.supervisor.id,
            )
        )  # fmt: skip

    def _add(self, row: object) -> None:
        self.session.add(row)
        self.session.flush()


def outcomes(session: Session) -> list[Outcome]:
    session.expire_all()
    return [one.outcome for one in later_facts.scored(session, TERMS)]


def test_figures_come_from_rows_alone(database: Engine) -> None:
    with transaction(database, ENGINE) as session:
        city = City(session)
        city.connected(city.answered(), 14)
        city.connected(city.answered(), 60)
        city.connected(city.answered(), 15, works=True)
        city.connected(city.answered(verdict="not_possible", reason="x"), 16)
        city.sustained(city.answered())
        city.answered()  # nothing became of it
        assert outcomes(session) == [
            Outcome.SUSTAINED,
            Outcome.AS_SAID,
            Outcome.WORKS,
            Outcome.ANYWAY,
            Outcome.SLOW,
        ]
        (found,) = later_facts.fared(session, TERMS)
        assert (found.enterprise, found.city) == (city.water.name, city.office.city)
        assert (found.record.n, found.record.confirmed) == (4, 1)
        session.execute(update(Item).values(state=8))  # as if nothing had been connected
        assert outcomes(session) == [Outcome.SUSTAINED]


def test_the_answer_that_stood_at_the_application_is_scored(database: Engine) -> None:
    """Whoever corrects an answer after the project came in foretold nothing."""
    with transaction(database, ENGINE) as session:
        city = City(session)
        first = city.answered(verdict="not_possible", reason="x")
        push = session.get_one(Push, first.push_id)
        make_answer(session, push, version=2, answered_at=NOW + timedelta(days=11))
        city.connected(first, 14)
        assert outcomes(session) == [Outcome.ANYWAY]


def test_an_answer_counts_once_by_the_first_fact(database: Engine) -> None:
    with transaction(database, ENGINE) as session:
        city = City(session)
        answer = city.answered()
        city.connected(answer, 60)
        city.connected(answer, 14)
        assert outcomes(session) == [Outcome.AS_SAID]


def test_a_revoked_connection_is_no_fact(database: Engine) -> None:
    with transaction(database, ENGINE) as session:
        city = City(session)
        city.connected(city.answered(), 14, state=15)
        assert outcomes(session) == []


def test_an_office_of_another_city_sees_no_record(database: Engine) -> None:
    with transaction(database, ENGINE) as session:
        city = City(session)
        city.connected(city.answered(), 14)
        other = make_office(session, city="460200")
        own, foreign = city.office.id, other.id
    with transaction(database, Actor(Role.OFFICE, own)) as session:
        assert len(later_facts.fared(session, TERMS)) == 1
    with transaction(database, Actor(Role.OFFICE, foreign)) as session:
        assert later_facts.fared(session, TERMS) == []
