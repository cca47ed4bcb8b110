"""The rule of the gate: pure, so no database."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import inf, nan

import pytest

from landready.answers import AnswerVerdict
from landready.facts import (
    Asked,
    Measured,
    Near,
    Overlapping,
    PlotFacts,
    Reserved,
    Said,
    Title,
)
from landready.frozen import (
    FIRST,
    Calendar,
    FrozenPlot,
    NotACertificate,
    Place,
    canonical,
    freeze,
    thaw,
)
from landready.readiness import readiness
from landready.rule_sets import Exemption, Requirement, in_force
from landready.settings import ROOT, load
from landready.utilities import Utility

GATE = load(env={}).gate.all()[0]
TODAY = date(2026, 3, 2)
READY = Said(AnswerVerdict.READY, plot_revision=1)


def asked(answer: Said | None, enterprise: str = "水务公司", due: date = date(2026, 3, 9)) -> Asked:
    return Asked(enterprise, due, answer)


MAIN = Near("海榆路干管", 640.0, {"管径": "DN200"}, spare=300.0, spare_on=date(2026, 1, 1))
CHECK = Measured(1, date(2026, 2, 2), 1.0, 2000.0, MAIN, 400.0, 450.0, "m³/d")
TITLE = Title(True, 1, "净地证明〔2026〕1号", date(2026, 1, 5))


def facts(water: Said | None = READY, power: Said | None = READY, **given) -> PlotFacts:
    who = {Utility.WATER: (asked(water),), Utility.POWER: (asked(power, "电网公司"),)}
    usual = {
        "revision": 1,
        "released": True,
        "asked": who,
        "measured": dict.fromkeys(Utility, CHECK),
        "title": TITLE,
    }
    return PlotFacts(**{**usual, **given})


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


HELD = Reserved(Utility.WATER, 1, 7, "泵站", "held", date(2026, 9, 1), 450.0, 800.0, 1000.0)


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
    strict = GATE.model_copy(update={"capacity": Requirement(effect="block", source="x")})
    assert codes(readiness(facts(water=said, reserved=(reserved,)), strict, TODAY)) == wanted


def test_another_answer_with_its_capacity_is_enough():
    strict = GATE.model_copy(update={"capacity": Requirement(effect="block", source="x")})
    two = (asked(replace(READY, answer_id=7), "甲"), asked(replace(READY, answer_id=8), "乙"))
    who = {Utility.WATER: two, Utility.POWER: (asked(READY),)}
    gone = replace(HELD, state="released")
    assert readiness(facts(asked=who, reserved=(gone,)), strict, TODAY).may_list


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


# --- rule sets -----------------------------------------------------------------------------------------------------

CITY = "460100"
LATER = GATE.model_copy(update={"version": "later", "start": date(2026, 3, 1)})
LOCAL = GATE.model_copy(update={"version": "local", "city": CITY, "start": date(2026, 1, 1)})
FUTURE = GATE.model_copy(update={"version": "future", "start": date(2026, 3, 3)})
EXEMPTION = Exemption(
    id=1, document="琼函〔2026〕3号", reason="抢险", issuer="省厅", issued_on=TODAY, lifts=("water",),
    city=CITY, start=TODAY, end=TODAY,
)  # fmt: skip


@pytest.mark.parametrize(
    ("city", "day", "version"),
    [
        (CITY, TODAY, "local"),
        ("460200", TODAY, "later"),
        ("460200", date(2026, 2, 1), "2024-1"),
        ("460200", date(2026, 3, 3), "future"),
        (CITY, date(2025, 12, 31), "2024-1"),
        (CITY, date(2024, 4, 30), None),
    ],
)
def test_rules_in_force_are_the_citys_own_then_the_latest_that_began(city, day, version):
    rules = in_force((GATE, LATER, LOCAL, FUTURE), (), city, 1, day)
    assert (rules.version if rules else None) == version


@pytest.mark.parametrize(
    ("change", "lifted"),
    [
        ({}, True),
        ({"plots": (1, 2)}, True),
        ({"plots": (2,)}, False),
        ({"city": "460200"}, False),
        ({"start": TODAY + timedelta(1), "end": TODAY + timedelta(1)}, False),
        ({"start": TODAY - timedelta(2), "end": TODAY - timedelta(1)}, False),
        ({"lifts": ("power",)}, False),
    ],
)
def test_exemption_lifts_what_it_names_where_and_while_it_holds(change, lifted):
    rules = in_force((GATE,), (EXEMPTION.model_copy(update=change),), CITY, 1, TODAY)
    found = readiness(facts(water=None), rules, TODAY)
    assert found.may_list is lifted
    if lifted:
        assert rules.cited == "2024-1 + 琼函〔2026〕3号"
        (warning,) = [w for w in found.warnings if w.utility == "water"]
        assert warning.source == "琼函〔2026〕3号"


def test_sets_of_the_configuration_take_what_they_leave_out_from_the_first(tmp_path):
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    own = """
[[gate.sets]]
city = "460100"
version = "460100-1"
from = 2026-01-01
[gate.sets.utilities]
drainage = { effect = "block", source = "市政府文件" }
"""
    path = tmp_path / "config.toml"
    path.write_text(
        text.replace("sets = []", "").replace("[clocks]", own + "[clocks]"), encoding="utf-8"
    )
    gate = load(path, env={}).gate
    (local,) = gate.sets
    assert local.requirement("drainage").effect == "block"
    assert local.requirement("water") == gate.requirement("water")
    assert [one.version for one in gate.all()] == ["2024-1", "460100-1"]


# --- frozen --------------------------------------------------------------------------------------------------------

PLACE = Place(
    CITY, 7, FIRST, datetime(2026, 3, 2, 2, tzinfo=UTC), datetime(2026, 5, 31, tzinfo=UTC)
)
PLOT = FrozenPlot(
    code="P-1", name="", revision=1, use="工业", area_m2=10_000.5, plot_ratio="", geometry={}, sha256="0" * 64,
)  # fmt: skip


def test_frozen_facts_come_back_and_are_judged_alike():
    said = Said(AnswerVerdict.READY_BY, 1, ready_by=date(2026, 12, 1), works="x", answer_id=7)
    rules = in_force((GATE,), (EXEMPTION,), CITY, 1, TODAY)
    given = facts(water=said, reserved=(HELD,), overlaps=(Overlapping("P-9", "x", "planned", 3.0),))
    found = readiness(given, rules, TODAY)
    calendar = Calendar(years=(2026,), sha256="0" * 64)
    body = canonical(freeze(PLACE, TODAY, PLOT, given, found, calendar))
    back = thaw(body)
    assert (back.place, back.day, back.facts, back.rules) == (PLACE, TODAY, given, rules)
    assert back.place.number == "460100-000007"
    assert back.holds
    looser = thaw(body.replace(b'"title":{"clear":true', b'"title":{"clear":false'))
    assert not looser.holds


@pytest.mark.parametrize("change", [(b'"', b" "), (b":1,", b":1.0,"), (b"{", b"{ "), (b"}", b"")])
def test_text_that_is_not_canonical_is_no_certificate(change):
    found = readiness(facts(), GATE, TODAY)
    calendar = Calendar(years=(2026,), sha256="0" * 64)
    body = canonical(freeze(PLACE, TODAY, PLOT, facts(), found, calendar))
    with pytest.raises(NotACertificate):
        thaw(body.replace(*change))
