"""May this plot be listed? A pure rule: facts in, every blocker and warning out (plan section 五(八)).

All that is missing is returned, not the first: an office fixes a list, not a guessing game. The database holds the same rule
a second time, in the listing trigger.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from geo.problems import N_
from landready.answers import AnswerVerdict
from landready.blockers import Blocker
from landready.settings import Gate, GateRule
from landready.utilities import Utility


@dataclass(frozen=True, slots=True)
class Asked:
    """One enterprise that was asked about a plot for one utility, and what it last said."""

    enterprise: str
    due_on: date
    answer: "Said | None" = None


@dataclass(frozen=True, slots=True)
class Said:
    """The latest answer of an enterprise."""

    verdict: AnswerVerdict
    plot_revision: int
    ready_by: date | None = None
    valid_until: date | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the newest check found for one utility: metres to the nearest facility, share of the plot served (0 to 1)."""

    nearest_m: float | None
    served_share: float


@dataclass(frozen=True, slots=True)
class PlotFacts:
    """Everything the rule looks at. A utility without an entry in `asked` was asked of nobody."""

    revision: int
    released: bool
    asked: Mapping[Utility, tuple[Asked, ...]] = field(default_factory=dict)
    measured: Mapping[Utility, Measured] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a plot may be listed, and every reason that it may not. Warnings do not shut the gate."""

    blockers: tuple[Blocker, ...] = ()
    warnings: tuple[Blocker, ...] = ()

    @property
    def may_list(self) -> bool:
        return not self.blockers


def readiness(facts: PlotFacts, gate: Gate, today: date) -> Readiness:
    """Judge one plot. A utility is satisfied when at least one enterprise's latest answer holds on `today`.

    "Ready" holds until `valid_until`; "ready by D" holds from now until D and only while D is within the horizon; every
    answer holds for the plot revision it was given for. Source: plan section 五(八), `gate.utilities[…].source`.
    """
    blockers: list[Blocker] = []
    warnings: list[Blocker] = []
    if not facts.released:
        blockers.append(
            Blocker("plan_not_released", N_("供地计划尚未下发，企业还没有收到这个地块。"))
        )
    for utility, rule in gate.utilities.items():
        found = blockers if rule.effect == "block" else warnings
        found.extend(_missing(utility, rule, facts, gate, today))
    return Readiness(tuple(blockers), tuple(warnings))


def holds(said: Said, revision: int, gate: Gate, today: date) -> bool:
    """Return whether an answer is positive and still valid for this revision of the plot."""
    return not _faults(said, revision, gate, today)


def _missing(
    utility: Utility, rule: GateRule, facts: PlotFacts, gate: Gate, today: date
) -> Iterable[Blocker]:
    asked = facts.asked.get(utility, ())
    if any(a.answer and holds(a.answer, facts.revision, gate, today) for a in asked):
        return
    measured = facts.measured.get(utility)
    nearest_m = measured.nearest_m if measured else None
    if not asked:
        yield Blocker(
            "nobody_asked",
            N_("没有企业被问到：服务边界没有覆盖这个地块，本市县也没有登记这项服务的企业。"),
            utility=utility,
            source=rule.source,
            nearest_m=nearest_m,
        )
    for one in asked:
        for code, text, params in _reasons(one, facts.revision, gate, today):
            yield Blocker(code, text, params, utility, one.enterprise, rule.source, nearest_m)


def _reasons(
    asked: Asked, revision: int, gate: Gate, today: date
) -> Iterable[tuple[str, str, dict[str, str]]]:
    if asked.answer is None:
        due = {"due": asked.due_on.isoformat()}
        if today > asked.due_on:
            yield "late", N_("{due} 到期，仍未答复。"), due
        else:
            yield "unanswered", N_("尚未答复，截止 {due}。"), due
        return
    yield from _faults(asked.answer, revision, gate, today)


def _faults(
    said: Said, revision: int, gate: Gate, today: date
) -> list[tuple[str, str, dict[str, str]]]:
    faults: list[tuple[str, str, dict[str, str]]] = []
    if said.plot_revision != revision:
        faults.append(("revised", N_("答复针对的是修改前的地块，需要重新答复。"), {}))
    if said.verdict is AnswerVerdict.NOT_POSSIBLE:
        faults.append(("not_possible", N_("答复为无法接入：{reason}"), {"reason": said.reason}))
    if said.verdict is AnswerVerdict.NOT_CONCERNED:
        faults.append(("not_concerned", N_("答复为不涉及，不能作为已具备条件。"), {}))
    if said.valid_until and said.valid_until < today:
        until = {"until": said.valid_until.isoformat()}
        faults.append(("expired", N_("答复已于 {until} 失效，需要重新确认。"), until))
    if said.verdict is AnswerVerdict.READY_BY:
        faults.extend(_commitment_faults(said.ready_by, gate, today))
    return faults


def _commitment_faults(
    ready_by: date | None, gate: Gate, today: date
) -> list[tuple[str, str, dict[str, str]]]:
    if ready_by is None:
        return [("no_date", N_("承诺了建设，但没有写明完成日期。"), {})]
    when = {"date": ready_by.isoformat()}
    if ready_by < today:
        return [("missed", N_("承诺 {date} 前完成，已过期且没有确认完成。"), when)]
    if ready_by > today + timedelta(days=gate.commitment_horizon_days):
        days = {**when, "days": str(gate.commitment_horizon_days)}
        return [("too_far", N_("承诺完成日期 {date} 超过 {days} 天的期限。"), days)]
    return []
