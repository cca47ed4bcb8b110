"""Where a plot stands for one utility, in one word for tables and maps. Pure; the gate itself is landready.readiness."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from landready.answers import Answer, AnswerVerdict
from landready.plans import Plot
from landready.readiness import Readiness, Said, holds
from landready.settings import Gate
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

    @property
    def good(self) -> bool:
        """Is the utility no reason to keep the plot off the market?"""
        return self in (Standing.READY, Standing.READY_BY)


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
    gate: Gate,
    day: date,
) -> Cell:
    """Say where `plot` stands for `utility` on `day`; `answers` are the newest of each enterprise for this plot."""
    blocks = gate.utilities[utility].effect == "block"
    codes = {b.code for b in ready.blockers + ready.warnings if b.utility is utility}
    if codes:
        standing = next((s for s, known in _STANDINGS.items() if codes & known), Standing.LAPSED)
        return Cell(utility, standing, blocks)
    holding = [a for a in answers if a.utility == utility and _holds(a, plot, gate, day)]
    if any(a.verdict == AnswerVerdict.READY for a in holding):
        return Cell(utility, Standing.READY, blocks)
    return Cell(
        utility,
        Standing.READY_BY,
        blocks,
        min((a.ready_by for a in holding if a.ready_by), default=None),
    )


def _holds(answer: Answer, plot: Plot, gate: Gate, day: date) -> bool:
    said = Said(
        AnswerVerdict(answer.verdict),
        answer.plot_revision,
        answer.ready_by,
        answer.valid_until,
        answer.reason,
    )
    return holds(said, plot.revision, gate, day)
