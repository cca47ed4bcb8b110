"""What an engineer sees: the enterprise's pushes by deadline, one push with its plots, and one plot with all that is said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import ceil
from typing import Literal

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import Session, joinedload, selectinload

from landready import demand
from landready.answers import Answer, latest_answers
from landready.asked import Pair, answered, asked_plots, own_push, proposals
from landready.clock import today
from landready.demand import Figure
from landready.layers import Facility
from landready.permits import Permit
from landready.plans import Plot
from landready.proposals import Proposal
from landready.pushes import Push, PushPlot, PushState
from landready.settings import Check
from landready.utilities import Utility

Show = Literal["open", "late", "all"]
# Plots and utilities of one page; a plan may hold thousands.
PAGE = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One push in the inbox. `asked` and `done` count plots times utilities; both are 0 for a project."""

    push: Push
    title: str
    plots: int
    asked: int
    done: int
    state: PushState


@dataclass(frozen=True, slots=True)
class Line:
    """One plot and utility of a push: what it needs, what was measured and proposed, and the enterprise's latest answer."""

    plot: Plot
    utility: str
    proposal: Proposal
    answer: Answer | None
    others: Sequence[Answer]
    need: Figure

    @property
    def open(self) -> bool:
        """Is an answer owed for the plot as it is now?"""
        return self.answer is None or self.answer.plot_revision != self.plot.revision


@dataclass(frozen=True, slots=True)
class PushPage:
    """One page of a push: `page` of `pages`, counted from 1; `facilities` are the enterprise's own near the plots.

    `utilities` are those that the push asks about, `utility` the one shown alone; empty: all of them.
    """

    entry: Entry
    lines: Sequence[Line]
    facilities: Mapping[int, Facility]
    utilities: Sequence[str]
    utility: str
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class PlotPage:
    """One plot and utility of a push, the enterprise's versions newest first, and the next pair that is still open."""

    entry: Entry
    line: Line
    facilities: Mapping[int, Facility]
    versions: Sequence[Answer]
    next: Pair | None


def inbox(session: Session, show: Show, now: datetime) -> list[Entry]:
    """Return the pushes of the asker's enterprise: what is owed first, by due date, then what is done, the newest first."""
    day = today(now)
    query = select(Push).order_by(Push.answered_at.desc().nulls_first(), Push.due_on, Push.id)
    if show != "all":
        query = query.where(Push.answered_at.is_(None))
    if show == "late":
        query = query.where(Push.due_on < day)
    return _entries(session, query, day)


def push_page(
    session: Session,
    push_id: int,
    *,
    check: Check,
    utility: str = "",
    page: int = 1,
    now: datetime,
) -> PushPage:
    """Return one page of a push's plots, for one utility or all; a page or utility that it does not have is ignored.

    Raises:
        NotFound: it is not the asker's.
    """
    entry = _entry(session, push_id, now)
    asked = {row.utility: row.plots for row in session.execute(_counts(push_id))}
    utility = utility if utility in asked else ""
    pages = max(1, ceil((asked[utility] if utility else entry.asked) / PAGE))
    page = min(max(page, 1), pages)
    query = (
        select(PushPlot.plot_id, PushPlot.utility)
        .join(PushPlot.plot)
        .where(PushPlot.push_id == push_id)
        .order_by(Plot.row, Plot.id, PushPlot.utility)
        .limit(PAGE)
        .offset((page - 1) * PAGE)
    )
    if utility:
        query = query.where(PushPlot.utility == utility)
    pairs = [(plot_id, name) for plot_id, name in session.execute(query)]
    lines = _lines(session, entry.push, pairs, check)
    near = _facilities(session, lines)
    return PushPage(entry, lines, near, sorted(asked), utility, page, pages)


def _counts(push_id: int) -> Select[str, int]:
    """How many plots a push asks about, by utility."""
    return (
        select(PushPlot.utility, func.count().label("plots"))
        .where(PushPlot.push_id == push_id)
        .group_by(PushPlot.utility)
    )


def plot_page(
    session: Session, push_id: int, plot_id: int, utility: str, *, check: Check, now: datetime
) -> PlotPage:
    """Return all that is known of one plot and utility.

    Raises:
        NotFound: the push, or the plot and utility in it, is not the asker's.
    """
    entry = _entry(session, push_id, now)
    lines = _lines(session, entry.push, [(plot_id, utility)], check)
    versions = session.scalars(
        select(Answer)
        .where(
            Answer.enterprise_id == entry.push.enterprise_id,
            Answer.plot_id == plot_id,
            Answer.utility == utility,
        )
        .options(selectinload(Answer.attachments))
        .order_by(Answer.version.desc())
    ).all()
    following = _next(session, push_id, lines[0])
    return PlotPage(entry, lines[0], _facilities(session, lines), versions, following)


def _entry(session: Session, push_id: int, now: datetime) -> Entry:
    own_push(session, push_id)
    return _entries(session, select(Push).where(Push.id == push_id), today(now))[0]


def _entries(session: Session, query: Select[Push], day: date) -> list[Entry]:
    loads = (joinedload(Push.plan), joinedload(Push.permit).joinedload(Permit.owner))
    pushes = session.scalars(query.options(*loads)).all()
    counts = {
        push_id: (plots, asked, done)
        for push_id, plots, asked, done in session.execute(
            select(
                PushPlot.push_id,
                func.count(PushPlot.plot_id.distinct()),
                func.count(),
                func.count().filter(answered()),
            )
            .where(PushPlot.push_id.in_([push.id for push in pushes]))
            .group_by(PushPlot.push_id)
        )
    }
    return [
        Entry(push, _title(push), *counts.get(push.id, (0, 0, 0)), push.state(day))
        for push in pushes
    ]


def _title(push: Push) -> str:
    if push.plan:
        return push.plan.title
    return push.permit.project_name if push.permit else ""


def _lines(session: Session, push: Push, pairs: Sequence[Pair], reach: Check) -> list[Line]:
    plots = asked_plots(session, push, pairs)
    said = latest_answers(session, list({plot_id for plot_id, _ in pairs}))
    own = {(a.plot_id, a.utility): a for a in said if a.enterprise_id == push.enterprise_id}
    proposed = proposals(session, push, pairs, reach)
    needs = demand.figures(
        session, list({plot.id: plot for plot in plots.values()}.values()), reach
    )
    return [
        Line(
            plots[pair],
            pair[1],
            proposed[pair],
            own.get(pair),
            [a for a in said if a.plot_id == pair[0] and a.enterprise_id != push.enterprise_id],
            needs[pair[0], Utility(pair[1])],
        )
        for pair in pairs
    ]


def _facilities(session: Session, lines: Sequence[Line]) -> dict[int, Facility]:
    """The near facilities themselves, by id; row-level security leaves out all but the asker's own."""
    ids = {near.facility_id for line in lines for near in line.proposal.near}
    found = session.scalars(select(Facility).where(Facility.id.in_(ids)))
    return {facility.id: facility for facility in found}


def _next(session: Session, push_id: int, line: Line) -> Pair | None:
    """The next open plot of the same utility in the order of the page, then the first; then those of other utilities."""
    place, here = tuple_(Plot.row, Plot.id), tuple_(line.plot.row, line.plot.id)
    same = PushPlot.utility == line.utility
    found = session.execute(
        select(PushPlot.plot_id, PushPlot.utility)
        .join(PushPlot.plot)
        .where(PushPlot.push_id == push_id, ~answered(), ~(same & (place == here)))
        .order_by(same.desc(), (place > here).desc(), Plot.row, Plot.id, PushPlot.utility)
        .limit(1)
    ).first()
    return (found.plot_id, found.utility) if found else None
