"""Listing goes through the gate, in Python and in the database, each without the other."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from landready import gate as gate_module
from landready import rule_book
from landready.answers import AnswerVerdict
from landready.certificates import Certificate
from landready.clock import today as local_date
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, Invalid, NotFound, NotReady
from landready.frozen import digest
from landready.gate import list_plot, move_listing, readiness_of
from landready.listings import Listing
from landready.organisations import Organisation
from landready.plans import Plot
from landready.pushes import Push
from landready.readiness import Readiness
from landready.rule_book import Wish
from landready.suspending import suspend_lapsed
from tests.factories import (
    make_account,
    make_answer,
    make_certificate,
    make_enterprise,
    make_office,
    make_plan,
    make_plot,
    make_push,
    make_supervisor,
    square,
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
                push = session.get_one(Push, self.pushes[utility])
                plot = session.get_one(Plot, self.plot_id)
                make_answer(session, push, plot=plot, answered_at=NOW, **given)

        def as_office(self):
            return transaction(database, self.office)

    made = Story()
    with transaction(database, ENGINE) as session:
        office = make_office(session)
        plan = make_plan(session, office, plots=1, state="released")
        made.pushes = {
            utility: make_push(session, plan, make_enterprise(session, utility), pushed_at=NOW).id
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


def test_plot_with_water_and_power_is_listed_with_its_certificate(story):
    story.answer("water")
    story.answer("power")
    with story.as_office() as session:
        listing = list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
        certificate = session.get_one(Certificate, listing.certificate_id)
        assert certificate.ready
        assert certificate.number == "460100-000001"
        assert {w["utility"] for w in certificate.warnings} == {
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
    monkeypatch.setattr(
        gate_module, "readiness", lambda _facts, rules, _day: Readiness(rules=rules)
    )
    with pytest.raises(NotReady) as refused, story.as_office() as session:
        list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
    assert [b.code for b in refused.value.blockers] == ["database"]


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
    assert {b.code for b in found.blockers} == {"revised", "check_revised", "title_revised"}


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
            missing = session.scalar(text("select missing_requirements(:p)"), {"p": story.plot_id})
        assert python == (missing == []), kind


def test_listing_is_suspended_when_its_ground_lapses(story):
    """By the calendar, as the sweep does once a day."""
    story.answer("water")
    story.answer("power")
    with story.as_office() as session:
        listing = list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
    with transaction(story.engine, ENGINE) as session:
        assert suspend_lapsed(session, story.gate, NOW) == []
    later = NOW + timedelta(days=366)
    with transaction(story.engine, ENGINE) as session:
        assert [x.id for x in suspend_lapsed(session, story.gate, later)] == [listing.id]
    with transaction(story.engine, ENGINE) as session:
        kept = session.get_one(Listing, listing.id)
        assert (kept.state, kept.cause["code"]) == ("suspended", "check_stale")


def test_listing_is_suspended_when_its_certificate_expires(story):
    story.answer("water")
    story.answer("power")
    with story.as_office() as session:
        list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
    later = NOW + timedelta(days=story.gate.verdict_days)
    with transaction(story.engine, ENGINE) as session:
        (lapsed,) = suspend_lapsed(session, story.gate, later)
        assert lapsed.cause["code"] == "certificate_expired"


def test_database_suspends_when_an_answer_is_taken_back_whoever_forgets_to(story):
    story.answer("water")
    story.answer("power")
    with story.as_office() as session:
        listing = list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
    story.answer("power", version=2, verdict="not_possible", reason="变电站满载")
    with transaction(story.engine, ENGINE) as session:
        kept = session.get_one(Listing, listing.id)
        assert (kept.state, kept.cause["code"]) == ("suspended", "answer_changed")


def test_certificates_of_a_city_are_one_chain_without_a_gap(story):
    with transaction(story.engine, ENGINE) as session:
        plan = make_plan(
            session, session.get_one(Organisation, story.office.organisation_id), plots=3
        )
        made = [make_certificate(session, plot) for plot in plan.plots]
    assert [c.number for c in made] == [f"460100-00000{n}" for n in (1, 2, 3)]
    for before, after in pairwise(made):
        assert after.previous == before.sha256 == digest(before.previous, before.body.encode())


def test_many_plots_are_judged_in_one_pass(story, monkeypatch):
    """Each is tried for itself: what is ready is listed, what is not says why."""
    with transaction(story.engine, ENGINE) as session:
        office = session.get_one(Organisation, story.office.organisation_id)
        plan = make_plan(session, office, state="released")
        plots = [make_plot(session, plan, geometry=square(0, 200 * n + 1000)).id for n in range(20)]
        for utility in ("water", "power"):
            push = make_push(session, plan, make_enterprise(session, utility), pushed_at=NOW)
            for plot in plan.plots[1:]:
                make_answer(session, push, plot=plot)
    seen = []
    load = gate_module.plot_facts.load
    monkeypatch.setattr(
        gate_module.plot_facts, "load", lambda *given: seen.append(given) or load(*given)
    )
    with story.as_office() as session:
        made, refused = gate_module.list_plots(session, plots, story.gate, account_id=None, now=NOW)
    assert len(seen) == 1
    assert (len(made), list(refused)) == (19, plots[:1])


def test_listing_is_not_carried_in_silence_by_an_exception_made_after_it(story):
    """Its certificate shows everybody the exceptions it rests on; another one is shown once the office resumes it."""
    story.answer("water")
    story.answer("power")
    with story.as_office() as session:
        listing = list_plot(session, story.plot_id, story.gate, account_id=None, now=NOW)
    with transaction(story.engine, ENGINE) as session:
        supervisor = make_supervisor(session)
        account = make_account(session, supervisor)
    now = datetime.now(UTC)
    day = local_date(now)
    wish = Wish("460100", ("power",), day, day + timedelta(30), "琼府〔2026〕9 号", "应急")
    with transaction(story.engine, Actor(Role.SUPERVISOR, supervisor.id, account.id)) as session:
        exemption = rule_book.issue(session, wish, now).id
    story.answer("power", version=2, verdict="not_possible", reason="无容量", connection_point=None)
    with transaction(story.engine, ENGINE) as session:
        assert [x.id for x in suspend_lapsed(session, story.gate, now)] == [listing.id]
    with story.as_office() as session:
        resumed = move_listing(session, listing.id, "listed", "", story.gate, now)
        session.refresh(resumed)
        assert [x["id"] for x in resumed.certificate.exemptions] == [exemption]
    with transaction(story.engine, ENGINE) as session:
        assert suspend_lapsed(session, story.gate, now) == []


def test_clock_ahead_of_the_databases_lists_nothing_and_is_named(story):
    """Two machines, one without time service: a certificate of the future would be no proof of anything."""
    story.answer("water")
    story.answer("power")
    with story.as_office() as session, pytest.raises(Conflict) as refused:
        list_plot(
            session, story.plot_id, story.gate, account_id=None,
            now=datetime.now(UTC) + timedelta(seconds=90),
        )  # fmt: skip
    assert "本机时钟比数据库快 90 秒" in str(refused.value)


def test_exemption_sent_as_the_day_turned_is_refused_in_words(story):
    """The request began before midnight, the database looks at its own clock after it."""
    with transaction(story.engine, ENGINE) as session:
        supervisor = make_supervisor(session)
        account = make_account(session, supervisor)
    before = datetime.now(UTC) - timedelta(days=1)
    day = local_date(before)
    wish = Wish("460100", ("power",), day, day + timedelta(30), "琼府〔2026〕9 号", "应急")
    asker = Actor(Role.SUPERVISOR, supervisor.id, account.id)
    with pytest.raises(Invalid) as refused, transaction(story.engine, asker) as session:
        rule_book.issue(session, wish, before)
    assert [one.code for one in refused.value.problems] == ["exemption_days"]
