"""Answers and listings at the same moment: no listing rests on an answer that was taken back meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import shapely
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from landready import measuring, remeasuring, reserving
from landready.answer_rules import AnswerDraft
from landready.answering import answer_each
from landready.answers import Answer, AnswerVerdict
from landready.asked import own_push
from landready.commitments import own_works
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import NotReady
from landready.gate import TURN, list_plot, lock_plots, move_listing
from landready.layers import Facility
from landready.listings import Listing
from landready.organisations import Organisation
from landready.planner import list_plots
from landready.plans import Plot
from landready.pushes import Push
from landready.reservations import Reservation
from landready.suspending import suspend_lapsed
from landready.works import Commitment, Works
from tests.factories import (
    make_answer,
    make_certificate,
    make_enterprise,
    make_layer,
    make_office,
    make_plan,
    make_push,
    point,
)

NOW = datetime.now(UTC)
TAKE_TURN = text(f"select pg_advisory_xact_lock({TURN})")
LIST = text(
    "insert into listing (plot_id, office_id, city, certificate_id, state, state_reason, listed_at, changed_at)"
    " values (:plot, :office, :city, :certificate, 'listed', '', now(), now())"
)
LOSE_TITLE = (
    "insert into title_statement (plot_id, plot_revision, office_id, clear, document, document_date, note, stated_at)"
    " values (:plot, 1, :office, false, 'x', '2026-01-01', '有查封', now())"
)


class Story:
    """A released plan of two plots that water and power said yes to."""

    def __init__(self, database, gate):
        self.engine, self.gate = database, gate
        with transaction(database, ENGINE) as session:
            office = make_office(session)
            plan = make_plan(session, office, plots=2, state="released")
            for utility in ("water", "power"):
                push = make_push(session, plan, make_enterprise(session, utility), pushed_at=NOW)
                for plot in plan.plots:
                    make_answer(session, push, plot=plot, answered_at=NOW)
                self.push_id = push.id
                self.power = Actor(Role.ENTERPRISE, push.enterprise_id)
            self.first, self.second = (plot.id for plot in plan.plots)
            self.office = Actor(Role.OFFICE, office.id, None, office.city)

    def as_office(self):
        return transaction(self.engine, self.office)

    @contextmanager
    def old_snapshot(self):
        """A repeatable read of the product's, begun now."""
        with self.engine.connect() as link, link.begin():
            link.execute(text("set transaction isolation level repeatable read"))
            link.execute(
                text("select set_config('app.role', 'engine', true), count(*) from listing")
            )
            yield link
            link.rollback()

    def row(self, certificate):
        return {
            "plot": self.first, "office": self.office.organisation_id, "city": self.office.city,
            "certificate": certificate.id,
        }  # fmt: skip

    def hold(self, session):
        """As an answer's foreign key holds its plot."""
        session.get_one(Plot, self.first, with_for_update={"key_share": True, "read": True})

    def reserve(self, session, version):
        """What an answer of the power company's holds of a facility, as the one before it did."""
        layer = (
            self.layer
            or make_layer(
                session, session.get_one(Organisation, self.power.organisation_id), point(0, -50)
            ).id
        )
        self.layer = layer
        push, plot = session.get_one(Push, self.push_id), session.get_one(Plot, self.first)
        answer = make_answer(session, push, plot=plot, version=version, utility="power")
        facility = session.scalar(select(Facility.id).where(Facility.layer_id == layer))
        row = Reservation(
            answer_id=answer.id, plot_id=plot.id, plot_revision=1, utility="power", enterprise_id=push.enterprise_id,
            office_id=push.office_id, facility_id=facility, reserved_at=NOW, state_at=NOW, before=0,
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row.id

    layer = None

    def say_no(self, session, plot_id):
        push, plot = session.get_one(Push, self.push_id), session.get_one(Plot, plot_id)
        values = {"verdict": "not_possible", "reason": "无容量", "connection_point": None}
        make_answer(session, push, plot=plot, version=2, utility="power", **values)


@pytest.fixture
def story(database, settings):
    return Story(database, settings.gate)


def test_resuming_waits_for_an_answer_that_is_being_given(story):
    with story.as_office() as session:
        listing = list_plot(session, story.first, story.gate, account_id=None, now=NOW)
        move_listing(session, listing.id, "suspended", "复核", story.gate, NOW)

    def resume():
        with story.as_office() as session:
            move_listing(session, listing.id, "listed", "", story.gate, NOW)

    with ThreadPoolExecutor() as pool, transaction(story.engine, ENGINE) as session:
        story.say_no(session, story.first)
        resumed = pool.submit(resume)
        with pytest.raises(TimeoutError):
            resumed.result(1)
        suspend_lapsed(session, story.gate, NOW, [story.first])
        session.commit()
        with pytest.raises(NotReady):
            resumed.result(10)


def test_answering_and_listing_many_plots_do_not_block_each_other_for_good(story):
    """The answer holds a plot and wants the turn for a listing; listing must not hold the turn and want the plot."""
    with story.as_office() as session:
        list_plot(session, story.first, story.gate, account_id=None, now=NOW)
    refused = []

    def list_second():
        with story.as_office() as session:
            refused.append(list_plots(session, [story.second], story.gate, NOW))

    with transaction(story.engine, ENGINE) as session:
        story.say_no(session, story.first)
        story.say_no(session, story.second)
        listing = threading.Thread(target=list_second)
        listing.start()
        listing.join(1)
        assert suspend_lapsed(session, story.gate, NOW, [story.first, story.second])
    listing.join(10)
    assert list(refused[0]) == [story.second]
    with transaction(story.engine, ENGINE) as session:
        assert session.scalars(select(Listing.state)).all() == ["suspended"]


def draft(session, plot_id):
    at = shapely.from_wkb(session.get_one(Plot, plot_id).geom.desc).centroid
    return AnswerDraft(plot_id, "power", AnswerVerdict.READY, (at.x, at.y))


def test_answer_to_many_takes_the_plots_in_the_order_of_whoever_lists_them(story, settings):
    """In whatever order they were answered: else each of the two holds the plot that the other wants."""
    given = {"check": settings.check, "region": settings.region, "gate": story.gate}

    def answer():
        with transaction(story.engine, story.power) as session:
            drafts = [draft(session, story.second), draft(session, story.first)]
            answer_each(session, story.push_id, drafts, **given, account_id=None, now=NOW)

    with ThreadPoolExecutor() as pool, story.as_office() as session:
        lock_plots(session, [story.first])
        answered = pool.submit(answer)
        with pytest.raises(TimeoutError):
            answered.result(1)
        lock_plots(session, [story.second])
        session.commit()
        answered.result(10)


def test_withdrawing_while_a_reservation_is_replaced_does_not_wait_in_a_circle(story):
    """What replaced it after the wait for its lock is the next answerer's, who wants the turn that withdrawing holds."""
    with story.as_office() as session:
        listing = list_plot(session, story.first, story.gate, account_id=None, now=NOW)
    with transaction(story.engine, ENGINE) as session:
        old = story.reserve(session, 2)

    def withdraw():
        with story.as_office() as session:
            move_listing(session, listing.id, "withdrawn", "撤回", story.gate, NOW)

    def answer_again():
        with transaction(story.engine, ENGINE) as session:
            story.hold(session)
            reserving.lock(session, story.first)
            session.execute(text("select pg_sleep(1)"))
            session.execute(TAKE_TURN)

    with ThreadPoolExecutor() as pool, transaction(story.engine, ENGINE) as turn:
        turn.execute(TAKE_TURN)
        with transaction(story.engine, ENGINE) as session:
            story.hold(session)
            session.get_one(Reservation, old).state = "released"
            session.flush()
            story.reserve(session, 3)
            withdrawn = pool.submit(withdraw)
            with pytest.raises(TimeoutError):
                withdrawn.result(0.5)
        with pytest.raises(TimeoutError):
            withdrawn.result(0.5)
        again = pool.submit(answer_again)
        with pytest.raises(TimeoutError):
            again.result(0.5)
        turn.commit()
        withdrawn.result(10)
        again.result(10)


def test_listing_by_an_old_snapshot_is_refused(story):
    """A repeatable read that began before the answer was taken back would still see it."""
    with transaction(story.engine, ENGINE) as session:
        certificate = make_certificate(session, session.get_one(Plot, story.first), now=NOW)
    with story.old_snapshot() as old:
        with transaction(story.engine, ENGINE) as session:
            story.say_no(session, story.first)
        with pytest.raises(DBAPIError, match="committed now"):
            old.execute(LIST, story.row(certificate))


@pytest.mark.parametrize(
    "change",
    [
        LOSE_TITLE,
        "update plot set geom = st_translate(geom, 0.1, 0), revision = 2 where id = :plot",
        "delete from coverage_check where plot_id = :plot",
    ],
)
def test_ground_is_not_taken_away_by_an_old_snapshot(story, change):
    """A repeatable read that began before the listing would not see it."""
    with story.old_snapshot() as old:
        with story.as_office() as session:
            list_plot(session, story.first, story.gate, account_id=None, now=NOW)
        with pytest.raises(DBAPIError, match="committed now"):
            old.execute(text(change), {"plot": story.first, "office": story.office.organisation_id})


def test_checks_that_are_being_deleted_suspend_the_listing_made_meanwhile(story):
    def lists():
        with story.as_office() as session:
            list_plot(session, story.first, story.gate, account_id=None, now=NOW)

    with ThreadPoolExecutor() as pool, transaction(story.engine, ENGINE) as session:
        session.execute(text("delete from coverage_check where plot_id = :p"), {"p": story.first})
        listed = pool.submit(lists)
        with pytest.raises(TimeoutError):
            listed.result(1)
        session.commit()
        with pytest.raises(NotReady):
            listed.result(10)


def test_title_lost_while_the_plot_is_being_listed_is_refused(story):
    def lose():
        with story.as_office() as session:
            row = {"plot": story.first, "office": story.office.organisation_id}
            session.execute(text(LOSE_TITLE), row)

    with ThreadPoolExecutor() as pool, story.as_office() as session:
        list_plot(session, story.first, story.gate, account_id=None, now=NOW)
        losing = pool.submit(lose)
        with pytest.raises(TimeoutError):
            losing.result(1)
        session.commit()
        with pytest.raises(DBAPIError, match="on offer"):
            losing.result(10)


def test_certificate_that_expires_while_the_transaction_is_open_carries_nothing(story):
    with story.as_office() as session:
        plot = session.get_one(Plot, story.first)
        lasts = timedelta(days=story.gate.verdict_days)
        issued = datetime.now(UTC) - lasts + timedelta(seconds=1)
        certificate = make_certificate(session, plot, now=issued)
        session.execute(text("select pg_sleep(1.1)"))
        with pytest.raises(DBAPIError, match="no valid positive certificate"):
            session.execute(LIST, story.row(certificate))


def test_completing_works_and_answering_again_do_not_block_each_other(story):
    """Who answers holds the push and wants its works; who completes the works must not hold them and want the push."""
    with transaction(story.engine, ENGINE) as session:
        both = {
            "enterprise_id": story.power.organisation_id,
            "office_id": story.office.organisation_id,
        }
        made = Works(utility="power", title="x", starts_on=NOW.date(), made_at=NOW, **both)
        session.add(made)
        session.flush()
        works = made.id
        answer = session.scalar(select(Answer.id).where(Answer.push_id == story.push_id).limit(1))
        day = NOW.date()
        session.add(
            Commitment(
                answer_id=answer, works_id=works, plot_id=story.first, utility="power", first_on=day, due_on=day,
                made_at=NOW, **both,
            )
        )  # fmt: skip

    def completing():
        with transaction(story.engine, story.power) as session:
            own_works(session, works, lock=True)

    with ThreadPoolExecutor() as pool, transaction(story.engine, story.power) as session:
        own_push(session, story.push_id, lock=True)
        completed = pool.submit(completing)
        with pytest.raises(TimeoutError):
            completed.result(1)
        session.execute(text("set local lock_timeout = '1s'"))
        session.scalar(select(Works.id).where(Works.id == works).with_for_update(of=Works))
        session.commit()
        completed.result(10)


def lapse(story):
    with transaction(story.engine, ENGINE) as session:
        return [one.id for one in suspend_lapsed(session, story.gate, NOW + timedelta(days=1000))]


def test_suspending_by_the_product_does_not_wait_for_a_planner_who_has_the_plot(story):
    """The planner would wait for the turn that suspending holds: an exemption ended while its plot was being withdrawn."""
    with story.as_office() as session:
        listing = list_plot(session, story.first, story.gate, account_id=None, now=NOW)
    with ThreadPoolExecutor() as pool, story.as_office() as session:
        lock_plots(session, [story.first])
        assert pool.submit(lapse, story).result(10) == [listing.id]
        moved = move_listing(session, listing.id, "withdrawn", "撤回", story.gate, NOW)
    assert moved.state == "withdrawn"


def test_suspending_by_the_product_does_not_wait_for_an_engineer_who_has_the_push(story):
    """It tells the enterprise, by its push; who answers that holds the push and may be waiting for the turn."""
    with story.as_office() as session:
        listing = list_plot(session, story.first, story.gate, account_id=None, now=NOW)
    with ThreadPoolExecutor() as pool, transaction(story.engine, story.power) as session:
        own_push(session, story.push_id, lock=True)
        assert pool.submit(lapse, story).result(10) == [listing.id]
        session.execute(TAKE_TURN)


def test_remeasuring_takes_all_its_plots_before_it_measures(story, settings, monkeypatch):
    """Its rows suspend as they come, and then it has the turn: a later plot may be held by a planner who waits for that."""
    with transaction(story.engine, ENGINE) as session:
        power = session.get_one(Organisation, story.power.organisation_id)
        layer = make_layer(session, power, point(0, -50), current=True).id
    begun = threading.Event()

    def measure(*given):
        begun.set()
        return measuring.measure(*given)

    def remeasured():
        with transaction(story.engine, ENGINE) as session:
            return remeasuring.remeasure(session, settings, layer, NOW)

    monkeypatch.setattr(remeasuring, "measure", measure)
    with ThreadPoolExecutor() as pool, story.as_office() as session:
        lock_plots(session, [story.second])
        waiting = pool.submit(remeasured)
        assert not begun.wait(1)
        session.execute(TAKE_TURN)
        session.commit()
        assert waiting.result(20) == [story.first, story.second]
