"""The rule of the gate: pure, so no database."""

from dataclasses import replace
from datetime import date, timedelta
from math import inf, nan

import pytest

from landready.answers import AnswerVerdict
from landready.facts import (
    Overlapping,
    Said,
)
from landready.readiness import readiness
from landready.utilities import Utility
from tests.landready.judging import (
    CHECK,
    GATE,
    HELD,
    MAIN,
    READY,
    STRICT,
    TITLE,
    TODAY,
    asked,
    codes,
    facts,
)


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
    (blocker,) = readiness(facts(water=said), GATE, TODAY).blockers
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
        (Said(AnswerVerdict.NOT_POSSIBLE, 1, reason="x"), "not_possible"),
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


def test_blocker_says_in_numbers_what_is_near_what_it_can_give_what_is_needed_and_who_closes_it():
    said = Said(AnswerVerdict.READY_BY, 1, ready_by=date(2027, 6, 30), works="DN300 管 700 m")
    (blocker,) = readiness(facts(water=said), GATE, TODAY).blockers
    assert blocker.code == "too_far"
    assert [one.message for one in blocker.details] == [
        "最近“海榆路干管” 640 m，DN200（2026-02-02 测算，28 天前）。",
        "登记余量 300 m³/d（2026-01-01，60 天前）。",
        "需要 400–450 m³/d。",
        "水务公司承诺 2027-06-30 前完工可解决：DN300 管 700 m。",
    ]
    assert blocker.nearest_m == 640.0


def test_nothing_within_reach_is_said_with_the_radius():
    said = Said(AnswerVerdict.NOT_POSSIBLE, 1, reason="x")
    none = {**dict.fromkeys(Utility, CHECK), Utility.WATER: replace(CHECK, nearest=None)}
    (blocker,) = readiness(facts(water=said, measured=none), GATE, TODAY).blockers
    assert blocker.details[0].message == "2,000 m 以内没有设施（2026-02-02 测算）。"


@pytest.mark.parametrize(
    ("check", "code"),
    [
        (None, "not_measured"),
        (replace(CHECK, plot_revision=2), "check_revised"),
        (replace(CHECK, served_share=nan), "check_broken"),
        (replace(CHECK, served_share=None), "check_broken"),
        (replace(CHECK, radius_m=-1.0), "check_broken"),
        (replace(CHECK, nearest=replace(MAIN, distance_m=-0.5)), "check_broken"),
        (replace(CHECK, nearest=replace(MAIN, distance_m=inf)), "check_broken"),
        (replace(CHECK, nearest=replace(MAIN, distance_m=None)), "check_broken"),
        (replace(CHECK, measured_on=TODAY + timedelta(1)), "check_broken"),
        (replace(CHECK, measured_on=TODAY - timedelta(366)), "check_stale"),
    ],
)
def test_check_that_is_missing_broken_or_old_blocks(check, code):
    measured = {u: CHECK for u in Utility if u != "water"}
    if check:
        measured[Utility.WATER] = check
    found = readiness(facts(measured=measured), GATE, TODAY)
    assert codes(found) == {(Utility.WATER, code)}


def test_check_holds_to_the_last_day():
    old = replace(CHECK, measured_on=TODAY - timedelta(365))
    assert readiness(facts(measured=dict.fromkeys(Utility, old)), GATE, TODAY).may_list


def test_broken_check_of_a_utility_that_only_warns_warns():
    measured = {u: CHECK for u in Utility if u != "gas"}
    found = readiness(facts(measured=measured), GATE, TODAY)
    assert found.may_list
    assert (Utility.GAS, "not_measured") in {(w.utility, w.code) for w in found.warnings}


@pytest.mark.parametrize(
    ("title", "code"),
    [
        (None, "title_missing"),
        (replace(TITLE, clear=False, note="有抵押"), "title_unclear"),
        (replace(TITLE, plot_revision=2), "title_revised"),
        (replace(TITLE, document=" "), "title_document"),
        (replace(TITLE, document_date=TODAY + timedelta(1)), "title_document"),
    ],
)
def test_land_that_is_not_clear_blocks(title, code):
    assert codes(readiness(facts(title=title), GATE, TODAY)) == {(None, code)}


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("listed", "overlap"),
        ("suspended", "overlap"),
        ("sold", "overlap"),
        ("planned", "overlap_plan"),
    ],
)
def test_land_of_another_plot_blocks_with_its_area(state, code):
    other = Overlapping("P-9", "2025 计划", state, 12.34)
    (blocker,) = readiness(facts(overlaps=(other,)), GATE, TODAY).blockers
    assert (blocker.code, blocker.params["area"]) == (code, "12.3")


@pytest.mark.parametrize(
    ("reserved", "code"),
    [
        (HELD, None),
        (replace(HELD, total=1000.0), None),
        (replace(HELD, expires_on=TODAY), None),
        (replace(HELD, total=1000.1), "reservation_over"),
        (replace(HELD, total=1000.1, exception="有备用泵"), None),
        (replace(HELD, total=1000.1, spare=None), None),
        (replace(HELD, total=nan), "reservation_broken"),
        (replace(HELD, state="released"), "reservation_gone"),
        (replace(HELD, expires_on=TODAY - timedelta(1)), "reservation_gone"),
    ],
)
def test_capacity_under_an_answer_blocks_or_warns_as_the_rules_say(reserved, code):
    said = replace(READY, answer_id=7)
    wanted = {(Utility.WATER, code)} if code else set()
    lenient = readiness(facts(water=said, reserved=(reserved,)), GATE, TODAY)
    assert lenient.may_list
    assert {(w.utility, w.code) for w in lenient.warnings if w.utility == "water"} == wanted
    assert codes(readiness(facts(water=said, reserved=(reserved,)), STRICT, TODAY)) == wanted


def test_another_answer_with_its_capacity_is_enough():
    two = (asked(replace(READY, answer_id=7), "甲"), asked(replace(READY, answer_id=8), "乙"))
    who = {Utility.WATER: two, Utility.POWER: (asked(READY),)}
    gone = replace(HELD, state="released")
    assert readiness(facts(asked=who, reserved=(gone,)), STRICT, TODAY).may_list


def test_input_that_failed_is_a_no_with_its_name():
    found = readiness(facts(failed={"title": "OperationalError"}, title=None), GATE, TODAY)
    (blocker,) = found.blockers
    assert blocker.code == "input_failed"
    assert "OperationalError" in blocker.message


def test_judging_that_breaks_is_a_no():
    found = readiness(facts(measured={Utility.WATER: 3}), GATE, TODAY)
    assert not found.may_list
    assert {b.code for b in found.blockers} == {"input_failed"}


def test_without_rules_nothing_is_listed():
    assert {b.code for b in readiness(facts(), None, TODAY).blockers} == {"no_rules"}
