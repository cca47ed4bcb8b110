"""What each plot of a plan could be connected to: demand, facilities in reach, what they have left, and what is not known.

Rules: a plot needs the upper end of its range, from one facility per utility among those that the newest check found, that
state a capacity, and whose enterprise did not answer no. What is reserved is taken already; a plot that holds a reservation is
served from there. Plots of other plans that are only pushed take nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from geoalchemy2 import WKBElement
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, joinedload

from geo.connections import Case
from landready import capacity, demand
from landready.answers import AnswerVerdict, latest_answers
from landready.capacity import Stated
from landready.checks import Check, NearFacility
from landready.db import as_engine
from landready.demand import Standing
from landready.leaning import among, near, roots
from landready.plans import Plot, SupplyPlan
from landready.settings import Settings
from landready.utilities import Utility


class Supply(StrEnum):
    """How a plot stands to one utility."""

    RESERVED = "reserved"  # it holds a reservation: served from there
    GIVEN = "given"  # served in this allocation
    FITS = "fits"  # there is room, but another utility is missing
    SHORT = "short"  # no facility in reach has enough left
    UNKNOWN = "unknown"  # nobody knows what it needs
    NOT_STATED = "not_stated"  # no facility in reach states what it can give
    REFUSED = "refused"  # every enterprise in reach answered that it cannot
    NONE = "none"  # no facility in reach

    @property
    def served(self) -> bool:
        return self in (Supply.RESERVED, Supply.GIVEN)

    @property
    def weighed(self) -> bool:
        """Is enough known to weigh it against others?"""
        return self in (Supply.RESERVED, Supply.GIVEN, Supply.FITS, Supply.SHORT)


@dataclass(frozen=True, slots=True)
class Option:
    """A facility that could serve a plot for a utility. `takes` is 0 where it is reserved already."""

    root: int
    takes: float
    distance_m: float


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known; a plot and utility stands in `options` or in `lack`, which says why there is none."""

    plots: Sequence[Plot]
    options: Mapping[tuple[int, Utility], Sequence[Option]]
    lack: Mapping[tuple[int, Utility], Supply]
    high: Mapping[tuple[int, Utility], float | None]
    reserved: Mapping[tuple[int, str], int]
    known: Mapping[int, Stated]
    left: Mapping[int, float]
    # On what the figures rest.
    standings: Mapping[Utility, tuple[Standing, ...]]


@dataclass(frozen=True, slots=True)
class Posed:
    """A case with the names of its positions."""

    case: Case
    roots: Sequence[int]
    utilities: Sequence[Utility]


def gather(session: Session, plan: SupplyPlan, settings: Settings, now: datetime) -> Facts:
    """Read what is known of each plot and utility; for an office or supervisor that may see the plan."""
    plots = session.scalars(
        select(Plot)
        .where(Plot.plan_id == plan.id)
        .options(joinedload(Plot.plan))
        .order_by(Plot.row, Plot.id)
    ).all()
    ids = [plot.id for plot in plots]
    no = {
        (a.plot_id, a.utility, a.enterprise_id)
        for a in latest_answers(session, ids)
        if a.verdict in (AnswerVerdict.NOT_POSSIBLE, AnswerVerdict.NOT_CONCERNED)
    }
    figures = demand.figures(session, plots, settings.check)
    with as_engine(session):
        around = near(session, ids)
    reserved = capacity.reserved(session, ids, now)
    roots = {one.root for found in around.values() for one in found} | set(reserved.values())
    left = {
        k: float(x.left)
        for k, x in capacity.held(session, roots, now).items()
        if x.left is not None
    }
    options: dict[tuple[int, Utility], list[Option]] = {}
    lack: dict[tuple[int, Utility], Supply] = {}
    for plot in plots:
        for u in Utility:
            key, high = (plot.id, u), figures[plot.id, u].high
            here = around.get((plot.id, u.value), ())
            willing = [one for one in here if (plot.id, u.value, one.enterprise_id) not in no]
            if root := reserved.get((plot.id, u.value)):
                far = next((one.distance_m for one in here if one.root == root), 0.0)
                options[key] = [Option(root, 0.0, far)]
            elif not willing:
                lack[key] = Supply.REFUSED if here else Supply.NONE
            elif high is None:
                lack[key] = Supply.UNKNOWN
            elif able := [one for one in willing if one.root in left]:
                options[key] = [Option(one.root, high, one.distance_m) for one in able]
            else:
                lack[key] = Supply.NOT_STATED
    return Facts(
        plots, options, lack, {key: f.high for key, f in figures.items()}, reserved,
        capacity.stated(session, roots), left,
{
            u: tuple(x for x in Standing if x in {figures[plot.id, u].standing for plot in plots})
            for u in Utility
        },
    )  # fmt: skip


def pose(facts: Facts, utilities: Sequence[Utility]) -> Posed:
    """Make the case in which a plot needs all of `utilities`."""
    rows = [
        (number, need, one)
        for number, plot in enumerate(facts.plots)
        for need, utility in enumerate(utilities)
        for one in facts.options.get((plot.id, utility), ())
    ]
    roots = sorted({one.root for _, _, one in rows})
    position = {root: i for i, root in enumerate(roots)}
    return Posed(
        Case(
            hectares=np.array([plot.area_m2 / 10_000 for plot in facts.plots], dtype=np.float64),
            # A reservation may stand on a facility that no longer states anything: nothing more can be had there.
            capacity=np.array([facts.left.get(root, 0.0) for root in roots], dtype=np.float64),
            plot=np.array([row[0] for row in rows], dtype=np.int64),
            need=np.array([row[1] for row in rows], dtype=np.int64),
            facility=np.array([position[row[2].root] for row in rows], dtype=np.int64),
            demand=np.array([row[2].takes for row in rows], dtype=np.float64),
            length_m=np.array([row[2].distance_m for row in rows], dtype=np.float64),
            needs=len(utilities),
        ),
        roots,
        utilities,
    )


def links(session: Session, plot_ids: Sequence[int]) -> dict[tuple[int, int], WKBElement]:
    """Return, by plot and facility (lasting id), the shortest line between the two that the newest check found."""
    newest = (
        select(Check.id, Check.plot_id)
        .where(among(Check.plot_id, plot_ids))
        .ext(distinct_on(Check.plot_id, Check.utility))
        .order_by(Check.plot_id, Check.utility, Check.measured_at.desc(), Check.id.desc())
    )
    with as_engine(session):
        plot_of = dict(session.execute(newest).all())
        rows = session.execute(
            select(NearFacility.check_id, NearFacility.facility_id, NearFacility.link).where(
                among(NearFacility.check_id, plot_of)
            )
        ).all()
        lasting = roots(session, {row.facility_id for row in rows})
    return {(plot_of[row.check_id], lasting[row.facility_id]): row.link for row in rows}
