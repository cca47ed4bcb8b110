"""Release: measured, put to everyone concerned and told to the outbox, all in one transaction."""

import json
import threading
from datetime import date

import pytest
from sqlalchemy import func, select

from landready.checks import Check
from landready.concerned import Reason
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, Invalid, NotFound
from landready.outbox import OutboxEvent
from landready.plans import SupplyPlan
from landready.pushes import Push, PushPlot
from landready.release import release
from landready.utilities import Utility
from tests import factories as make
from tests.factories import point, square


@pytest.fixture
def office(database):
    with transaction(database, ENGINE) as session:
        return make.make_office(session, name="海口市自然资源和规划局")


def as_office(office):
    return Actor(Role.OFFICE, office.id, None, office.city)


def as_enterprise(enterprise):
    return Actor(Role.ENTERPRISE, enterprise.id, None, enterprise.city)


def released(database, settings, office, plan):
    with transaction(database, as_office(office)) as session:
        return release(session, settings, plan.id, make.NOW, None)


def reasons(receipt, enterprise):
    found = [a for a in (*receipt.asked, *receipt.not_asked) if a.enterprise_id == enterprise.id]
    return {(a.utility.value, a.reason, len(a.plots)) for a in found}


def area(session, enterprise, shape, **given):
    return make.make_layer(session, enterprise, shape, kind="service_areas", **given)


def test_enterprise_whose_area_touches_is_asked_about_the_plots_it_touches(
    database, settings, office
):
    with transaction(database, ENGINE) as session:
        water = make.make_enterprise(session, "water")
        neighbour = make.make_enterprise(session, "water", city=make.SANYA)
        area(session, water, square(-50, -50, 200))
        area(session, neighbour, square(190, -50, 200))
        plan = make.make_plan(session, office, plots=2)
    receipt = released(database, settings, office, plan)
    assert reasons(receipt, water) == {("water", Reason.SERVES, 1)}
    assert reasons(receipt, neighbour) == {("water", Reason.SERVES, 1)}
    with transaction(database, ENGINE) as session:
        asked = [
            tuple(r) for r in session.execute(select(PushPlot.enterprise_id, PushPlot.plot_id))
        ]
    assert set(asked) == {(water.id, plan.plots[0].id), (neighbour.id, plan.plots[1].id)}


def test_enterprise_of_the_city_without_a_map_is_asked_about_every_plot(database, settings, office):
    with transaction(database, ENGINE) as session:
        water = make.make_enterprise(session, "water")
        silent = make.make_enterprise(session, "water", "drainage")
        province = make.make_enterprise(session, "telecom", city="")
        elsewhere = make.make_enterprise(session, "water", city=make.SANYA)
        area(session, water, square(-500, -500, 2000))
        plan = make.make_plan(session, office, plots=2)
    receipt = released(database, settings, office, plan)
    assert reasons(receipt, silent) == {
        ("water", Reason.NO_MAP, 2),
        ("drainage", Reason.NO_MAP, 2),
    }
    assert reasons(receipt, province) == {("telecom", Reason.NO_MAP, 2)}
    assert reasons(receipt, elsewhere) == set()
    assert len(receipt.pushes) == 3


def test_enterprise_that_serves_elsewhere_is_not_asked_and_the_receipt_says_so(
    database, settings, office
):
    with transaction(database, ENGINE) as session:
        here, there = make.make_enterprise(session, "gas"), make.make_enterprise(session, "gas")
        area(session, here, square(-500, -500, 2000))
        area(session, there, square(20_000, 20_000, 500))
        plan = make.make_plan(session, office, plots=1)
    receipt = released(database, settings, office, plan)
    assert [a.enterprise_id for a in receipt.asked] == [here.id]
    assert [(a.enterprise_id, a.reason) for a in receipt.not_asked] == [
        (there.id, Reason.ELSEWHERE)
    ]


def test_plot_outside_every_area_is_put_to_all_enterprises_of_the_city(database, settings, office):
    with transaction(database, ENGINE) as session:
        one, two = make.make_enterprise(session, "gas"), make.make_enterprise(session, "gas")
        area(session, one, square(-50, -50, 180))
        area(session, two, square(20_000, 20_000, 500))
        plan = make.make_plan(session, office, plots=2)
    receipt = released(database, settings, office, plan)
    assert reasons(receipt, one) == {("gas", Reason.SERVES, 1), ("gas", Reason.BEYOND_ALL, 1)}
    assert reasons(receipt, two) == {("gas", Reason.BEYOND_ALL, 1)}


def test_utilities_without_any_enterprise_are_named(database, settings, office):
    with transaction(database, ENGINE) as session:
        make.make_enterprise(session, "water", "power")
        plan = make.make_plan(session, office, plots=1)
    receipt = released(database, settings, office, plan)
    assert receipt.nobody == (
        Utility.DRAINAGE, Utility.GAS, Utility.TELECOM, Utility.CABLE_TV,
    )  # fmt: skip


def test_one_push_per_enterprise_with_the_clock_of_its_answer(database, settings, office):
    with transaction(database, ENGINE) as session:
        make.make_enterprise(session, "water", "drainage")
        plan = make.make_plan(session, office, plots=3)
    receipt = released(database, settings, office, plan)
    assert receipt.due_on == date(2026, 3, 9)  # five working days after Monday the 2nd
    with transaction(database, ENGINE) as session:
        (push,) = session.scalars(select(Push)).all()
        assert (push.uid, push.due_on, push.pushed_at) == (
            receipt.pushes[0], receipt.due_on, make.NOW,
        )  # fmt: skip
        assert session.scalar(select(func.count(PushPlot.id))) == 6


def test_event_tells_an_enterprise_its_own_network_and_never_anothers(database, settings, office):
    with transaction(database, ENGINE) as session:
        ours, theirs = (
            make.make_enterprise(session, "water"),
            make.make_enterprise(session, "water"),
        )
        make.make_layer(session, ours, point(150, 50), title="ours", spare_capacity=3)
        make.make_layer(session, theirs, point(120, 50), title="secret")
        area(session, ours, square(-10, -10, 60))
        plan = make.make_plan(session, office, plots=1)
    receipt = released(database, settings, office, plan)
    with transaction(database, ENGINE) as session:
        events = {e.enterprise_id: e for e in session.scalars(select(OutboxEvent))}
    assert set(events) == {ours.id, theirs.id}
    message = json.loads(events[ours.id].body)
    assert message["type"] == "plan.released"
    data = message["data"]
    assert data["push"] in {str(uid) for uid in receipt.pushes}
    assert data["portal_path"] == f"/pushes/{events[ours.id].push_id}"
    assert (data["office"]["name"], data["due_on"]) == (office.name, "2026-03-09")
    (plot,) = data["plots"]
    assert plot["boundary"]["type"] == "MultiPolygon"
    assert (plot["use"], plot["area_m2"], plot["plot_ratio"]) == ("二类工业用地", 10_000, "≤1.0")
    (own,) = plot["asked"]
    assert own["utility"] == "water"
    assert own["served_share"] == pytest.approx(0.25, abs=0.01)
    assert [(n["name"], round(n["distance_m"]), n["spare_capacity"]) for n in own["nearest"]] == [
        ("ours 1", 50, 3)
    ]
    assert b"secret" not in events[ours.id].body
    assert b"secret" in events[theirs.id].body


def test_second_release_is_a_conflict_and_changes_nothing(database, settings, office):
    with transaction(database, ENGINE) as session:
        make.make_enterprise(session, "water")
        plan = make.make_plan(session, office, plots=1)
    released(database, settings, office, plan)
    with pytest.raises(Conflict):
        released(database, settings, office, plan)
    with transaction(database, ENGINE) as session:
        assert session.scalar(select(func.count(Push.id))) == 1
        assert session.scalar(select(func.count(OutboxEvent.id))) == 1
        assert session.scalar(select(func.count(Check.id))) == 6


def test_two_releases_at_once_make_one(database, settings, office):
    with transaction(database, ENGINE) as session:
        make.make_enterprise(session, "water")
        plan = make.make_plan(session, office, plots=1)
    outcomes = []

    def run():
        try:
            outcomes.append(released(database, settings, office, plan).plan_id)
        except Conflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(str, outcomes)) == sorted([str(plan.id)] + ["conflict"] * 3)


def test_plan_with_an_error_is_not_released(database, settings, office):
    fault = {
        "stage": "reading", "code": "geometry_missing", "severity": "error", "text": "x",
        "params": {}, "row": 2, "where": "", "place": None,
    }  # fmt: skip
    with transaction(database, ENGINE) as session:
        upload = make.make_upload(session, office, problems=[fault])
        broken = make.make_plan(session, office, upload=upload, plots=1)
        empty = make.make_plan(session, office)
    for plan, code in ((broken, "geometry_missing"), (empty, "plan_empty")):
        with pytest.raises(Invalid) as refused:
            released(database, settings, office, plan)
        assert [p.code for p in refused.value.problems] == [code]
    with transaction(database, ENGINE) as session:
        assert set(session.scalars(select(SupplyPlan.state))) == {"draft"}


def test_failure_half_way_releases_nothing(database, settings, office):
    with transaction(database, ENGINE) as session:
        make.make_enterprise(session, "water")
        plan = make.make_plan(session, office, plots=1)

    def release_then_fail():
        with transaction(database, as_office(office)) as session:
            release(session, settings, plan.id, make.NOW, None)
            raise RuntimeError("the power goes out")

    with pytest.raises(RuntimeError):
        release_then_fail()
    with transaction(database, ENGINE) as session:
        assert session.get_one(SupplyPlan, plan.id).state == "draft"
        for model in (Push, PushPlot, Check, OutboxEvent):
            assert session.scalar(select(func.count(model.id))) == 0


def test_plan_of_another_office_or_none_is_not_found(database, settings, office):
    with transaction(database, ENGINE) as session:
        other = make.make_office(session)
        enterprise = make.make_enterprise(session)
        plan = make.make_plan(session, office, plots=1)
    for actor in (as_office(other), as_enterprise(enterprise), Actor(Role.SUPERVISOR)):
        with transaction(database, actor) as session, pytest.raises(NotFound):
            release(session, settings, plan.id, make.NOW, None)
    with transaction(database, as_office(office)) as session, pytest.raises(NotFound):
        release(session, settings, plan.id + 1000, make.NOW, None)
