"""Measuring plots against every enterprise's current layers, and keeping what was measured as checks."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import shapely
from geoalchemy2 import WKBElement
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from geo.coverage import Near, Shapes, Shares, nearest, shares
from geo.crs import Geometries, to_stored, to_working, working_crs
from landready.bulk import insert_rows
from landready.checks import Check, NearFacility, ServedShare
from landready.db import as_engine
from landready.demand import demand_of
from landready.layers import Facility, Layer, ServiceArea
from landready.organisations import Organisation
from landready.plans import Plot
from landready.settings import Check as Reach
from landready.settings import Region
from landready.shapes import SRID, loaded, stored
from landready.utilities import Utility

# A degree of latitude is at least 110.5 km; a tenth more makes up for the scale of any working CRS.
_METRES_A_DEGREE = 110_500 / 1.1
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Ground:
    """The plots that share a working CRS, projected, and the lon/lat box in which anything near them lies."""

    plots: Sequence[Plot]
    shapes: Shapes
    box: _Box


@dataclass(frozen=True, slots=True)
class _Network:
    """Candidates of one utility around some plots: rows in the order of `shapes`."""

    rows: Sequence[Row[Any]]
    shapes: Shapes


def measure(
    session: Session, reach: Reach, region: Region, plots: Sequence[Plot], now: datetime
) -> list[Check]:
    """Measure each plot for all six utilities and keep one check each, in the order of plots within a working CRS.

    Of every enterprise the `reach.nearest` nearest facilities within `reach.radius_m` are kept, so that each sees its own
    however near another's are, and the share of the plot inside each enterprise's service areas.

    Raises:
        ValueError: a plot lies outside the zones of China and no working CRS is configured.
    """
    checks: list[Check] = []
    with as_engine(session):
        for ground in _grounds(plots, region, reach.radius_m):
            for utility in Utility:
                checks += _measure(session, reach, ground, utility, now)
    return checks


def _grounds(plots: Sequence[Plot], region: Region, radius_m: float) -> Iterable[_Ground]:
    shapes = loaded(plot.geom for plot in plots)
    west, _, east, _ = shapely.bounds(shapes).reshape(-1, 4).T
    systems = [working_crs(float(lon), region.working_crs) for lon in (west + east) / 2]
    for system in sorted(set(systems)):
        here = [i for i, name in enumerate(systems) if name == system]
        ids = np.array([plots[i].id for i in here], dtype=np.int64)
        yield _Ground(
            [plots[i] for i in here],
            Shapes(ids, to_working(shapes[here], system), system),
            _around(shapes[here], radius_m),
        )


def _around(shapes: Geometries, radius_m: float) -> _Box:
    """The box around lon/lat shapes and everything within the radius, rather too large than too small."""
    west, south, east, north = (float(v) for v in shapely.total_bounds(shapes))
    high = radius_m / _METRES_A_DEGREE
    wide = high / max(math.cos(math.radians(max(abs(south), abs(north)) + high)), 0.01)
    return west - wide, south - high, east + wide, north + high


def _measure(
    session: Session, reach: Reach, ground: _Ground, utility: Utility, now: datetime
) -> list[Check]:
    facilities = _network(session, Facility, utility, ground)
    areas = _network(session, ServiceArea, utility, ground)
    near = _nearest_of_each(ground.shapes, facilities, reach)
    owners = np.array([row.enterprise_id for row in areas.rows], dtype=np.int64)
    served = shares(ground.shapes, areas.shapes, owners)
    seen = {row.layer_id for network in (facilities, areas) for row in network.rows}
    layers = _layers(session, utility, ground, seen)
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
                "working_crs": ground.shapes.crs,
                "radius_m": reach.radius_m,
                "served_share": float(share),
                "layers": layers[plot.city],
                **demand_of(plot, utility, reach),
            }
            for plot, share in zip(ground.plots, served.of_all, strict=True)
        ],
    )
    checks = session.scalars(
        select(Check)
        .where(
            Check.plot_id.in_([plot.id for plot in ground.plots]),
            Check.utility == utility.value,
            Check.measured_at == now,
        )
        .order_by(Check.id)
    ).all()
    of_plot = {check.plot_id: check for check in checks}
    _keep_near(session, near, facilities, of_plot)
    _keep_shares(session, served, of_plot)
    return list(checks)


def _network(
    session: Session, model: type[Facility] | type[ServiceArea], utility: Utility, ground: _Ground
) -> _Network:
    """Load the current candidates by one box: under row-level security PostGIS's index serves no join."""
    extra = (Facility.name, Facility.spare_capacity) if model is Facility else ()
    box = func.ST_MakeEnvelope(*ground.box, SRID)
    rows = session.execute(
        select(model.id, model.enterprise_id, model.layer_id, model.geom, *extra)
        .join(Layer, Layer.id == model.layer_id)
        .where(Layer.current, Layer.utility == utility.value, model.geom.op("&&")(box))
        .order_by(model.id)
    ).all()
    system = ground.shapes.crs
    geometries = to_working(loaded(row.geom for row in rows), system)
    ids = np.array([row.id for row in rows], dtype=np.int64)
    return _Network(rows, Shapes(ids, geometries, system))


def _nearest_of_each(plots: Shapes, facilities: _Network, reach: Reach) -> Near:
    """The nearest of every enterprise, ranked together by distance within each plot."""
    owners = np.array([row.enterprise_id for row in facilities.rows], dtype=np.int64)
    everyone = facilities.shapes
    found = [
        nearest(
            plots,
            Shapes(
                everyone.ids[owners == owner], everyone.geometries[owners == owner], everyone.crs
            ),
            reach.radius_m,
            reach.nearest,
        )
        for owner in np.unique(owners)
    ]
    if not found:
        return nearest(plots, everyone, reach.radius_m, reach.nearest)
    plot = np.concatenate([near.plot for near in found])
    facility = np.concatenate([near.facility for near in found])
    distance = np.concatenate([near.distance_m for near in found])
    link = np.concatenate([near.link for near in found])
    order = np.lexsort((facility, distance, plot))
    plot = plot[order]
    rank = np.arange(len(plot)) - np.searchsorted(plot, plot) + 1
    return Near(plot, facility[order], rank.astype(np.int64), distance[order], link[order])


def _layers(
    session: Session, utility: Utility, ground: _Ground, seen: set[int]
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
        for city in {plot.city for plot in ground.plots}
    }


def _keep_near(
    session: Session, near: Near, facilities: _Network, checks: Mapping[int, Check]
) -> None:
    known = {row.id: row for row in facilities.rows}
    links: list[WKBElement] = stored(to_stored(near.link, facilities.shapes.crs))
    rows = []
    for i, link in enumerate(links):
        check, facility = checks[int(near.plot[i])], known[int(near.facility[i])]
        rows.append(
            {
                "check_id": check.id,
                "office_id": check.office_id,
                "enterprise_id": facility.enterprise_id,
                "facility_id": facility.id,
                "rank": int(near.rank[i]),
                "name": facility.name,
                "distance_m": float(near.distance_m[i]),
                "spare_capacity": facility.spare_capacity,
                "link": link,
            }
        )
    insert_rows(session, NearFacility, rows)


def _keep_shares(session: Session, served: Shares, checks: Mapping[int, Check]) -> None:
    rows = [
        {
            "check_id": checks[int(plot)].id,
            "office_id": checks[int(plot)].office_id,
            "enterprise_id": int(owner),
            "share": float(share),
        }
        for plot, owner, share in zip(served.plot, served.owner, served.share, strict=True)
    ]
    insert_rows(session, ServedShare, rows)
