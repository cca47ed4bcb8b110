"""The closed list of answer codes as machine data: what each code means and which fields it needs (R4, R20).

Another system reads it instead of a manual. A change of the list is a new version; a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from geo.problems import N_
from landready.answers import AnswerVerdict
from landready.utilities import Utility

VERSION = "2026-2"
# The name of each field of a draft towards other systems.
FIELD_NAMES: Mapping[str, str] = {
    "verdict": "code",
    "point": "connection_point",
    "capacity": "spare_capacity",
    "works": "works",
    "ready_by": "ready_by",
    "reason": "reason",
    "valid_until": "valid_until",
    "over": "over_reason",
}
NAMES: Mapping[str, str] = {
    "ready": N_("已具备条件"),
    "ready_by": N_("承诺期限内具备"),
    "not_possible": N_("无法接入"),
    "not_concerned": N_("不涉及"),
}
UNITS: Mapping[Utility, str] = {
    Utility.WATER: "m3/d",
    Utility.DRAINAGE: "m3/d",
    Utility.POWER: "kW",
    Utility.GAS: "m3/h",
    Utility.TELECOM: "core",
    Utility.CABLE_TV: "household",
}


@dataclass(frozen=True, slots=True)
class AnswerCode:
    """One code: `needs` must be filled, `may` can be; every other field is ignored. `opens_gate`: counts for listing."""

    code: AnswerVerdict
    meaning: str
    needs: tuple[str, ...]
    may: tuple[str, ...]
    opens_gate: bool


CODES = (
    AnswerCode(
        AnswerVerdict.READY,
        N_("现有设施可以接入。"),
        ("connection_point",),
        ("spare_capacity", "reason", "valid_until", "over_reason"),
        opens_gate=True,
    ),
    AnswerCode(
        AnswerVerdict.READY_BY,
        N_("完成所列工程后，在承诺日期前可以接入。"),
        ("connection_point", "works", "ready_by"),
        ("spare_capacity", "reason", "valid_until", "over_reason"),
        opens_gate=True,
    ),
    AnswerCode(
        AnswerVerdict.NOT_POSSIBLE,
        N_("不能接入，原因已写明。"),
        ("reason",),
        ("valid_until",),
        opens_gate=False,
    ),
    AnswerCode(
        AnswerVerdict.NOT_CONCERNED,
        N_("与本单位无关，不需要证明。"),
        (),
        ("reason",),
        opens_gate=False,
    ),
)


def field_of(problem_code: str) -> str:
    """Return the outside name of the field that a problem of an answer is about; empty: about none."""
    return next(
        (name for field, name in FIELD_NAMES.items() if problem_code.startswith(f"{field}_")), ""
    )
