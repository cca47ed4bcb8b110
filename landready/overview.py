"""How far things are, city by city: plans, plots, pushes, applications, items; and who is late (R13).

A supervisor sees the province or a city, an office its own. What is late is public by enterprise: silence is never a yes and
never hidden.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from landready.applications import Application, Item
from landready.clock import today
from landready.db import as_engine
from landready.gate import readiness_of
from landready.layers import Layer, ServiceArea
from landready.listings import Listing
from landready.organisations import Organisation
from landready.plans import Plot, SupplyPlan
from landready.pushes import Push, PushState
from landready.readiness import Readiness
from landready.settings import Gate
from landready.shapes import to_geojson
from landready.standing import waits

# Plans that the page links to.
PLANS = 100


class PlotState(StrEnum):
    """Where a plot of a released plan stands: its listing, else what the gate says today."""

    BLOCKED = "blocked"
    # Nothing stands against it but answers that may still come in time.
    WAITING = "waiting"
    READY = "ready"
    LISTED = "listed"
    SUSPENDED = "suspended"
    SOLD = "sold"


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts by state. `items` is by national status code, the draft's items left out."""

    plans: Counter[str] = field(default_factory=Counter)
    plots: Counter[str] = field(default_factory=Counter)
    pushes: Counter[str] = field(default_factory=Counter)
    applications: Counter[str] = field(default_factory=Counter)
    items: Counter[int] = field(default_factory=Counter)

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.plans + other.plans,
            self.plots + other.plots,
            self.pushes + other.pushes,
            self.applications + other.applications,
            self.items + other.items,
        )


@dataclass(frozen=True, slots=True)
class Late:
    """A push that is still unanswered after its due date; `days` counts calendar days since then."""

    city: str
    enterprise: str
    title: str
    plan_id: int | None
    push_id: int
    due_on: date
    days: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Figures by city in code order, their sum, everything that is late, the longest first, and the newest plans."""

    cities: Mapping[str, Figures]
    total: Figures
    late: Sequence[Late]
    plans: Sequence[SupplyPlan]


@dataclass(frozen=True, slots=True)
class Public:
    """What everybody may know of an enterprise (R22): `areas` are GeoJSON geometries, `late` its overdue answers."""

    enterprise: Organisation
    areas: Sequence[dict[str, object]]
    late: int
    latest_days: int


def overview(session: Session, gate: Gate, now: datetime, *, city: str = "") -> Overview:
    """Count what the asker may see, in one city or in all."""
    day = today(now)
    found: dict[str, Figures] = defaultdict(Figures)
    _plans(session, found, gate, now)
    late = _pushes(session, found, day)
    _projects(session, found)
    kept = {code: found[code] for code in sorted(found) if not city or code == city}
    return Overview(
        kept,
        sum(kept.values(), Figures()),
        sorted((x for x in late if not city or x.city == city), key=lambda x: (-x.days, x.title)),
        _newest(session, city),
    )


def _newest(session: Session, city: str) -> Sequence[SupplyPlan]:
    query = select(SupplyPlan).order_by(SupplyPlan.created_at.desc(), SupplyPlan.id.desc())
    if city:
        query = query.where(SupplyPlan.city == city)
    return session.scalars(query.limit(PLANS)).all()


def _plans(session: Session, found: dict[str, Figures], gate: Gate, now: datetime) -> None:
    plans = session.execute(select(SupplyPlan.id, SupplyPlan.city, SupplyPlan.state)).all()
    for _, city, state in plans:
        found[city].plans[state] += 1
    # By plan: the asker may see listed plots of other cities too, but they are not to be counted.
    plots = session.execute(
        select(Plot.id, SupplyPlan.city)
        .join(SupplyPlan, SupplyPlan.id == Plot.plan_id)
        .where(SupplyPlan.state == "released")
    ).all()
    listings = session.execute(
        select(Listing.plot_id, Listing.state)
        .where(Listing.state != "withdrawn", Listing.plot_id.in_([p for p, _ in plots]))
        .order_by(Listing.id)
    )
    offered = {plot_id: state for plot_id, state in listings}  # noqa: C416 - rows are no pairs to mypy
    judged = readiness_of(session, [p for p, _ in plots if p not in offered], gate, now)
    for plot_id, city in plots:
        found[city].plots[offered.get(plot_id) or _stage(judged[plot_id])] += 1


def _stage(found: Readiness) -> PlotState:
    if found.may_list:
        return PlotState.READY
    return PlotState.WAITING if waits(found) else PlotState.BLOCKED


def _pushes(session: Session, found: dict[str, Figures], day: date) -> list[Late]:
    late = []
    pushes = session.scalars(
        select(Push).options(joinedload(Push.plan), joinedload(Push.permit)).order_by(Push.id)
    )
    for push in pushes.unique():
        city, state = push.office.city, push.state(day)
        found[city].pushes[state] += 1
        if state is PushState.LATE:
            title = (
                push.plan.title if push.plan else push.permit.project_name if push.permit else ""
            )
            days = (day - push.due_on).days
            late.append(
                Late(city, push.enterprise.name, title, push.plan_id, push.id, push.due_on, days)
            )
    return late


def _projects(session: Session, found: dict[str, Figures]) -> None:
    applications = session.execute(
        select(Application.city, Application.state, func.count()).group_by(
            Application.city, Application.state
        )
    )
    for city, state, count in applications:
        found[city].applications[state] += count
    items = session.execute(
        select(Application.city, Item.state, func.count())
        .join(Application, Application.id == Item.application_id)
        .group_by(Application.city, Item.state)
    )
    for city, code, count in items:
        if code is not None:
            found[city].items[code] += count


def public_enterprises(session: Session, now: datetime, *, city: str = "") -> list[Public]:
    """Return the enterprises of a city, those of the whole province included, with what is public of them.

    How many answers are overdue is counted for everybody to see; which plans they are about is not told.
    """
    query = (
        select(Organisation)
        .where(Organisation.kind == "enterprise")
        .order_by(Organisation.city, Organisation.id)
    )
    if city:
        query = query.where(Organisation.city.in_((city, "")))
    enterprises = session.scalars(query).all()
    areas: dict[int, list[dict[str, object]]] = defaultdict(list)
    for area in session.scalars(
        select(ServiceArea)
        .join(Layer, Layer.id == ServiceArea.layer_id)
        .where(Layer.current, ServiceArea.enterprise_id.in_([e.id for e in enterprises]))
        .order_by(ServiceArea.id)
    ):
        areas[area.enterprise_id].append(to_geojson(area.geom))
    day = today(now)
    with as_engine(session):
        late = {
            enterprise_id: (count, (day - oldest).days)
            for enterprise_id, count, oldest in session.execute(
                select(Push.enterprise_id, func.count(), func.min(Push.due_on))
                .where(Push.answered_at.is_(None), Push.due_on < day)
                .group_by(Push.enterprise_id)
            )
        }
    return [Public(e, areas[e.id], *late.get(e.id, (0, 0))) for e in enterprises]
