"""Answers and listings at the same moment: no listing rests on an answer that was taken back meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import NotReady
from landready.gate import list_plot, move_listing
from landready.listings import Listing
from landready.planner import list_plots
from landready.plans import Plot
from landready.pushes import Push
from landready.suspending import suspend_lapsed
from tests.factories import make_answer, make_enterprise, make_office, make_plan, make_push

NOW = datetime.now(UTC)


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
            self.first, self.second = (plot.id for plot in plan.plots)
            self.office = Actor(Role.OFFICE, office.id, None, office.city)

    def as_office(self):
        return transaction(self.engine, self.office)

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
