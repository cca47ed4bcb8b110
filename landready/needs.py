"""What the pages of one plot tell of demand and capacity: what it needs, on what that rests, and what the facilities can give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from landready import capacity, demand
from landready.capacity import FacilityLoad, Stated
from landready.checks import NearFacility
from landready.db import Role, actor_of
from landready.demand import Figure, Said, Standing
from landready.plans import Plot, SupplyPlan
from landready.settings import Check as Reach
from landready.uses import Uses
from landready.utilities import Utility


@dataclass(frozen=True, slots=True)
class Need:
    """What one plot needs of one utility, and who can give it.

    `history` is what planners stated before, `stated` what is stated of each near facility, by its row; `loads` are those of
    the facilities that the plot holds or leans on, for an engineer also of those that it could be connected to.
    """

    figure: Figure
    history: Sequence[Said] = ()
    stated: Mapping[int, Stated] = field(default_factory=dict)
    loads: Sequence[FacilityLoad] = ()


@dataclass(frozen=True, slots=True)
class Sum:
    """What the plots of a plan need of one utility together; `unknown` plots are not in it. `standings` are all that are in it."""

    utility: Utility
    low: float
    high: float
    plots: int
    unknown: int
    standings: Sequence[Standing]


@dataclass(frozen=True, slots=True)
class PlanCapacity:
    """A released plan: sums by utility, loads of facilities, and the plots whose use raises a question."""

    sums: Sequence[Sum]
    loads: Sequence[FacilityLoad]
    asks: Sequence[tuple[Plot, Uses]]


def plan_capacity(session: Session, plan: SupplyPlan, reach: Reach, now: datetime) -> PlanCapacity:
    """Add up what the plots of a plan need, and what leans on the facilities that they lean on."""
    figures = demand.figures(session, plan.plots, reach)
    sums = []
    for utility in Utility:
        own = [figures[plot.id, utility] for plot in plan.plots]
        known = [f for f in own if f.low is not None]
        sums.append(
            Sum(
                utility,
                sum(f.low or 0.0 for f in known),
                sum(f.high or 0.0 for f in known),
                len(known),
                len(own) - len(known),
                sorted({f.standing for f in known}),
            )
        )
    asks = [
        (plot, uses)
        for plot in plan.plots
        if (uses := figures[plot.id, Utility.WATER].uses).question is not None
    ]
    return PlanCapacity(sums, capacity.plan_loads(session, plan, reach, now), asks)


def needs(
    session: Session,
    plot: Plot,
    near: Mapping[Utility, Sequence[NearFacility]],
    reach: Reach,
    now: datetime,
) -> dict[Utility, Need]:
    """Return the needs of a plot for the utilities of `near`, whose facilities the asker was shown."""
    rows = {one.facility_id for found in near.values() for one in found}
    lasting = capacity.roots(session, rows)
    known = capacity.stated(session, set(lasting.values()))
    wanted = capacity.facilities_of(session, [plot.id], now)
    if actor_of(session).role is Role.ENTERPRISE:
        wanted |= set(lasting.values())
    loads = capacity.loads(session, wanted, reach, now).values()
    figures = demand.figures(session, [plot], reach)
    said = demand.history(session, plot.id)
    return {
        utility: Need(
            figures[plot.id, utility],
            said.get(utility, ()),
            {one.facility_id: known[lasting[one.facility_id]] for one in found},
            sorted(
                (one for one in loads if one.stated.utility is utility),
                key=lambda one: (not one.load.over, one.stated.facility_id),
            ),
        )
        for utility, found in near.items()
    }
