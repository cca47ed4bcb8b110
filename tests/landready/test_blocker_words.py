"""What the gate says of everything that is missing, word by word."""

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
from landready.rule_sets import Requirement
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
