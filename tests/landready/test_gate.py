"""Listing goes through the gate, in Python and in the database, each without the other."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from landready import gate as gate_module
from landready.answers import AnswerVerdict
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, NotFound, NotReady
from landready.gate import list_plot, move_listing, readiness_of, suspend_lapsed
from landready.listings import Listing, Verdict
from landready.plans import Plot
from landready.readiness import Readiness
from tests.factories import (
    make_answer,
    make_enterprise,
    make_office,
    make_plan,
    make_push,
)

NOW = datetime.now(UTC)


@pytest.fixture
def story(database, settings):
    """A released plot asked of a water and a power enterprise; nobody has answered."""

    class Story:
        engine = database
        gate = settings.gate

        def answer(self, utility, **given):
            with transaction(database, ENGINE) as session:
                push = session.get_one(gate_module.Push, self.pushes[utility])
                plot = session.get_one(Plot, self.plot_id)
                make_answer(session, push, plot=plot, answered_at=NOW, **given)

        def as_office(self):
            return transaction(database, self.office)

    made = Story()
    with transaction(database, ENGINE) as session:
        office = make_office(session)
        plan = make_plan(session, office, plots=1, state="released")
        made.pushes = {
            utility: make_push(session, plan, make_enterprise(session, utility)).id
            for utility in ("water", "power")
        }
        session.refresh(plan, ["plots"])
        made.plot_id = plan.plots[0].id
        made.office = Actor(Role.OFFICE, office.id, None, office.city)
        other = make_office(session)
        made.other = Actor(Role.OFFICE, other.id, None, other.city)
    return made


def test_plot_without_water_cannot_be_listed(story):
    story.answer("power")
    with pytest.raises(NotReady) as refused, story.as_office() as session:
        list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
    assert {b.utility for b in refused.value.blockers} == {"water"}


def test_plot_with_water_and_power_is_listed_with_its_verdict(story):
    story.answer("water")
    story.answer("power")
    with story.as_office() as session:
        listing = list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
        verdict = session.get_one(Verdict, listing.verdict_id)
        assert verdict.ready
        assert len(verdict.inputs["answers"]) == 2
        assert {w["utility"] for w in verdict.warnings} == {
            "drainage",
            "gas",
            "telecom",
            "cable_tv",
        }


def test_a_later_no_outweighs_an_earlier_yes(story):
    story.answer("water")
    story.answer("power")
    story.answer("water", version=2, verdict="not_possible", reason="水源不足")
    with pytest.raises(NotReady), story.as_office() as session:
        list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)


def test_other_office_cannot_list_the_plot(story):
    story.answer("water")
    story.answer("power")
    with pytest.raises(NotFound), transaction(story.engine, story.other) as session:
        list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)


def test_plot_is_listed_once_at_a_time(story):
    story.answer("water")
    story.answer("power")
    with story.as_office() as session:
        list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
    with pytest.raises(Conflict), story.as_office() as session:
        list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)


def test_database_refuses_even_when_the_python_gate_says_yes(story, monkeypatch):
    story.answer("power")
    monkeypatch.setattr(gate_module, "readiness_of", lambda *_: {story.plot_id: Readiness()})
    with pytest.raises(NotReady) as refused, story.as_office() as session:
        list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
    assert [b.code for b in refused.value.blockers] == ["database"]


HOSTILE = {
    "without a verdict": "insert into listing (plot_id, office_id, city, verdict_id, state, state_reason, listed_at, changed_at)"
    " values (:plot, :office, '460100', 999, 'listed', '', now(), now())",
    "with a forged verdict": "with v as (insert into verdict (plot_id, office_id, plot_revision, ready, blockers, warnings, inputs,"
    " rule_version, evaluated_at, valid_until) values (:plot, :office, 1, true, '[]', '[]', '{}', 'x', now(), now() + interval '1 day')"
    " returning id) insert into listing (plot_id, office_id, city, verdict_id, state, state_reason, listed_at, changed_at)"
    " select :plot, :office, '460100', id, 'listed', '', now(), now() from v",
    "through suspended": "insert into listing (plot_id, office_id, city, verdict_id, state, state_reason, listed_at, changed_at)"
    " values (:plot, :office, '460100', 999, 'suspended', '', now(), now());"
    " update listing set state = 'listed'",
    "by switching the trigger off": "alter table listing disable trigger listing_gate",
    "by replication role": "set local session_replication_role = replica",
    "by loosening the rule": "update gate_rule set effect = 'warn'",
    "by removing the rule": "delete from gate_rule",
    "by an answer of its own": "insert into answer (push_id, plot_id, plot_revision, enterprise_id, office_id, utility, version,"
    " verdict, connection_point, works, reason, answered_at) select push_id, plot_id, 1, enterprise_id, office_id, 'water', 1, 'ready',"
    " st_setsrid(st_point(110, 20), 4490), '', '', now() from push_plot where utility = 'water'",
    "by becoming the engine for a moment only": "select set_config('app.role', 'engine', true);"
    " insert into listing (plot_id, office_id, city, verdict_id, state, state_reason, listed_at, changed_at)"
    " values (:plot, :office, '460100', 999, 'listed', '', now(), now())",
    "by dropping the trigger": "drop trigger listing_gate on listing",
    "by replacing the function": "create or replace function listing_gate() returns trigger language plpgsql as"
    " 'begin return new; end'",
    "by becoming the owner": "set role landready_owner",
}


def run(session, statements, given):
    for statement in statements.split(";"):
        bound = {name: value for name, value in given.items() if f":{name}" in statement}
        session.execute(text(statement), bound)


@pytest.mark.parametrize("way", HOSTILE)
def test_application_role_cannot_list_an_unready_plot_by_sql(story, way):
    story.answer("power")
    given = {"plot": story.plot_id, "office": story.office.organisation_id}
    with pytest.raises(DBAPIError), story.as_office() as session:
        run(session, HOSTILE[way], given)
    with transaction(story.engine, ENGINE) as session:
        assert not session.scalars(select(Listing)).all()


def test_listed_plot_cannot_change_its_boundary(story):
    story.answer("water")
    story.answer("power")
    with story.as_office() as session:
        list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
    with pytest.raises(DBAPIError, match="listed and cannot change"), story.as_office() as session:
        session.execute(text("update plot set use = '工业', revision = revision + 1"))


def test_changed_plot_needs_new_answers(story):
    story.answer("water")
    story.answer("power")
    with story.as_office() as session:
        session.execute(text("update plot set use = '工业', revision = revision + 1"))
        found = readiness_of(session, [story.plot_id], story.gate, NOW)[story.plot_id]
    assert {b.code for b in found.blockers} == {"revised"}


def test_suspended_listing_resumes_only_through_the_gate(story):
    story.answer("water")
    story.answer("power")
    with story.as_office() as session:
        listing = list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
        move_listing(session, listing.id, "suspended", "复核", story.gate, NOW)
    story.answer("water", version=2, verdict="not_possible", reason="水源不足")
    with pytest.raises(NotReady), story.as_office() as session:
        move_listing(session, listing.id, "listed", "", story.gate, NOW)
    story.answer("water", version=3)
    with story.as_office() as session:
        assert move_listing(session, listing.id, "listed", "", story.gate, NOW).state == "listed"


@pytest.mark.parametrize("end", ["sold", "withdrawn"])
def test_sold_and_withdrawn_are_for_good(story, end):
    story.answer("water")
    story.answer("power")
    with story.as_office() as session:
        listing = list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
        move_listing(session, listing.id, end, "", story.gate, NOW)
    with pytest.raises(Conflict), story.as_office() as session:
        move_listing(session, listing.id, "listed", "", story.gate, NOW)
    with pytest.raises(DBAPIError, match="for good"), story.as_office() as session:
        session.execute(text("update listing set state = 'listed'"))


def test_commitment_counts_until_its_date(story):
    day = date.today() + timedelta(days=30)  # noqa: DTZ011 - the trigger counts by the database's clock
    story.answer("water", verdict=AnswerVerdict.READY_BY, ready_by=day, works="DN200 管 300 m")
    story.answer("power")
    with story.as_office() as session:
        assert (
            list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW).state
            == "listed"
        )


def test_python_and_database_agree_on_every_kind_of_answer(story):
    """The two gates are written twice on purpose; this keeps them one rule."""
    today = gate_module.local_date(NOW)
    kinds = [
        {},
        {"valid_until": today},
        {"valid_until": today - timedelta(1)},
        {"plot_revision": 2},
        {"verdict": "not_concerned"},
        {"verdict": "not_possible", "reason": "x"},
        *(
            {"verdict": "ready_by", "works": "x", "ready_by": today + timedelta(days)}
            for days in (-1, 0, 1, 364, 365, 366)
        ),
    ]
    story.answer("power")
    for version, kind in enumerate(kinds, 1):
        story.answer("water", version=version, **kind)
        with story.as_office() as session:
            # The database judges by its own clock; the day may turn while this runs.
            now = session.scalar(text("select now()"))
            python = readiness_of(session, [story.plot_id], story.gate, now)[story.plot_id].may_list
            missing = session.scalar(text("select missing_utilities(:p)"), {"p": story.plot_id})
        assert python == (missing == []), kind


def test_listing_is_suspended_when_its_ground_lapses(story):
    """As the sweep does once a day, and every answer for its own plots."""
    story.answer("water")
    story.answer("power")
    with story.as_office() as session:
        listing = list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
    with transaction(story.engine, ENGINE) as session:
        assert suspend_lapsed(session, story.gate, NOW) == []
    story.answer("power", version=2, verdict="not_possible", reason="变电站满载")
    with transaction(story.engine, ENGINE) as session:
        assert [x.id for x in suspend_lapsed(session, story.gate, NOW)] == [listing.id]
    with transaction(story.engine, ENGINE) as session:
        kept = session.get_one(Listing, listing.id)
        assert (kept.state, kept.state_reason) == ("suspended", gate_module.LAPSED)
