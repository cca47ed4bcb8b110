"""Each input of the gate made to raise, time out, return nothing or nonsense, or be old: nothing is listed, and it is said why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from landready import gate as gate_module
from landready import plot_facts, rule_book
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import NotReady
from landready.gate import list_plot
from landready.listings import Listing
from landready.suspending import suspend_lapsed
from tests.factories import make_answer, make_enterprise, make_office, make_plan, make_push

NOW = datetime.now(UTC)
NAN = float("nan")


@pytest.fixture(scope="module")
def ready(settings, engine, wipe):
    """Two plots that lack nothing, one on offer; nothing below changes what is stored."""
    wipe()
    with transaction(engine, ENGINE) as session:
        office = make_office(session)
        plan = make_plan(session, office, plots=2, state="released")
        for utility in ("water", "power"):
            push = make_push(session, plan, make_enterprise(session, utility), pushed_at=NOW)
            for plot in plan.plots:
                make_answer(session, push, plot=plot, answered_at=NOW)
        ids = [plot.id for plot in plan.plots]
    actor = Actor(Role.OFFICE, office.id, None, office.city)
    with transaction(engine, actor) as session:
        list_plot(session, ids[1], settings.gate, account_id=None, now=NOW)
    return ids, actor


def raising(*_given):
    raise RuntimeError("broken")


def too_late(session, *_given):
    session.execute(text("set local statement_timeout = 20"))
    session.execute(text("select pg_sleep(1)"))


def broken_in_the_database(session, *_given):
    session.execute(text("select 1 / 0"))


WAYS = {
    "raises": raising,
    "times out": too_late,
    "is refused by the database": broken_in_the_database,
    "gives nothing": lambda *_: None,
    "gives nothing of this plot": lambda *_: {},
    "gives what is no fact": lambda _s, ids, _n: dict.fromkeys(ids, NAN),
}


def refused(engine, settings, ready, now=NOW):
    """Try to list, in whatever way a person can; the codes of what is said. What is on offer goes off it."""
    (plot, offered), actor = ready
    with pytest.raises(NotReady) as no, transaction(engine, actor) as session:
        list_plot(session, plot, settings.gate, account_id=None, now=now)
    with transaction(engine, ENGINE) as session:
        assert [x.plot_id for x in suspend_lapsed(session, settings.gate, now)] == [offered]
        session.rollback()
    with transaction(engine, ENGINE) as session:
        assert session.scalars(select(Listing.plot_id)).all() == [offered]
    return {b.code for b in no.value.blockers}


# Of the calendar only that it can be read matters to a verdict; what it says is frozen in the certificate.
BROKEN = [
    (name, way)
    for name in plot_facts.INPUTS
    for way in WAYS
    if (name, way) != ("calendar", "gives what is no fact")
]


@pytest.mark.parametrize(("name", "way"), BROKEN)
def test_input_that_is_broken_lists_nothing(settings, engine, ready, monkeypatch, name, way):
    field, _ = plot_facts.INPUTS[name]
    monkeypatch.setitem(plot_facts.INPUTS, name, (field, WAYS[way]))
    assert refused(engine, settings, ready) & {"input_failed"}


@pytest.mark.parametrize("way", ["raises", "times out", "is refused by the database"])
def test_plot_that_cannot_be_read_lists_nothing(settings, engine, ready, monkeypatch, way):
    monkeypatch.setattr(plot_facts, "_plots", WAYS[way])
    assert "input_failed" in refused(engine, settings, ready)


@pytest.mark.parametrize("way", ["raises", "times out", "gives nothing"])
def test_rules_that_cannot_be_read_list_nothing(settings, engine, ready, monkeypatch, way):
    monkeypatch.setattr(rule_book, "exemptions", WAYS[way])
    assert "input_failed" in refused(engine, settings, ready)


def test_rules_that_have_not_begun_list_nothing(settings, engine, ready):
    later = settings.gate.model_copy(update={"start": (NOW + timedelta(9)).date()})
    changed = settings.model_copy(update={"gate": later})
    assert refused(engine, changed, ready) == {"no_rules"}


@pytest.mark.parametrize("value", [None, NAN, -1.0, float("inf"), "x"])
@pytest.mark.parametrize("field", ["served_share", "radius_m"])
def test_check_without_sound_numbers_lists_nothing(
    settings, engine, ready, monkeypatch, field, value
):
    """Through the whole gate: whatever stands in a column, it is no yes."""
    source, read = plot_facts.INPUTS["checks"]

    def broken(*given):
        found = read(*given)
        return {
            i: {u: replace(m, **{field: value}) for u, m in x.items()} for i, x in found.items()
        }

    monkeypatch.setitem(plot_facts.INPUTS, "checks", (source, broken))
    assert refused(engine, settings, ready) & {"check_broken", "input_failed"}


def test_check_that_is_old_lists_nothing(settings, engine, ready):
    """A year on also the certificate is."""
    assert "check_stale" in refused(engine, settings, ready, NOW + timedelta(367))


def test_judging_that_raises_lists_nothing(settings, engine, ready, monkeypatch):
    monkeypatch.setattr("landready.readiness.holds", raising)
    assert refused(engine, settings, ready) == {"input_failed"}


@pytest.mark.parametrize("broken", ["calendar", "issue"])
def test_certificate_that_cannot_be_made_lists_nothing(
    settings, engine, ready, monkeypatch, broken
):
    (plot, _), actor = ready
    where = plot_facts if broken == "calendar" else gate_module.certificates
    if broken == "calendar":
        monkeypatch.setitem(
            plot_facts.INPUTS, "calendar", ("", lambda _s, ids, _n: dict.fromkeys(ids, 1))
        )
    monkeypatch.setattr(where, broken, raising)
    with pytest.raises(RuntimeError), transaction(engine, actor) as session:
        list_plot(session, plot, settings.gate, account_id=None, now=NOW)
    with transaction(engine, ENGINE) as session:
        assert len(session.scalars(select(Listing)).all()) == 1


def test_database_that_goes_away_lists_nothing(settings, engine, ready, monkeypatch):
    def gone(*_given):
        raise OperationalError("select", {}, Exception("server closed the connection"))

    monkeypatch.setattr(gate_module, "_missing", gone)
    (plot, _), actor = ready
    with pytest.raises(OperationalError), transaction(engine, actor) as session:
        list_plot(session, plot, settings.gate, account_id=None, now=NOW)
    with transaction(engine, ENGINE) as session:
        assert len(session.scalars(select(Listing)).all()) == 1
