"""A plot that lacks nothing, as the rule of the gate is shown it, and ways to take something away."""

from datetime import date

from landready.answers import AnswerVerdict
from landready.facts import (
    Asked,
    Measured,
    Near,
    PlotFacts,
    Reserved,
    Said,
    Title,
)
from landready.rule_sets import Exemption, Requirement
from landready.settings import load
from landready.utilities import Utility

GATE = load(env={}).gate.all()[0]
TODAY = date(2026, 3, 2)
READY = Said(AnswerVerdict.READY, plot_revision=1)
CITY = "460100"
EXEMPTION = Exemption(
    id=1, document="琼函〔2026〕3号", reason="抢险", issuer="省厅", issued_on=TODAY, lifts=("water",),
    city=CITY, start=TODAY, end=TODAY,
)  # fmt: skip


def asked(answer: Said | None, enterprise: str = "水务公司", due: date = date(2026, 3, 9)) -> Asked:
    return Asked(enterprise, due, answer)


MAIN = Near("海榆路干管", 640.0, {"管径": "DN200"}, spare=300.0, spare_on=date(2026, 1, 1))
CHECK = Measured(1, date(2026, 2, 2), 1.0, 2000.0, MAIN, 400.0, 450.0, "m³/d")
TITLE = Title(True, 1, "净地证明〔2026〕1号", date(2026, 1, 5))
HELD = Reserved(Utility.WATER, 1, 7, "泵站", "held", date(2026, 9, 1), 450.0, 800.0, 1000.0)
STRICT = GATE.model_copy(update={"capacity": Requirement(effect="block", source="x")})


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
