"""What can take the ground from under a listing: which plots each kind of change touches, how soon, and the words for it.

The triggers of migration 0012 say the same sentences; tests/landready/test_changes.py holds the two together.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from geo.problems import N_
from landready.readiness import Readiness


class When(StrEnum):
    """How soon the plots that a change touches are judged again."""

    AT_ONCE = "at_once"  # in the transaction of the change, by a trigger whoever makes it
    SWEEP = "sweep"  # by the next look of the sweep (push.sweep_s)
    DAY = "day"  # as the day turns in Shanghai
    NEVER = "never"  # the database refuses it while the plot is on offer


@dataclass(frozen=True, slots=True)
class Change:
    """One kind of change. `text` is empty where the sentence of what is missing says it all."""

    touches: str
    when: When
    text: str = ""


CHANGES: Mapping[str, Change] = {
    "answer_changed": Change(
        "the plots answered",
        When.AT_ONCE,
        N_("{enterprise}的答复有变动，接入条件不再具备，已自动暂停上架。"),
    ),
    "reservation_changed": Change(
        "the plot whose reservation changed",
        When.AT_ONCE,
        N_("{enterprise}预留的容量有变动，接入条件不再具备，已自动暂停上架。"),
    ),
    "measured_anew": Change(
        "the plots measured",
        When.AT_ONCE,
        N_("重新测算后接入条件不再具备，已自动暂停上架。"),
    ),
    "rules_changed": Change(
        "what is on offer in the city of the rules, or anywhere",
        When.AT_ONCE,
        N_("准入规则变更为“{rule}”，按新规则不具备条件，已自动暂停上架。"),
    ),
    "exemption_ended": Change(
        "what is on offer in the city of the exemption",
        When.AT_ONCE,
        N_("依法例外“{document}”已终止，接入条件不再具备，已自动暂停上架。"),
    ),
    "land_revised": Change(
        "what is on offer on the land of a revised plot",
        When.AT_ONCE,
        N_("地块“{code}”修改了边界，与本地块重叠，已自动暂停上架。"),
    ),
    "facility_changed": Change(
        "plots that lose or gain one of their nearest facilities, and those that hold capacity of a changed one",
        When.SWEEP,
        N_("{enterprise}的设施图层“{layer}”换成第 {version} 版，接入条件不再具备，已自动暂停上架。"),
    ),
    "area_changed": Change(
        "plots under an area that came or went",
        When.SWEEP,
        N_("{enterprise}的服务边界“{layer}”换成第 {version} 版，接入条件不再具备，已自动暂停上架。"),
    ),
    "certificate_expired": Change(
        "the plot of the certificate",
        When.SWEEP,
        N_("准入凭证已过期，已自动暂停上架；恢复上架时重新判定。"),
    ),
    "promise_missed": Change(
        "the plots promised",
        When.DAY,
        N_("{enterprise}承诺 {date} 前完成“{works}”，已过期且没有确认完成，自动暂停上架。"),
    ),
    # Validity of an answer, reservation, age of a check, end of an exemption, first day of a rule set: named by what is missing.
    "lapsed": Change(
        "everything on offer", When.DAY, N_("接入条件不再具备，已自动暂停上架。")
    ),
    "plot_revised": Change("the plot itself", When.NEVER),
    "title_stated": Change("the plot itself", When.NEVER),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a listing was suspended by the product itself: `code` is of CHANGES, or of the blocker that came with the day."""

    code: str
    text: str
    params: Mapping[str, str] = field(default_factory=dict)
    utility: str = ""
    enterprise: str = ""

    @property
    def message(self) -> str:
        said = self.text.format(**self.params)
        return (
            said if not self.enterprise or self.enterprise in said else f"{self.enterprise}：{said}"
        )

    def kept(self) -> dict[str, Any]:
        """As it stands beside the listing and its history."""
        return asdict(self)


def cause(code: str, utility: str = "", **params: str) -> Cause:
    """Return the cause of one kind of change."""
    return Cause(code, CHANGES[code].text, params, utility, params.get("enterprise", ""))


def lapse(found: Readiness) -> Cause:
    """Return the cause of what the calendar took away: the first condition that is missing now."""
    if not found.blockers:
        return cause("certificate_expired")
    first = found.blockers[0]
    return Cause(first.code, first.text, dict(first.params), first.utility or "", first.enterprise)


@contextmanager
def because(session: Session, why: Cause) -> Iterator[None]:
    """Let the triggers of the database give `why` for what they suspend during the block."""
    said = text("select set_config('app.cause', :cause, true)")
    session.execute(said, {"cause": json.dumps(why.kept(), ensure_ascii=False)})
    yield
    session.flush()
    session.execute(said, {"cause": ""})
