"""How far plans and plots have come: what was asked, what was answered, what is missing. Reading only."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, joinedload

from landready import checks, problems
from landready.answers import Answer, latest_answers
from landready.blockers import Blocker
from landready.checks import Check
from landready.clock import today as local_date
from landready.db import Role, actor_of
from landready.drafts import problems_of
from landready.errors import NotFound
from landready.gate import readiness_of
from landready.listings import Listing
from landready.plans import Plot, SupplyPlan, Upload
from landready.pushes import Push, PushPlot, PushState
from landready.readiness import Readiness
from landready.settings import Gate
from landready.standing import Cell, cell, waits
from landready.utilities import Utility

PAGE = 20


@dataclass(frozen=True, slots=True)
class PlotLine:
    """One plot of a released plan. `listing` is its newest listing, whatever became of it."""

    plot: Plot
    readiness: Readiness
    cells: tuple[Cell, ...]
    listing: Listing | None

    @property
    def offered(self) -> bool:
        """Is the plot on offer, or was it sold?"""
        return self.listing is not None and self.listing.state != "withdrawn"

    @property
    def title_open(self) -> bool:
        """May its title be stated? Not while it is on offer, and never again once it is sold."""
        return self.listing is None or self.listing.state in ("suspended", "withdrawn")

    @property
    def may_list(self) -> bool:
        return self.readiness.may_list and not self.offered

    @property
    def stage(self) -> str:
        """`listed`, `ready`, `waiting` for answers that may still come in time, or `blocked`: the colour on a map."""
        if self.offered:
            return "listed"
        if self.readiness.may_list:
            return "ready"
        return "waiting" if waits(self.readiness) else "blocked"


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One plan in the list. `errors` counts a draft's faults; the others count once it is released."""

    plan: SupplyPlan
    plots: int
    errors: int = 0
    pushes: int = 0
    answered: int = 0
    late: int = 0
    blocked: int = 0
    listed: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """One enterprise that was asked about a plot for one utility, and its newest answer."""

    push: Push
    state: PushState
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class UtilityPage:
    """Everything known of one plot and utility, measured and answered. `missing` are blockers or warnings."""

    cell: Cell
    source: str
    check: Check | None
    questions: tuple[Question, ...]
    missing: tuple[Blocker, ...]

    @property
    def nearest_m(self) -> float | None:
        """Metres to the nearest facility that the check found, of whichever enterprise."""
        return (
            min((f.distance_m for f in self.check.facilities), default=None) if self.check else None
        )


def plan_lines(
    session: Session, gate: Gate, now: datetime, page: int
) -> tuple[list[PlanLine], bool]:
    """Return one page of the office's plans, newest first, and whether there are older ones."""
    found = list(
        session.scalars(
            select(SupplyPlan)
            .where(SupplyPlan.office_id == actor_of(session).organisation_id)
            .options(joinedload(SupplyPlan.upload).load_only(Upload.problems))
            .order_by(SupplyPlan.created_at.desc(), SupplyPlan.id.desc())
            .offset((page - 1) * PAGE)
            .limit(PAGE + 1)
        )
    )
    plans = found[:PAGE]
    plots = _plots_of(session, plans)
    pushes = _pushes_of(session, plans)
    released = [plot for plan in plans if plan.state == "released" for plot in plots[plan.id]]
    ready = readiness_of(session, released, gate, now)
    listings = _listings(session, released)
    day = local_date(now)
    lines = [_line(plan, plots[plan.id], pushes[plan.id], ready, listings, day) for plan in plans]
    return lines, len(found) > PAGE


def _line(
    plan: SupplyPlan,
    plots: Sequence[int],
    pushes: Sequence[Push],
    ready: Mapping[int, Readiness],
    listings: Mapping[int, Listing],
    day: date,
) -> PlanLine:
    if plan.state == "draft":
        return PlanLine(plan, len(plots), errors=len(problems.errors(problems_of(plan))))
    states = [push.state(day) for push in pushes]
    offered = [p for p in plots if p in listings and listings[p].state != "withdrawn"]
    return PlanLine(
        plan,
        len(plots),
        pushes=len(pushes),
        answered=states.count(PushState.ANSWERED),
        late=states.count(PushState.LATE),
        blocked=sum(not ready[p].may_list for p in plots if p not in offered),
        listed=len(offered),
    )


def plan_of(session: Session, plan_id: int) -> SupplyPlan:
    """Return a plan that the asker may see; a draft is its office's own business.

    Raises:
        NotFound: there is none, or it is another's.
    """
    plan = session.scalar(
        select(SupplyPlan)
        .where(SupplyPlan.id == plan_id)
        .options(joinedload(SupplyPlan.upload).defer(Upload.features))
    )
    if plan is None or (plan.state == "draft" and actor_of(session).role is not Role.OFFICE):
        raise NotFound
    return plan


def pushes_of(session: Session, plan_id: int) -> dict[Push, dict[str, int]]:
    """Return the pushes of a plan in the order of the enterprises, with how many plots each asks about, by utility."""
    pushes = session.scalars(
        select(Push).where(Push.plan_id == plan_id).order_by(Push.enterprise_id)
    )
    found: dict[int, tuple[Push, dict[str, int]]] = {push.id: (push, {}) for push in pushes}
    counted = session.execute(
        select(PushPlot.push_id, PushPlot.utility, func.count())
        .where(PushPlot.push_id.in_(found))
        .group_by(PushPlot.push_id, PushPlot.utility)
        .order_by(PushPlot.push_id, func.min(PushPlot.id))
    )
    for push_id, utility, count in counted:
        found[push_id][1][utility] = count
    return dict(found.values())


def codes(session: Session, plan_id: int) -> dict[int, str]:
    """Return the code of each plot of a plan, by its id, in the plan's order."""
    query = select(Plot.id, Plot.code).where(Plot.plan_id == plan_id).order_by(Plot.row)
    return dict(session.execute(query).all())


def plot_lines(
    session: Session, plots: Sequence[Plot], gate: Gate, now: datetime
) -> list[PlotLine]:
    """Judge plots of released plans for a table: a cell for each utility of the gate."""
    ids = [plot.id for plot in plots]
    ready = readiness_of(session, ids, gate, now)
    answers = _by_plot(latest_answers(session, ids))
    listings = _listings(session, ids)
    day = local_date(now)
    return [
        PlotLine(
            plot,
            ready[plot.id],
            tuple(
                cell(u, plot, ready[plot.id], answers[plot.id], rules, day)
                for rules in [ready[plot.id].rules or gate]
                for u in rules.utilities
            ),
            listings.get(plot.id),
        )
        for plot in plots
    ]


def plot_page(
    session: Session, plot_id: int, gate: Gate, now: datetime
) -> tuple[PlotLine, list[UtilityPage]]:
    """Return one released plot and everything known of it per utility; for its office and its supervisors.

    Raises:
        NotFound: there is none, it is another's, or its plan is a draft.
    """
    plot = session.scalar(
        select(Plot)
        .where(Plot.id == plot_id)
        .options(joinedload(Plot.plan), joinedload(Plot.office))
    )
    asker = actor_of(session)
    theirs = plot and asker.role is Role.OFFICE and plot.office_id != asker.organisation_id
    if plot is None or theirs or plot.plan.state != "released":
        raise NotFound
    (line,) = plot_lines(session, [plot], gate, now)
    measured = {Utility(c.utility): c for c in checks.latest(session, [plot.id])}
    questions = _questions(session, plot, local_date(now))
    missing = line.readiness.blockers + line.readiness.warnings
    return line, [
        UtilityPage(
            cell,
            (line.readiness.rules or gate).requirement(cell.utility).source,
            measured.get(cell.utility),
            tuple(questions[cell.utility]),
            tuple(b for b in missing if b.utility is cell.utility),
        )
        for cell in line.cells
    ]


def _questions(session: Session, plot: Plot, day: date) -> dict[Utility, list[Question]]:
    said = {(a.utility, a.enterprise_id): a for a in latest_answers(session, [plot.id])}
    asked = session.scalars(
        select(PushPlot)
        .where(PushPlot.plot_id == plot.id)
        .options(joinedload(PushPlot.push))
        .order_by(PushPlot.enterprise_id)
    )
    found: dict[Utility, list[Question]] = defaultdict(list)
    for one in asked:
        answer = said.get((one.utility, one.enterprise_id))
        found[Utility(one.utility)].append(Question(one.push, one.push.state(day), answer))
    return found


def _by_plot(answers: Iterable[Answer]) -> dict[int, list[Answer]]:
    found: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        found[answer.plot_id].append(answer)
    return found


def _plots_of(session: Session, plans: Sequence[SupplyPlan]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    rows = session.execute(
        select(Plot.plan_id, Plot.id).where(Plot.plan_id.in_([plan.id for plan in plans]))
    )
    for plan_id, plot_id in rows:
        found[plan_id].append(plot_id)
    return found


def _pushes_of(session: Session, plans: Sequence[SupplyPlan]) -> dict[int, list[Push]]:
    found: dict[int, list[Push]] = defaultdict(list)
    for push in session.scalars(select(Push).where(Push.plan_id.in_([plan.id for plan in plans]))):
        found[push.plan_id or 0].append(push)
    return found


def _listings(session: Session, plot_ids: Sequence[int]) -> dict[int, Listing]:
    """The newest listing of each plot."""
    newest = session.scalars(
        select(Listing)
        .ext(distinct_on(Listing.plot_id))
        .where(Listing.plot_id.in_(plot_ids))
        .order_by(Listing.plot_id, Listing.id.desc())
    )
    return {listing.plot_id: listing for listing in newest}
