"""The rule of the gate: pure, so no database."""

import hashlib
import json
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
    digest,
    freeze,
    thaw,
)
from landready.readiness import readiness
from landready.rule_sets import Exemption, Requirement, completed, in_force
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


STRICT = GATE.model_copy(update={"capacity": Requirement(effect="block", source="x")})
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


# --- words ---------------------------------------------------------------------------------------------------------

REVISED = {**dict.fromkeys(Utility, CHECK), Utility.WATER: replace(CHECK, plot_revision=2)}
AHEAD = {**dict.fromkeys(Utility, CHECK), Utility.WATER: replace(CHECK, measured_on=date(2026, 3, 3))}  # fmt: skip
STALE = {**dict.fromkeys(Utility, CHECK), Utility.WATER: replace(CHECK, measured_on=date(2025, 3, 1))}  # fmt: skip
UNMEASURED = {u: CHECK for u in Utility if u != "water"}


def lying_on(state: str, area: float | None = 1234.56) -> dict[str, object]:
    return {"overlaps": (Overlapping("P-9", "2025 计划", state, area),)}


def held(**change) -> dict[str, object]:
    return {"water": replace(READY, answer_id=7), "reserved": (replace(HELD, **change),)}


def said(verdict: AnswerVerdict, **given) -> dict[str, object]:
    return {"water": Said(verdict, **{"plot_revision": 1, **given})}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"released": False}, "供地计划尚未下发，企业还没有收到这个地块。"),
        ({"water": None}, "尚未答复，截止 2026-03-09。"),
        (said(AnswerVerdict.READY, plot_revision=2), "答复针对的是修改前的地块，需要重新答复。"),
        (said(AnswerVerdict.NOT_POSSIBLE, reason="满负荷"), "答复为无法接入：满负荷"),
        (said(AnswerVerdict.NOT_CONCERNED), "答复为不涉及，不能作为已具备条件。"),
        (
            said(AnswerVerdict.READY, valid_until=date(2026, 3, 1)),
            "答复已于 2026-03-01 失效，需要重新确认。",
        ),
        (said(AnswerVerdict.READY_BY), "承诺了建设，但没有写明完成日期。"),
        (
            said(AnswerVerdict.READY_BY, ready_by=date(2026, 3, 1)),
            "承诺 2026-03-01 前完成，已过期且没有确认完成。",
        ),
        (
            said(AnswerVerdict.READY_BY, ready_by=date(2027, 3, 3)),
            "承诺完成日期 2027-03-03 超过 365 天的期限。",
        ),
        (
            {"asked": {Utility.POWER: (asked(READY),)}},
            "没有企业被问到：服务边界没有覆盖这个地块，本市县也没有登记这项服务的企业。",
        ),
        ({"measured": UNMEASURED}, "没有测算过这项公用服务。"),
        ({"measured": REVISED}, "2026-02-02 的测算针对的是修改前的地块。"),
        ({"measured": AHEAD}, "2026-03-03 的测算结果不完整，需要重新测算。"),
        (
            {"measured": STALE},
            "测算已是 366 天前（2025-03-01），超过 365 天，需要重新测算。",
        ),
        ({"title": None}, "还没有声明净地：请填写权属清晰、无争议的依据文件。"),
        ({"title": replace(TITLE, document=" ")}, "净地依据文件缺失或日期不对。"),
        (
            {"title": replace(TITLE, clear=False, note="有抵押")},
            "土地权属有问题：有抵押（依据 净地证明〔2026〕1号，2026-01-05）。",
        ),
        (
            {"title": replace(TITLE, plot_revision=2)},
            "净地声明针对的是修改前的地块（依据 净地证明〔2026〕1号，2026-01-05），需要重新声明。",
        ),
        (lying_on("listed"), "与已上架地块“P-9”重叠 1,234.6 m²。"),
        (lying_on("suspended"), "与暂停上架的地块“P-9”重叠 1,234.6 m²。"),
        (lying_on("sold", None), "与已成交地块“P-9”重叠 — m²。"),
        (lying_on("planned", nan), "与先下发的供地计划“2025 计划”的地块“P-9”重叠 — m²。"),
        (held(state="released"), "在“泵站”预留的容量已经释放或到期，需要企业重新确认。"),
        (
            held(state="released", facility=""),
            "在“未命名设施”预留的容量已经释放或到期，需要企业重新确认。",
        ),
        (held(total=nan), "“泵站”的容量数据不完整。"),
        (held(total=1250.0), "“泵站”余量 1,000，连同先预留的共需 1,250，超出 250。"),
        (
            {"failed": {"checks": "OSError"}},
            "“接入条件测算”读取失败或数据不完整（OSError），按不具备条件处理。请联系系统管理员。",
        ),
        (
            {"failed": {"other": "OSError"}},
            "“other”读取失败或数据不完整（OSError），按不具备条件处理。请联系系统管理员。",
        ),
    ],
)
def test_every_no_says_in_words_what_is_missing(given, message):
    (blocker,) = readiness(facts(**given), STRICT, TODAY).blockers
    assert blocker.message == message
    # The parameters travel in the frozen certificate too: none is lost, none is left over from another sentence.
    assert all(isinstance(value, str) for value in blocker.params.values())


def test_frozen_sentences_keep_the_numbers_they_do_not_speak():
    found = readiness(facts(title=replace(TITLE, document=" ")), STRICT, TODAY)
    assert found.blockers[0].params == {"document": " ", "date": "2026-01-05"}


def test_deadline_holds_to_its_own_day_and_silence_is_late_after_it():
    for due, message in (
        (TODAY, "尚未答复，截止 2026-03-02。"),
        (TODAY - timedelta(1), "2026-03-01 到期，仍未答复。"),
    ):
        who = {Utility.WATER: (asked(None, due=due),), Utility.POWER: (asked(READY),)}
        (blocker,) = readiness(facts(asked=who), GATE, TODAY).blockers
        assert blocker.message == message


def test_without_rules_the_no_says_so():
    (blocker,) = readiness(facts(), None, TODAY).blockers
    assert blocker.message == "没有对这个地块生效的准入规则，不能上架。"


def test_judging_that_breaks_names_itself_the_fault_and_its_rules():
    found = readiness(facts(measured={Utility.WATER: 3}), GATE, TODAY)
    (blocker,) = found.blockers
    assert blocker.params == {"input": "准入判定", "fault": "AttributeError"}
    assert found.rules is GATE


@pytest.mark.parametrize(
    ("failed", "given"),
    [
        ("title", {"title": None}),
        ("overlaps", lying_on("listed")),
        ("overlaps", lying_on("planned")),
        ("answers", {"water": None}),
        ("checks", {"measured": {}}),
        ("reservations", held(state="released")),
    ],
)
def test_input_that_failed_is_told_once_and_not_judged_on_what_is_left_of_it(failed, given):
    found = readiness(facts(**given, failed={failed: "OSError"}), STRICT, TODAY)
    assert codes(found) == {(None, "input_failed")}
    assert not [w for w in found.warnings if w.utility == "water"]


def test_own_state_of_a_plot_blocks_or_warns_with_its_source_as_the_rules_say():
    (blocker,) = readiness(facts(title=None), GATE, TODAY).blockers
    assert blocker.source == GATE.title.source
    lenient = GATE.model_copy(update={"title": Requirement(effect="warn", source="文件")})
    found = readiness(facts(title=None), lenient, TODAY)
    assert found.may_list
    (warning,) = [w for w in found.warnings if w.utility is None]
    assert (warning.code, warning.source) == ("title_missing", "文件")


def test_documents_and_checks_of_today_count():
    check = dict.fromkeys(Utility, replace(CHECK, measured_on=TODAY))
    title = replace(TITLE, document_date=TODAY)
    assert readiness(facts(measured=check, title=title), GATE, TODAY).may_list


def test_every_overlap_is_named_whatever_stands_before_it():
    both = (
        Overlapping("P-8", "x", "planned", 1.0),
        Overlapping("P-9", "x", "listed", 1.0),
        Overlapping("P-10", "x", "planned", 1.0),
    )
    found = readiness(facts(overlaps=both), GATE, TODAY)
    assert [b.params["code"] for b in found.blockers] == ["P-9", "P-8", "P-10"]


def test_every_answer_without_its_capacity_is_named():
    two = (asked(replace(READY, answer_id=7), "甲"), asked(replace(READY, answer_id=8), "乙"))
    gone = (replace(HELD, state="released"), replace(HELD, state="released", answer_id=8))
    found = readiness(
        facts(asked={Utility.WATER: two, Utility.POWER: (asked(READY),)}, reserved=gone),
        STRICT,
        TODAY,
    )
    assert [b.enterprise for b in found.blockers] == ["甲", "乙"]


@pytest.mark.parametrize(
    ("total", "spare"),
    [(0.0, 0.5), (1000.0000004, 1000.0), (1000.0, 999.9999996), (1000.4, 1000.4)],
)
def test_capacity_is_compared_to_the_millionth(total, spare):
    assert readiness(facts(**held(total=total, spare=spare)), STRICT, TODAY).may_list


def test_details_say_what_is_not_known_too():
    def details(**change) -> list[str]:
        measured = {**dict.fromkeys(Utility, CHECK), Utility.WATER: replace(CHECK, **change)}
        (blocker,) = readiness(facts(water=None, measured=measured), GATE, TODAY).blockers
        return [one.message for one in blocker.details]

    near = "最近“海榆路干管” 640 m，DN200（2026-02-02 测算，28 天前）。"
    spare = "登记余量 300 m³/d（2026-01-01，60 天前）。"
    need = "需要 400–450 m³/d。"
    assert details(nearest=replace(MAIN, attributes={})) == [
        "最近“海榆路干管” 640 m（2026-02-02 测算，28 天前）。",
        spare,
        need,
    ]
    two = {"管径": "DN200", "材质": "PE", "空": ""}
    assert details(nearest=replace(MAIN, name="", attributes=two))[0] == (
        "最近“未命名设施” 640 m，PE，DN200（2026-02-02 测算，28 天前）。"
    )
    for unknown in (None, nan, -1.0):
        found = details(nearest=replace(MAIN, spare=unknown))
        assert found == [near, "企业没有登记余量。", need]
    undated = details(nearest=replace(MAIN, spare=0.0, spare_on=None))
    assert undated == [near, "登记余量 0 m³/d。", need]
    assert details(need_low=450.0)[2] == "需要 450 m³/d。"
    for low, high in ((None, 450.0), (400.0, None), (nan, 450.0), (400.0, inf)):
        assert details(need_low=low, need_high=high) == [near, spare]


def test_works_due_today_still_close_the_gap():
    promised = Said(AnswerVerdict.READY_BY, 1, ready_by=TODAY, works="管 700 m")
    found = readiness(facts(water=promised, measured=REVISED), GATE, TODAY)
    assert (
        found.blockers[0].details[-1].message == "水务公司承诺 2026-03-02 前完工可解决：管 700 m。"
    )


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


def test_set_of_the_configuration_names_its_version_and_first_day():
    assert completed({}) == []
    own = {"version": "2", "from": TODAY}
    assert completed({"version": "1", "sets": [own]}) == [{**own, "utilities": {}}]
    for missing in own:
        broken = {key: value for key, value in own.items() if key != missing}
        with pytest.raises(
            ValueError, match=r"^each of gate\.sets needs a version and a first day"
        ):
            completed({"sets": [broken]})


def test_lifted_requirement_warns_since_the_exemption_began():
    rules = in_force((GATE,), (EXEMPTION,), CITY, 1, TODAY)
    lifted = Requirement(effect="warn", source=EXEMPTION.document, since=TODAY)
    assert rules.requirement("water") == lifted
    assert rules.requirement("power") == GATE.requirement("power")


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


def frozen(**given) -> dict[str, object]:
    found = readiness(facts(**given), GATE, TODAY)
    calendar = Calendar(years=(2026,), sha256="0" * 64)
    return freeze(PLACE, TODAY, PLOT, facts(**given), found, calendar)


def test_body_is_plain_json_under_the_names_that_were_published():
    body = frozen(water=None)
    assert json.loads(canonical(body)) == body
    assert (body["format"], body["number"]) == ("landready-certificate/1", "460100-000007")
    assert body["rules"]["from"] == GATE.start.isoformat()


def test_canonical_text_is_sorted_compact_utf8_without_nan():
    assert canonical({"b": "地", "a": [1, 2.5]}) == '{"a":[1,2.5],"b":"地"}'.encode()
    for value in (nan, inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical({"a": value})


def test_link_is_the_sha256_of_the_previous_digest_a_line_feed_and_the_body():
    assert digest(FIRST, b"{}") == hashlib.sha256(b"0" * 64 + b"\n{}").hexdigest()


def test_verdict_without_rules_is_not_certified():
    calendar = Calendar(years=(2026,), sha256="0" * 64)
    with pytest.raises(ValueError, match=r"^a verdict without rules is no verdict$"):
        freeze(PLACE, TODAY, PLOT, facts(), readiness(facts(), None, TODAY), calendar)


def test_certificate_is_read_from_text_as_from_bytes():
    body = canonical(frozen())
    assert thaw(body.decode()) == thaw(body)


LONG = "x" * 300


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"format": "landready-certificate/2"}, "format"),
        ({"extra": 1}, "canonical"),
        ({"city": None}, "canonical"),
        ({"rules": {}}, "version"),
        ({"verdict": {"ready": True, "blockers": [{"code": "x"}], "warnings": []}}, "blockers.0.text"),
        ({"day": LONG}, f"Invalid isoformat string: '{LONG}"[:200]),
    ],
)  # fmt: skip
def test_broken_certificate_is_refused_with_the_place_of_the_fault(change, fault):
    with pytest.raises(NotACertificate) as caught:
        thaw(canonical({**frozen(), **change}))
    assert caught.value.params == {"fault": fault}
    assert fault == "canonical" or fault == "format" or caught.value.__cause__


@pytest.mark.parametrize("text", ["[]", "1", "null"])
def test_text_that_is_no_object_is_no_certificate(text):
    with pytest.raises(NotACertificate):
        thaw(text)
