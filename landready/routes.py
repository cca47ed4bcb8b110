"""Connection routes: how a plot or a project's site would be connected to a facility, computed on demand and kept (R3, R14).

A route is kept beside the check it belongs to (or the permit), dated, with the versions of the city's base layers that it was computed
with. It is computed when someone first looks, not at a plan's release: a release of 2,000 plots would wait a minute for lines that
nobody may ever open. New base layers make new routes; the old ones stay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import shapely
from geoalchemy2 import Geometry, WKBElement
from sqlalchemy import CheckConstraint, ForeignKey, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from geo.crs import to_stored, to_working
from landready import base_layers
from landready.base_ground import ground_around, shape_array
from landready.checks import Check, NearFacility
from landready.db import Base, Id, as_engine
from landready.external_lines import Judgement, Met, judge
from landready.layers import Facility
from landready.organisations import Organisation
from landready.plans import Plot
from landready.road_classes import RoadClass
from landready.settings import Route as Terms
from landready.shapes import loaded, stored


class ConnectionRoute(Base):
    """One way of a connection line, in metres of `working_crs`; `geom` in EPSG:4490."""

    __tablename__ = "connection_route"
    id: Mapped[Id]
    # Of the line that a check found to one of the nearest facilities, or of a project that its permit seeded.
    near_id: Mapped[int | None] = mapped_column(
        ForeignKey("check_facility.id", ondelete="CASCADE"), index=True
    )
    permit_id: Mapped[int | None] = mapped_column(ForeignKey("permit.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    utility: Mapped[str] = mapped_column(String(20))
    # roads or straight; straight lines say why: touches, no_roads, no_path, direct.
    method: Mapped[str] = mapped_column(String(10))
    why: Mapped[str] = mapped_column(String(10), default="")
    length_m: Mapped[float]
    along_m: Mapped[float]
    straight_m: Mapped[float]
    working_crs: Mapped[str] = mapped_column(String(40))
    computed_at: Mapped[datetime]
    # landready.base_layers.as_stored of the versions that were there, and landready.external_lines.Met of what the line meets.
    base: Mapped[list[Any]] = mapped_column(default=list)
    met: Mapped[list[Any]] = mapped_column(default=list)
    geom: Mapped[WKBElement] = mapped_column(Geometry("LINESTRING", srid=4490, spatial_index=False))
    enterprise: Mapped[Organisation] = relationship(foreign_keys=[enterprise_id])
    __table_args__ = (
        CheckConstraint("(near_id is null) <> (permit_id is null)", name="subject"),
        CheckConstraint("method in ('roads','straight')", name="method"),
    )


@dataclass(frozen=True, slots=True)
class RouteView:
    """A stored route as it is shown: what the line meets, and what that takes on the day of looking."""

    route: ConnectionRoute
    met: tuple[Met, ...]
    judgement: Judgement

    @property
    def illustrative(self) -> bool:
        """Was one of its base layers drawn for demonstration?"""
        return any(layer.get("illustrative") for layer in self.route.base)


def of_plot(
    session: Session,
    terms: Terms,
    plot: Plot,
    checks: Sequence[Check],
    now: datetime,
) -> dict[int, RouteView]:
    """Return the route to each enterprise's nearest facility of these checks of one plot, by the id of that NearFacility.

    What is not computed yet for the current base layers is computed and kept. A check of the plot as it once was has no route.
    """
    near = {
        one.id: (check, one)
        for check in checks
        if check.plot_revision == plot.revision
        for one in nearest_of_each(check.facilities)
    }
    if not near:
        return {}
    with as_engine(session):
        base = base_layers.as_stored(base_layers.current_layers(session, plot.office_id))
        kept = _kept(session, near, base)
        if len(kept) < len(near):
            # Two who look at once: the second waits and finds the lines of the first.
            turn = func.hashtextextended(f"routes of plot {plot.id}", 0)
            session.execute(select(func.pg_advisory_xact_lock(turn)))
            kept = _kept(session, near, base)
            missing = [pair for key, pair in near.items() if key not in kept]
            kept |= _compute(session, terms, plot, missing, now)
    return {key: view(kept[key], now) for key in near}


def of_permit(session: Session, permit_id: int, now: datetime) -> list[RouteView]:
    """Return the routes with which a project was seeded, as far as the asker may see them: office and enterprise."""
    found = session.scalars(
        select(ConnectionRoute)
        .where(ConnectionRoute.permit_id == permit_id)
        .order_by(ConnectionRoute.id)
    )
    return [view(route, now) for route in found]


def nearest_of_each(facilities: Iterable[NearFacility]) -> list[NearFacility]:
    """Return each enterprise's nearest facility, the nearest first."""
    first: dict[int, NearFacility] = {}
    for one in sorted(facilities, key=lambda facility: facility.rank):
        first.setdefault(one.enterprise_id, one)
    return list(first.values())


def view(route: ConnectionRoute, now: datetime) -> RouteView:
    """Judge a stored route on the day of `now`."""
    met = tuple(_met(kept) for kept in route.met)
    known = {layer["kind"] for layer in route.base}
    return RouteView(route, met, judge(met, known, route.length_m, now))


def _kept(
    session: Session, near: Iterable[int], base: list[dict[str, Any]]
) -> dict[int, ConnectionRoute]:
    """The newest route of each line that was computed with exactly these versions."""
    found = session.scalars(
        select(ConnectionRoute)
        .where(ConnectionRoute.near_id.in_(list(near)))
        .order_by(ConnectionRoute.id)
    )
    return {route.near_id: route for route in found if route.near_id and route.base == base}


def _compute(
    session: Session,
    terms: Terms,
    plot: Plot,
    missing: Sequence[tuple[Check, NearFacility]],
    now: datetime,
) -> dict[int, ConnectionRoute]:
    if not missing:
        return {}
    ids = [one.facility_id for _, one in missing]
    shapes = dict(
        session.execute(select(Facility.id, Facility.geom).where(Facility.id.in_(ids))).all()
    )
    targets = [Target(c.utility, one.enterprise_id, shapes[one.facility_id]) for c, one in missing]
    system = missing[0][0].working_crs
    made = trace(session, terms, plot.geom, plot.office_id, system, targets, now)
    for route, (_, one) in zip(made, missing, strict=True):
        route.near_id = one.id
    session.add_all(made)
    session.flush()
    return {one.id: route for route, (_, one) in zip(made, missing, strict=True)}


@dataclass(frozen=True, slots=True)
class Target:
    """What a line leads to: a shape in EPSG:4490 of an enterprise, for one utility."""

    utility: str
    enterprise_id: int
    geom: WKBElement


def trace(
    session: Session,
    terms: Terms,
    origin: WKBElement,
    office_id: int,
    system: str,
    targets: Sequence[Target],
    now: datetime,
) -> list[ConnectionRoute]:
    """Compute the routes from a place to targets with an office's current base layers; not yet kept, as the engine."""
    if not targets:
        return []
    ends = loaded(target.geom for target in targets)
    start = loaded([origin])
    links = shapely.shortest_line(start[0], ends)
    ground = ground_around(session, office_id, system, links, terms)
    lines = ground.lines(to_working(start, system)[0], list(to_working(ends, system)), terms)
    drawn = stored(to_stored(shape_array([line.route.line for line in lines]), system))
    return [
        ConnectionRoute(
            office_id=office_id,
            enterprise_id=target.enterprise_id,
            utility=target.utility,
            method=line.route.method,
            why=line.route.why,
            length_m=line.route.length_m,
            along_m=line.route.along_m,
            straight_m=line.route.straight_m,
            working_crs=system,
            computed_at=now,
            base=ground.base,
            met=[_as_json(met) for met in line.met],
            geom=geom,
        )
        for target, line, geom in zip(targets, lines, drawn, strict=True)
    ]


def _as_json(met: Met) -> dict[str, Any]:
    kept = asdict(met)
    for name in ("completed", "overhauled"):
        kept[name] = kept[name] and kept[name].isoformat()
    return kept


def _met(kept: Mapping[str, Any]) -> Met:
    days = {
        name: date.fromisoformat(kept[name]) if kept[name] else None
        for name in ("completed", "overhauled")
    }
    road_class = RoadClass(kept["road_class"]) if kept["road_class"] else None
    return Met(**{**kept, **days, "road_class": road_class, "place": tuple(kept["place"])})
