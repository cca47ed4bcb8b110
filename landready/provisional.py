"""What stands in for an answer that is late: the computed finding, marked as provisional, beside the public late mark.

Silence is never a yes: a provisional finding opens no gate. It tells everybody how things look while the enterprise is silent.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from landready import checks
from landready.asked import answered
from landready.checks import Check
from landready.db import as_engine
from landready.plans import Plot
from landready.progress import PlotLine
from landready.pushes import Push, PushPlot
from landready.settings import Check as Reach
from landready.standing import Standing


class Finding(StrEnum):
    """What the newest check says of one plot and utility; no facility is named."""

    CLOSE = "close"  # a facility with room lies within the distance at which a draft says "ready"
    WORKS = "works"  # the nearest is farther away or full: connecting needs works
    NOTHING = "nothing"  # no facility was found around the plot
    UNKNOWN = "unknown"  # it was not measured


@dataclass(frozen=True, slots=True)
class LateMark:
    """An enterprise that owes an answer about a plot, since when, and what was computed in its stead."""

    utility: str
    enterprise: str
    due_on: date
    finding: Finding


def finding(check: Check | None, reach: Reach) -> Finding:
    """Say what a check finds for a plot; the rule of draft answers (landready.proposals), over all enterprises. Pure."""
    if check is None:
        return Finding.UNKNOWN
    near = check.facilities
    if any(f.distance_m <= reach.ready_m and f.spare_capacity != 0 for f in near):
        return Finding.CLOSE
    return Finding.WORKS if near else Finding.NOTHING


def findings(
    session: Session, lines: Iterable[PlotLine], reach: Reach
) -> Mapping[tuple[int, str], Finding]:
    """Return a finding for each plot (id) and utility of a table whose answer is late; the others have no entry."""
    late = {
        (line.plot.id, cell.utility.value)
        for line in lines
        for cell in line.cells
        if cell.standing is Standing.LATE
    }
    return _measured(session, late, reach)


def late_marks(session: Session, plot_id: int, reach: Reach, today: date) -> Sequence[LateMark]:
    """Return who owes an answer about a plot since before `today`; public, whoever asks."""
    with as_engine(session):
        rows = session.scalars(
            select(PushPlot)
            .join(PushPlot.push)
            .join(Plot, Plot.id == PushPlot.plot_id)
            .where(PushPlot.plot_id == plot_id, Push.due_on < today, ~answered())
            .options(joinedload(PushPlot.push).joinedload(Push.enterprise))
            .order_by(PushPlot.utility, PushPlot.id)
        ).all()
        found = _measured(session, {(plot_id, row.utility) for row in rows}, reach)
    return [
        LateMark(
            row.utility, row.push.enterprise.name, row.push.due_on, found[plot_id, row.utility]
        )
        for row in rows
    ]


def _measured(
    session: Session, wanted: set[tuple[int, str]], reach: Reach
) -> dict[tuple[int, str], Finding]:
    newest = checks.latest(session, list({plot_id for plot_id, _ in wanted})) if wanted else []
    of_pair = {(check.plot_id, check.utility): check for check in newest}
    return {pair: finding(of_pair.get(pair), reach) for pair in wanted}
