"""What stands in for a late answer: a computed finding that opens no gate, and a mark that everybody sees."""

from datetime import date, timedelta

import pytest
from sqlalchemy import Engine

from landready import provisional
from landready.checks import Check, NearFacility
from landready.db import ENGINE, PUBLIC, transaction
from landready.gate import readiness_of
from landready.measuring import measure
from landready.progress import plot_lines
from landready.provisional import Finding
from landready.settings import Settings
from tests.factories import (
    NOW,
    make_answer,
    make_enterprise,
    make_layer,
    make_plan,
    make_push,
    point,
)

DUE = date(2026, 3, 9)
LATER = NOW + timedelta(days=9)


@pytest.mark.parametrize(
    ("near", "found"),
    [
        ([(50, None)], Finding.CLOSE),
        ([(100, 5)], Finding.CLOSE),
        ([(50, 0)], Finding.WORKS),
        ([(50, 0), (80, 1)], Finding.CLOSE),
        ([(101, 9)], Finding.WORKS),
        ([], Finding.NOTHING),
    ],
)
def test_a_check_finds(settings: Settings, near, found) -> None:
    facilities = [NearFacility(distance_m=m, spare_capacity=spare) for m, spare in near]
    assert provisional.finding(Check(facilities=facilities), settings.check) is found


def test_what_was_not_measured_is_not_known(settings: Settings) -> None:
    assert provisional.finding(None, settings.check) is Finding.UNKNOWN


def test_only_late_answers_have_a_finding_and_it_opens_no_gate(
    database: Engine, settings: Settings
) -> None:
    with transaction(database, ENGINE) as session:
        water, power = make_enterprise(session, "water"), make_enterprise(session, "power")
        plan = make_plan(session, plots=1, state="released")
        make_layer(session, water, point(50, -20))
        make_push(session, plan, water, due_on=DUE)
        make_answer(session, make_push(session, plan, power, due_on=DUE))
        measure(session, settings, plan.plots, NOW)
        plot = plan.plots[0]
        for moment, expected in ((NOW, {}), (LATER, {(plot.id, "water"): Finding.CLOSE})):
            lines = plot_lines(session, plan.plots, settings.gate, moment)
            assert provisional.findings(session, lines, settings.check) == expected
        assert not readiness_of(session, [plot.id], settings.gate, LATER)[plot.id].may_list


def test_everybody_sees_who_is_late_about_a_plot(database: Engine, settings: Settings) -> None:
    with transaction(database, ENGINE) as session:
        water, gas = make_enterprise(session, "water"), make_enterprise(session, "gas", name="燃气")
        plan = make_plan(session, plots=1, state="released")
        make_answer(session, make_push(session, plan, water, due_on=DUE))
        make_push(session, plan, gas, due_on=DUE)
        measure(session, settings, plan.plots, NOW)
        plot_id = plan.plots[0].id
    with transaction(database, PUBLIC) as session:
        assert provisional.late_marks(session, plot_id, settings.check, DUE) == []
        (mark,) = provisional.late_marks(session, plot_id, settings.check, DUE + timedelta(days=1))
    assert (mark.utility, mark.enterprise, mark.finding) == ("gas", "燃气", Finding.NOTHING)
