"""Spare capacity of facilities, as their enterprises stated it, and who leans on it: all pushed, answered and listed plots.

A facility is named by the id of its first row through all versions of its layer (Facility.same_as). What an office, supervisor
or enterprise asks about is read with the product's own eyes; plots that the asker may not know keep their amounts only.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, defer, joinedload

from landready import demand
from landready.checks import Check, NearFacility
from landready.clock import today as local_date
from landready.db import Actor, Role, actor_of, as_engine
from landready.layers import Facility, Layer
from landready.leaning import Pair, among, leans_on, near
from landready.leaning import root as root
from landready.leaning import roots as roots
from landready.loads import Claim, Kind, Load, age_days, load
from landready.organisations import Organisation
from landready.plans import Plot, SupplyPlan
from landready.pushes import Push, PushPlot
from landready.reservations import Reservation
from landready.settings import Check as Reach
from landready.utilities import Utility


@dataclass(frozen=True, slots=True)
class Stated:
    """One facility as its enterprise states it now. `spare` None: not stated. `current`: it is in the newest version of its layer."""

    facility_id: int
    enterprise_id: int
    enterprise: str
    utility: Utility
    name: str
    spare: float | None
    stated_at: datetime
    current: bool

    def days(self, now: datetime) -> int:
        """Whole days since the capacity was stated."""
        return age_days(self.stated_at, now)


@dataclass(frozen=True, slots=True)
class FacilityLoad:
    """A facility and all that is wanted of it."""

    stated: Stated
    load: Load


@dataclass(frozen=True, slots=True)
class Candidate:
    """A facility that could serve a plot: `distance_m` from the plot's boundary, what the plot needs (None: not known)."""

    plot_id: int
    utility: Utility
    facility_id: int
    enterprise_id: int
    distance_m: float
    low: float | None
    high: float | None


def stated(session: Session, facility_ids: Collection[int]) -> dict[int, Stated]:
    """Return what is stated of each facility (lasting ids) in the newest version that has it."""
    with as_engine(session):
        rows = session.execute(
            select(
                root().label("root"), Facility.name, Facility.spare_capacity, Facility.stated_at,
                Layer.enterprise_id, Layer.utility, Layer.created_at, Layer.current,
                Organisation.name.label("enterprise"),
            )
            .ext(distinct_on(root()))
            .join(Layer, Layer.id == Facility.layer_id)
            .join(Organisation, Organisation.id == Layer.enterprise_id)
            .where(or_(among(Facility.id, facility_ids), among(Facility.same_as, facility_ids)))
            .order_by(root(), Layer.current.desc(), Layer.version.desc(), Facility.id.desc())
        )  # fmt: skip
        return {
            row.root: Stated(
                row.root, row.enterprise_id, row.enterprise, Utility(row.utility), row.name,
                row.spare_capacity, row.stated_at or row.created_at, row.current,
            )
            for row in rows
        }  # fmt: skip


def candidates(session: Session, plan_id: int, reach: Reach) -> list[Candidate]:
    """Return, from the newest checks, the facilities near each plot of a plan that the asker may see, nearest first.

    Also of enterprises that answered that they cannot: what an answer forbids is the caller's to leave out.
    """
    plots = session.scalars(
        select(Plot)
        .where(Plot.plan_id == plan_id)
        .options(defer(Plot.geom), joinedload(Plot.plan))
        .order_by(Plot.row, Plot.id)
    ).all()
    needs = demand.figures(session, plots, reach)
    with as_engine(session):
        around = near(session, [plot.id for plot in plots])
    return [
        Candidate(
            plot.id, utility, one.root, one.enterprise_id, one.distance_m,
            needs[plot.id, utility].low, needs[plot.id, utility].high,
        )
        for plot in plots
        for utility in Utility
        for one in around.get((plot.id, utility.value), ())
    ]  # fmt: skip


def held(
    session: Session,
    facility_ids: Collection[int],
    now: datetime,
    without_plots: Collection[int] = (),
) -> dict[int, Load]:
    """Return what is reserved of each facility, in order; `without_plots` are taken as if they held nothing.

    `left` of a load is what may still be given. A facility that nobody holds anything of is there too, if it exists.
    """
    with as_engine(session):
        known = stated(session, facility_ids)
        claims = _reserved(session, known, local_date(now))
    return {
        facility_id: load(
            one.spare, [c for c in claims[facility_id] if c.plot_id not in without_plots]
        )
        for facility_id, one in known.items()
    }


def loads(
    session: Session, facility_ids: Collection[int], reach: Reach, now: datetime
) -> dict[int, FacilityLoad]:
    """Return all that is wanted of each facility: reservations in their order, then plots that lean on it, as they were pushed.

    An enterprise is told of its own facilities only.
    """
    asker = actor_of(session)
    with as_engine(session):
        known = stated(session, facility_ids)
        if asker.role is Role.ENTERPRISE:
            known = {k: s for k, s in known.items() if s.enterprise_id == asker.organisation_id}
        reserved = _reserved(session, known, local_date(now))
        leaning = _leaning(session, known, reach, now)
        claims = {k: reserved[k] + leaning[k] for k in known}
        seen = _seen(session, asker, {c.plot_id for found in claims.values() for c in found})
    return {
        k: FacilityLoad(
            known[k], load(known[k].spare, [c if c.plot_id in seen else _hidden(c) for c in found])
        )
        for k, found in claims.items()
    }


def plan_loads(
    session: Session, plan: SupplyPlan, reach: Reach, now: datetime
) -> list[FacilityLoad]:
    """Return the facilities that the plots of a released plan hold or lean on: those that are over first."""
    ids = list(session.scalars(select(Plot.id).where(Plot.plan_id == plan.id)))
    found = loads(session, facilities_of(session, ids, now), reach, now)
    order = list(Utility)
    return sorted(
        found.values(),
        key=lambda one: (
            not one.load.over, order.index(one.stated.utility), one.stated.name, one.stated.facility_id,
        ),
    )  # fmt: skip


def reserved(session: Session, plot_ids: Sequence[int], now: datetime) -> dict[Pair, int]:
    """Return, by plot and utility, the facility of which a plot holds something."""
    with as_engine(session):
        taken = _live(session, local_date(now), among(Reservation.plot_id, plot_ids))
        return {(r.plot_id, r.utility): r.facility_id for r in taken}


def facilities_of(session: Session, plot_ids: Sequence[int], now: datetime) -> set[int]:
    """Return the facilities that plots hold something of, or lean on."""
    with as_engine(session):
        taken = _live(session, local_date(now), among(Reservation.plot_id, plot_ids))
        lean = leans_on(session, plot_ids, {(r.plot_id, r.utility) for r in taken})
    return {r.facility_id for r in taken} | set(lean.values())


def _reserved(session: Session, known: Mapping[int, Stated], day: date) -> dict[int, list[Claim]]:
    """Reservations in the order of their places. What was connected before a capacity was stated is no longer in that number."""
    found: dict[int, list[Claim]] = defaultdict(list)
    for r in _live(session, day, Reservation.facility_id.in_(known)):
        if r.state == Kind.CONNECTED and r.state_at <= known[r.facility_id].stated_at:
            continue
        found[r.facility_id].append(
            Claim(
                r.plot_id, r.plot.code, Kind(r.state), r.low, r.high, r.reserved_at, r.expires_on,
                r.exception,
            )
        )  # fmt: skip
    return found


def _live(session: Session, day: date, *where: ColumnElement[bool]) -> Sequence[Reservation]:
    """Reservations that hold on a day, in the order of their places."""
    return session.scalars(
        select(Reservation)
        .join(Reservation.plot)
        .options(joinedload(Reservation.plot).defer(Plot.geom))
        .where(
            Reservation.state != "released",
            or_(Reservation.expires_on.is_(None), Reservation.expires_on >= day),
            Reservation.plot_revision == Plot.revision,
            *where,
        )
        .order_by(func.coalesce(Reservation.place, Reservation.id))
        .execution_options(populate_existing=True)
    ).all()


def _leaning(
    session: Session, known: Mapping[int, Stated], reach: Reach, now: datetime
) -> dict[int, list[Claim]]:
    """Plots without a reservation, in the order in which they were pushed."""
    rows = select(Facility.id).where(or_(among(Facility.id, known), among(Facility.same_as, known)))
    ids = session.scalars(rows).all()
    around = set(
        session.scalars(
            select(Check.plot_id)
            .distinct()
            .join(NearFacility, NearFacility.check_id == Check.id)
            .where(among(NearFacility.facility_id, ids))
        )
    )
    taken = _live(session, local_date(now), among(Reservation.plot_id, around))
    lean = leans_on(session, list(around), {(r.plot_id, r.utility) for r in taken})
    here = {pair: facility for pair, facility in lean.items() if facility in known}
    leaning = {plot_id for plot_id, _ in here}
    plots = session.scalars(
        select(Plot).where(among(Plot.id, leaning)).options(defer(Plot.geom), joinedload(Plot.plan))
    ).all()
    needs = demand.figures(session, plots, reach)
    since = dict(
        session.execute(
            select(PushPlot.plot_id, func.min(Push.pushed_at))
            .join(Push, Push.id == PushPlot.push_id)
            .where(among(PushPlot.plot_id, leaning))
            .group_by(PushPlot.plot_id)
        ).all()
    )
    found: dict[int, list[Claim]] = defaultdict(list)
    for plot in sorted(plots, key=lambda plot: (since[plot.id], plot.id)):
        for utility in Utility:
            if facility := here.get((plot.id, utility.value)):
                need = needs[plot.id, utility]
                found[facility].append(
                    Claim(plot.id, plot.code, Kind.LEANING, need.low, need.high, since[plot.id])
                )
    return found


def _seen(session: Session, asker: Actor, plot_ids: Collection[int | None]) -> set[int | None]:
    """The plots whose names an office or supervisor may know: those of its own; an enterprise knows all that it was pushed."""
    if asker.role in (Role.ENTERPRISE, Role.ENGINE):
        return set(plot_ids)
    mine = select(Plot.id).where(among(Plot.id, {i for i in plot_ids if i is not None}))
    if asker.role is Role.OFFICE:
        mine = mine.where(Plot.office_id == asker.organisation_id)
    elif asker.role is not Role.SUPERVISOR:
        return set()
    elif asker.city:
        mine = mine.where(Plot.city == asker.city)
    return set(session.scalars(mine))


def _hidden(claim: Claim) -> Claim:
    return replace(claim, plot_id=None, code="", exception="")
