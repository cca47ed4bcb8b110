"""Measuring plots against every enterprise's current layers, and keeping what was measured as checks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import shapely
from geoalchemy2 import WKBElement
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from geo import flat
from geo.coverage import Served, served_by
from geo.crs import Geometries, to_stored, to_working, working_crs
from geo.flat import Ints, Numbers
from geo.ground import Ground
from geo.outlines import Outlines
from geo.search import nearest
from landready.bulk import insert_rows
from landready.checks import Check, NearFacility, ServedShare
from landready.db import as_engine
from landready.demand import demand_of
from landready.layer_indexes import index_of
from landready.layers import Facility, Layer, ServiceArea
from landready.organisations import Organisation
from landready.plans import Plot
from landready.settings import Settings
from landready.shapes import SRID, loaded, stored
from landready.utilities import Utility

# A degree of latitude is at least 110.5 km; a tenth more makes up for the scale of any working CRS.
_METRES_A_DEGREE = 110_500 / 1.1
Box = tuple[float, float, float, float]
_TURN = 4600002


@dataclass(frozen=True, slots=True)
class _Ground:
    """The plots that share a working CRS, projected, and the lon/lat box in which anything near them lies."""

    plots: Sequence[Plot]
    ground: Ground
    box: Box


@dataclass(frozen=True, slots=True)
class _Near:
    """The facilities found around some plots: place of the plot, id, owner, layer, rank, metres, and the link."""

    plot: Ints
    facility: Ints
    layer: Ints
    owner: Ints
    rank: Ints
    distance_m: Numbers
    link: Numbers


def measure(
    session: Session,
    settings: Settings,
    plots: Sequence[Plot],
    now: datetime,
    utilities: Sequence[Utility] = tuple(Utility),
) -> list[Check]:
    """Measure each plot for each utility and keep one check each, in the order of plots within a working CRS.

    Of every enterprise the `check.nearest` nearest facilities within `check.radius_m` are kept, so that each sees its own
    however near another's are, and the share of the plot inside each enterprise's service areas.

    Raises:
        ValueError: a plot lies outside the zones of China and no working CRS is configured.
    """
    checks: list[Check] = []
    take_turn(session)
    with as_engine(session):
        for here in _around_each(plots, settings):
            for utility in utilities:
                checks += _measure(session, settings, here, utility, now)
    return checks


def take_turn(session: Session, *, alone: bool = False) -> None:
    """Let releases measure side by side, and a changed layer's re-measuring alone, until the transaction ends.

    Else a release that measured the layer of before could commit after the look for plots that the change touches.
    """
    lock = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
    session.execute(select(lock(_TURN)))


def grounds(plots: Sequence[Plot], settings: Settings) -> Iterator[Ground]:
    """Project plots, those that share a working CRS together; their places are in the order given.

    Raises:
        ValueError: a plot lies outside the zones of China and no working CRS is configured.
    """
    shapes = loaded(plot.geom for plot in plots)
    west, _, east, _ = shapely.bounds(shapes).reshape(-1, 4).T
    systems = [working_crs(float(lon), settings.region.working_crs) for lon in (west + east) / 2]
    for system in sorted(set(systems)):
        here = [i for i, name in enumerate(systems) if name == system]
        ids = np.array([plots[i].id for i in here], dtype=np.int64)
        # Projecting may fold a sliver that was valid in degrees.
        projected = shapely.make_valid(to_working(shapes[here], system))
        yield Ground.of(ids, flat.from_shapely(projected), system)


def _around_each(plots: Sequence[Plot], settings: Settings) -> Iterator[_Ground]:
    by_id = {plot.id: plot for plot in plots}
    for ground in grounds(plots, settings):
        here = [by_id[plot_id] for plot_id in ground.ids.tolist()]
        box = around(loaded(plot.geom for plot in here), settings.check.radius_m)
        yield _Ground(here, ground, box)


def around(shapes: Geometries, radius_m: float) -> Box:
    """The box around lon/lat shapes and everything within the radius, rather too large than too small."""
    west, south, east, north = (float(v) for v in shapely.total_bounds(shapes))
    high = radius_m / _METRES_A_DEGREE
    wide = high / max(math.cos(math.radians(max(abs(south), abs(north)) + high)), 0.01)
    return west - wide, south - high, east + wide, north + high


def _measure(
    session: Session, settings: Settings, here: _Ground, utility: Utility, now: datetime
) -> list[Check]:
    near = _nearest_of_each(session, settings, here, utility)
    areas = _areas(session, utility, here)
    shapes = flat.from_shapely(to_working(loaded(row.geom for row in areas), here.ground.crs))
    outlines = Outlines.of(np.arange(len(areas)), shapes, here.ground.crs)
    owners = np.array([row.enterprise_id for row in areas], dtype=np.int64)
    served = served_by(here.ground, outlines, owners)
    seen = {row.layer_id for row in areas} | set(near.layer.tolist())
    layers = _layers(session, utility, here, seen)
    insert_rows(
        session,
        Check,
        [
            {
                "plot_id": plot.id,
                "office_id": plot.office_id,
                "utility": utility.value,
                "plot_revision": plot.revision,
                "measured_at": now,
                "working_crs": here.ground.crs,
                "radius_m": settings.check.radius_m,
                "served_share": float(share),
                "layers": layers[plot.city],
                **demand_of(plot, utility, settings.check),
            }
            for plot, share in zip(here.plots, served.of_all, strict=True)
        ],
    )
    checks = session.scalars(
        select(Check)
        .where(
            Check.plot_id.in_([plot.id for plot in here.plots]),
            Check.utility == utility.value,
            Check.measured_at == now,
        )
        .order_by(Check.id)
    ).all()
    of_plot = {check.plot_id: check for check in checks}
    in_order = [of_plot[plot.id] for plot in here.plots]
    _keep_near(session, near, here.ground.crs, in_order)
    _keep_shares(session, served, in_order)
    return list(checks)


def _nearest_of_each(
    session: Session, settings: Settings, here: _Ground, utility: Utility
) -> _Near:
    """The nearest of every enterprise, ranked together by distance within each plot."""
    found: list[tuple[Ints | Numbers, ...]] = []
    for layer in _near_layers(session, utility, here):
        index = index_of(session, settings, layer, here.ground.crs)
        reached = nearest(
            here.ground, [(index, None)], settings.check.radius_m, settings.check.nearest
        )
        plot, rank = np.nonzero(reached.facility >= 0)
        count = len(plot)
        found.append(
            (
                plot,
                reached.facility[plot, rank],
                np.full(count, layer.id),
                np.full(count, layer.enterprise_id),
                reached.distance[plot, rank],
                reached.link[plot, rank],
            )
        )
    if not found:
        nothing = np.zeros(0, np.int64)
        return _Near(*(nothing,) * 5, np.zeros(0), np.zeros((0, 4)))
    plot, facility, layers, owner, distance, link = (
        np.concatenate(column) for column in zip(*found, strict=True)
    )
    # An enterprise with several layers keeps the nearest of all of them.
    order = np.lexsort((facility, distance, owner, plot))
    _, among = _ranks(np.column_stack((plot, owner))[order])
    order = order[among <= settings.check.nearest]
    order = order[np.lexsort((facility[order], distance[order], plot[order]))]
    _, rank = _ranks(plot[order, None])
    return _Near(
        plot[order],
        facility[order],
        layers[order],
        owner[order],
        rank,
        distance[order],
        link[order],
    )


def _ranks(keys: Ints) -> tuple[Ints, Ints]:
    """For sorted keys, shape (n, columns): which run of equal keys each belongs to, and its rank in it from 1."""
    new = np.ones(len(keys), np.bool_)
    new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    run = np.cumsum(new) - 1
    return run, np.arange(len(keys)) - np.flatnonzero(new)[run] + 1


def _near_layers(session: Session, utility: Utility, here: _Ground) -> list[Layer]:
    """The current facility layers that reach into the box."""
    layers = session.scalars(
        select(Layer)
        .where(Layer.current, Layer.kind == "facilities", Layer.utility == utility.value)
        .order_by(Layer.id)
    )
    return [layer for layer in layers if layer.extent and _meet(layer.extent, here.box)]


def _meet(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def _areas(
    session: Session, utility: Utility, here: _Ground
) -> Sequence[Row[int, int, WKBElement]]:
    """Load the current service areas by one box: under row-level security PostGIS's index serves no join."""
    box = func.ST_MakeEnvelope(*here.box, SRID)
    return session.execute(
        select(ServiceArea.enterprise_id, ServiceArea.layer_id, ServiceArea.geom)
        .join(Layer, Layer.id == ServiceArea.layer_id)
        .where(Layer.current, Layer.utility == utility.value, ServiceArea.geom.op("&&")(box))
        .order_by(ServiceArea.id)
    ).all()


def _layers(
    session: Session, utility: Utility, here: _Ground, seen: set[int]
) -> Mapping[str, list[dict[str, int]]]:
    """By city, which layer versions were measured: those of its enterprises and those found around its plots."""
    rows = session.execute(
        select(Layer.id, Layer.enterprise_id, Layer.version, Organisation.city)
        .join(Organisation, Organisation.id == Layer.enterprise_id)
        .where(Layer.current, Layer.utility == utility.value)
        .order_by(Layer.id)
    ).all()
    return {
        city: [
            {"layer": row.id, "enterprise": row.enterprise_id, "version": row.version}
            for row in rows
            if row.city in ("", city) or row.id in seen
        ]
        for city in {plot.city for plot in here.plots}
    }


def _keep_near(session: Session, near: _Near, crs: str, checks: Sequence[Check]) -> None:
    known = {
        row.id: row
        for row in session.execute(
            select(Facility.id, Facility.name, Facility.spare_capacity).where(
                Facility.id.in_(np.unique(near.facility).tolist())
            )
        )
    }
    lines = np.asarray(shapely.linestrings(near.link.reshape(-1, 2, 2)), dtype=object)
    links: list[WKBElement] = stored(to_stored(lines, crs))
    rows = []
    for i, link in enumerate(links):
        check, facility = checks[near.plot[i]], known[int(near.facility[i])]
        rows.append(
            {
                "check_id": check.id,
                "office_id": check.office_id,
                "enterprise_id": int(near.owner[i]),
                "facility_id": facility.id,
                "rank": int(near.rank[i]),
                "name": facility.name,
                "distance_m": float(near.distance_m[i]),
                "spare_capacity": facility.spare_capacity,
                "link": link,
            }
        )
    insert_rows(session, NearFacility, rows)


def _keep_shares(session: Session, served: Served, checks: Sequence[Check]) -> None:
    rows = [
        {
            "check_id": checks[plot].id,
            "office_id": checks[plot].office_id,
            "enterprise_id": int(owner),
            "share": float(share),
        }
        for plot, owner, share in zip(served.plot, served.owner, served.share, strict=True)
    ]
    insert_rows(session, ServedShare, rows)
