"""Where a plot stands for one utility, in one word for tables and maps. Pure; the gate itself is landready.readiness."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from geo.problems import N_
from landready.answers import Answer, AnswerVerdict
from landready.facts import Said
from landready.plans import Plot
from landready.readiness import Readiness, holds
from landready.rule_sets import Rules
from landready.utilities import Utility


class Standing(StrEnum):
    """Where a plot stands for one utility: one word for a table and a map."""

    READY = "ready"  # an answer "ready" holds
    READY_BY = "ready_by"  # a commitment with a date holds
    WAITING = "waiting"  # somebody may still answer in time
    LATE = "late"  # nobody answered in time
    NOT_POSSIBLE = "not_possible"
    NOT_CONCERNED = "not_concerned"  # an enterprise says it is not concerned, which is no yes
    TOO_FAR = "too_far"  # promised, for a day beyond the horizon
    LAPSED = "lapsed"  # answered once, but no answer holds any more
    NOBODY = "nobody"  # no enterprise was asked
    UNSURE = "unsure"  # an answer holds, but not the check or the capacity under it

    @property
    def good(self) -> bool:
        """Is the utility no reason to keep the plot off the market?"""
        return self in (Standing.READY, Standing.READY_BY)


# Each in the reader's words.
STANDINGS: Mapping[str, str] = {
    "ready": N_("已具备"),
    "ready_by": N_("承诺具备"),
    "waiting": N_("待答复"),
    "late": N_("超期未答复"),
    "not_possible": N_("无法接入"),
    "not_concerned": N_("不涉及"),
    "too_far": N_("承诺太远"),
    "lapsed": N_("需重新答复"),
    "nobody": N_("无人可问"),
    "unsure": N_("测算或容量待核"),
}
# What a blocker's code says of a utility; the first that is found among a plot's blockers decides.
_STANDINGS: Mapping[Standing, frozenset[str]] = {
    Standing.WAITING: frozenset({"unanswered"}),
    Standing.LATE: frozenset({"late"}),
    Standing.TOO_FAR: frozenset({"too_far"}),
    Standing.LAPSED: frozenset({"revised", "expired", "missed", "no_date"}),
    Standing.NOT_POSSIBLE: frozenset({"not_possible"}),
    Standing.NOT_CONCERNED: frozenset({"not_concerned"}),
    Standing.NOBODY: frozenset({"nobody_asked"}),
}
# Not of what enterprises said, but of what lies beneath it.
_BENEATH = frozenset(
    {
        *("not_measured", "check_revised", "check_broken", "check_stale"),
        *("reservation_gone", "reservation_broken", "reservation_over"),
    }
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One plot and one utility: its standing, whether it keeps the plot from being listed, and a committed date."""

    utility: Utility
    standing: Standing
    blocks: bool
    ready_by: date | None = None


def cell(
    utility: Utility,
    plot: Plot,
    ready: Readiness,
    answers: Iterable[Answer],
    rules: Rules,
    day: date,
) -> Cell:
    """Say where `plot` stands for `utility` on `day`; `answers` are the newest of each enterprise for this plot."""
    blocks = rules.requirement(utility).effect == "block"
    codes = {b.code for b in ready.blockers + ready.warnings if b.utility is utility}
    if codes - _BENEATH:
        standing = next((s for s, known in _STANDINGS.items() if codes & known), Standing.LAPSED)
        return Cell(utility, standing, blocks)
    if any(b.utility is utility for b in ready.blockers):
        return Cell(utility, Standing.UNSURE, blocks)
    holding = [a for a in answers if a.utility == utility and _holds(a, plot, rules, day)]
    if any(a.verdict == AnswerVerdict.READY for a in holding):
        return Cell(utility, Standing.READY, blocks)
    return Cell(
        utility,
        Standing.READY_BY,
        blocks,
        min((a.ready_by for a in holding if a.ready_by), default=None),
    )


def _holds(answer: Answer, plot: Plot, rules: Rules, day: date) -> bool:
    said = Said(
        AnswerVerdict(answer.verdict),
        answer.plot_revision,
        answer.ready_by,
        answer.valid_until,
        answer.reason,
    )
    return holds(said, plot.revision, rules, day)


def waits(found: Readiness) -> bool:
    """Is a plot that is not ready still waiting for answers that may come in time, whether its title was stated or not?"""
    codes = {blocker.code for blocker in found.blockers}
    return "unanswered" in codes and codes <= {"unanswered", "title_missing"}
