"""What the pages of plans and plots show, loaded in a handful of queries whatever their size.

Geometry comes as GeoJSON in lon/lat of EPSG:4490. Only what the asker may see is there.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from geo.problems import Problem
from landready.answers import Answer, latest_answers
from landready.checks import Check, NearFacility, latest
from landready.drafts import may_release, problems_of
from landready.errors import NotFound
from landready.plans import Plot, SupplyPlan
from landready.pushes import Push, PushPlot, PushState
from landready.shapes import to_geojson
from landready.utilities import Utility


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One line of the list of plans: counts of plots, of pushes and of those answered."""

    plan: SupplyPlan
    plots: int
    pushes: int
    answered: int


@dataclass(frozen=True, slots=True)
class PlotShape:
    """A plot and its boundary as a GeoJSON geometry."""

    plot: Plot
    geometry: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PushRow:
    """One push of a plan: to whom, for which utilities, about how many plots, and where it stands today."""

    push: Push
    utilities: tuple[Utility, ...]
    plots: int
    state: PushState


@dataclass(frozen=True, slots=True)
class PlanPage:
    """A plan: its plots in the order of the file, what is wrong, what forbids its release, and its pushes."""

    plan: SupplyPlan
    plots: tuple[PlotShape, ...]
    problems: tuple[Problem, ...]
    obstacles: tuple[Problem, ...]
    pushes: tuple[PushRow, ...]


@dataclass(frozen=True, slots=True)
class NearRow:
    """A facility near a plot, with the shortest line to it as a GeoJSON geometry."""

    near: NearFacility
    enterprise: str
    link: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AskedRow:
    """An enterprise asked about a plot for a utility, with its newest answer if there is one."""

    push: Push
    utility: Utility
    state: PushState
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class UtilityRow:
    """One utility of a plot: the newest check, if measured, what it found, and who was asked."""

    utility: Utility
    check: Check | None
    near: tuple[NearRow, ...]
    shares: tuple[tuple[str, float], ...]
    asked: tuple[AskedRow, ...]


@dataclass(frozen=True, slots=True)
class PlotPage:
    """A plot with all six utilities in the order of the plan."""

    plot: Plot
    plan: SupplyPlan
    geometry: dict[str, Any]
    utilities: tuple[UtilityRow, ...]


def plans_of(session: Session) -> list[PlanRow]:
    """Return the plans that the asker may see, newest first."""
    plots = select(func.count(Plot.id)).where(Plot.plan_id == SupplyPlan.id).scalar_subquery()
    pushes = select(func.count(Push.id)).where(Push.plan_id == SupplyPlan.id).scalar_subquery()
    answered = (
        select(func.count(Push.answered_at)).where(Push.plan_id == SupplyPlan.id).scalar_subquery()
    )
    order = (SupplyPlan.created_at.desc(), SupplyPlan.id.desc())
    rows = session.execute(select(SupplyPlan, plots, pushes, answered).order_by(*order))
    return [PlanRow(*row) for row in rows.unique()]


def plan_page(session: Session, plan_id: int, today: date) -> PlanPage:
    """Return all that the page of a plan shows; `today` is the date in Asia/Shanghai.

    Raises:
        NotFound: no such plan that the asker may see.
    """
    plan = session.scalar(
        select(SupplyPlan)
        .where(SupplyPlan.id == plan_id)
        .options(joinedload(SupplyPlan.office), joinedload(SupplyPlan.upload))
    )
    if plan is None:
        raise NotFound
    plots = session.scalars(select(Plot).where(Plot.plan_id == plan.id).order_by(Plot.row)).all()
    return PlanPage(
        plan=plan,
        plots=tuple(PlotShape(plot, to_geojson(plot.geom)) for plot in plots),
        problems=problems_of(plan),
        obstacles=may_release(plan) if plan.state == "draft" else (),
        pushes=_pushes(session, plan, today),
    )


def _pushes(session: Session, plan: SupplyPlan, today: date) -> tuple[PushRow, ...]:
    pushes = session.scalars(select(Push).where(Push.plan_id == plan.id).order_by(Push.id)).all()
    asked = session.execute(
        select(PushPlot.push_id, PushPlot.plot_id, PushPlot.utility).where(
            PushPlot.push_id.in_([push.id for push in pushes])
        )
    ).all()
    utilities: dict[int, set[str]] = defaultdict(set)
    plots: dict[int, set[int]] = defaultdict(set)
    for row in asked:
        utilities[row.push_id].add(row.utility)
        plots[row.push_id].add(row.plot_id)
    return tuple(
        PushRow(
            push,
            tuple(u for u in Utility if u in utilities[push.id]),
            len(plots[push.id]),
            push.state(today),
        )
        for push in pushes
    )


def plot_page(session: Session, plot_id: int, today: date) -> PlotPage:
    """Return all that the page of a plot shows; `today` is the date in Asia/Shanghai.

    Raises:
        NotFound: no such plot that the asker may see.
    """
    plot = session.scalar(select(Plot).where(Plot.id == plot_id).options(joinedload(Plot.office)))
    plan = session.get(SupplyPlan, plot.plan_id) if plot else None
    if plot is None or plan is None:
        raise NotFound
    checks = {check.utility: check for check in latest(session, [plot.id])}
    asked = _asked(session, plot.id, today)
    return PlotPage(
        plot=plot,
        plan=plan,
        geometry=to_geojson(plot.geom),
        utilities=tuple(
            _utility(utility, checks.get(utility.value), asked[utility]) for utility in Utility
        ),
    )


def _utility(utility: Utility, check: Check | None, asked: Sequence[AskedRow]) -> UtilityRow:
    return UtilityRow(
        utility=utility,
        check=check,
        near=tuple(
            NearRow(near, near.enterprise.name, to_geojson(near.link))
            for near in (check.facilities if check else ())
        ),
        shares=tuple((a.enterprise.name, a.share) for a in (check.areas if check else ())),
        asked=tuple(asked),
    )


def _asked(session: Session, plot_id: int, today: date) -> dict[Utility, list[AskedRow]]:
    answers = {(a.enterprise_id, a.utility): a for a in latest_answers(session, [plot_id])}
    rows = session.execute(
        select(Push, PushPlot.utility)
        .join(PushPlot, PushPlot.push_id == Push.id)
        .where(PushPlot.plot_id == plot_id)
        .order_by(Push.id)
    )
    asked: dict[Utility, list[AskedRow]] = defaultdict(list)
    for push, utility in rows.unique():
        answer = answers.get((push.enterprise_id, utility))
        asked[Utility(utility)].append(AskedRow(push, Utility(utility), push.state(today), answer))
    return asked
