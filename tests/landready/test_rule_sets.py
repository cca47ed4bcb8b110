"""Which rules are in force where and when, and what an exemption lifts."""

from datetime import date, timedelta

import pytest

from landready.readiness import readiness
from landready.rule_sets import Requirement, completed, in_force
from landready.settings import ROOT, load
from tests.landready.judging import (
    CITY,
    EXEMPTION,
    GATE,
    TODAY,
    facts,
)

LATER = GATE.model_copy(update={"version": "later", "start": date(2026, 3, 1)})
LOCAL = GATE.model_copy(update={"version": "local", "city": CITY, "start": date(2026, 1, 1)})
FUTURE = GATE.model_copy(update={"version": "future", "start": date(2026, 3, 3)})


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
