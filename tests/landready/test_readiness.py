"""The rule of the gate: pure, so no database."""

from datetime import date, timedelta

import pytest

from landready.answers import AnswerVerdict
from landready.readiness import Asked, Measured, PlotFacts, Said, readiness
from landready.settings import load
from landready.utilities import Utility

GATE = load(env={}).gate
TODAY = date(2026, 3, 2)
READY = Said(AnswerVerdict.READY, plot_revision=1)


def asked(answer: Said | None, enterprise: str = "水务公司", due: date = date(2026, 3, 9)) -> Asked:
    return Asked(enterprise, due, answer)


def facts(water: Said | None = READY, power: Said | None = READY, **given) -> PlotFacts:
    who = {Utility.WATER: (asked(water),), Utility.POWER: (asked(power, "电网公司"),)}
    return PlotFacts(**{"revision": 1, "released": True, "asked": who, **given})


def codes(found) -> set[tuple[Utility | None, str]]:
    return {(b.utility, b.code) for b in found.blockers}


def test_plot_with_water_and_power_may_be_listed():
    assert readiness(facts(), GATE, TODAY).may_list


def test_plot_without_water_cannot_be_listed():
    found = readiness(facts(water=None), GATE, TODAY)
    assert not found.may_list
    assert codes(found) == {(Utility.WATER, "unanswered")}


def test_every_blocker_is_named_not_only_the_first():
    found = readiness(facts(water=None, power=None, released=False), GATE, TODAY)
    assert codes(found) == {
        (None, "plan_not_released"),
        (Utility.WATER, "unanswered"),
        (Utility.POWER, "unanswered"),
    }


def test_blocker_names_utility_enterprise_reason_and_source():
    said = Said(AnswerVerdict.NOT_POSSIBLE, 1, reason="水厂满负荷")
    measured = {Utility.WATER: Measured(640.0, 1.0)}
    (blocker,) = readiness(facts(water=said, measured=measured), GATE, TODAY).blockers
    assert (blocker.utility, blocker.enterprise) == (Utility.WATER, "水务公司")
    assert "水厂满负荷" in blocker.message
    assert "五(八)" in blocker.source
    assert blocker.nearest_m == 640.0


def test_utility_nobody_was_asked_about_blocks():
    found = readiness(facts(asked={Utility.POWER: (asked(READY),)}), GATE, TODAY)
    assert codes(found) == {(Utility.WATER, "nobody_asked")}


def test_one_positive_answer_of_several_enterprises_is_enough():
    two = (asked(Said(AnswerVerdict.NOT_POSSIBLE, 1, reason="x"), "甲"), asked(READY, "乙"))
    who = {Utility.WATER: two, Utility.POWER: (asked(READY),)}
    assert readiness(facts(asked=who), GATE, TODAY).may_list


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (Said(AnswerVerdict.NOT_CONCERNED, 1), "not_concerned"),
        (Said(AnswerVerdict.READY, 1, valid_until=TODAY - timedelta(1)), "expired"),
        (Said(AnswerVerdict.READY, 2), "revised"),
        (Said(AnswerVerdict.READY_BY, 1, ready_by=TODAY - timedelta(1)), "missed"),
        (Said(AnswerVerdict.READY_BY, 1, ready_by=TODAY + timedelta(366)), "too_far"),
        (Said(AnswerVerdict.READY_BY, 1), "no_date"),
    ],
)
def test_answer_that_does_not_hold_blocks(said, code):
    assert codes(readiness(facts(water=said), GATE, TODAY)) == {(Utility.WATER, code)}


@pytest.mark.parametrize(
    "said",
    [
        Said(AnswerVerdict.READY, 1, valid_until=TODAY),
        Said(AnswerVerdict.READY_BY, 1, ready_by=TODAY),
        Said(AnswerVerdict.READY_BY, 1, ready_by=TODAY + timedelta(365)),
    ],
)
def test_answer_holds_to_the_last_day(said):
    assert readiness(facts(water=said), GATE, TODAY).may_list


def test_silence_past_the_deadline_is_late_and_still_no():
    found = readiness(facts(water=None), GATE, date(2026, 3, 10))
    assert codes(found) == {(Utility.WATER, "late")}


def test_other_utilities_warn_and_do_not_block():
    found = readiness(facts(), GATE, TODAY)
    assert {w.utility for w in found.warnings} == {
        Utility.DRAINAGE,
        Utility.GAS,
        Utility.TELECOM,
        Utility.CABLE_TV,
    }
