"""After a layer changed: exactly the plots it can touch are measured again, and no others."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from geo import coverage, flat, grid
from geo.flat import Flat, Ints
from geo.ground import Ground
from geo.outlines import Outlines
from geo.search import nearest
from landready import layer_indexes
from landready.checks import Check
from landready.layers import Facility, Layer, ServiceArea
from landready.measuring import grounds, measure
from landready.plans import Plot, SupplyPlan
from landready.settings import Settings
from landready.utilities import Utility


def remeasure_next(session: Session, settings: Settings, now: datetime) -> int | None:
    """Take the oldest layer version that plots were not measured against yet; how many were, None when there is no such layer.

    Plots of released plans that were measured before get a new check for the layer's utility. Needs to be the engine.
    """
    layer = session.scalar(
        select(Layer)
        .where(Layer.current, Layer.remeasured_at.is_(None))
        .order_by(Layer.id)
        .limit(1)
        .with_for_update(of=Layer, skip_locked=True)
    )
    if layer is None:
        return None
    layer.remeasured_at = now
    touched = _touched(session, settings, layer)
    knowing = _measured_against(session, layer, [plot.id for plot in touched])
    plots = [plot for plot in touched if plot.id not in knowing]
    if plots:
        measure(session, settings, plots, now, (Utility(layer.utility),))
    return len(plots)


def _measured_against(session: Session, layer: Layer, plot_ids: Sequence[int]) -> set[int]:
    """The plots whose newest check saw this version: they were released after it came."""
    newest = session.execute(
        select(Check.plot_id, Check.layers)
        .where(Check.plot_id.in_(plot_ids), Check.utility == layer.utility)
        .ext(distinct_on(Check.plot_id))
        .order_by(Check.plot_id, Check.measured_at.desc(), Check.id.desc())
    )
    return {plot for plot, seen in newest if any(one["layer"] == layer.id for one in seen)}


def _touched(session: Session, settings: Settings, layer: Layer) -> list[Plot]:
    """The released plots for which the layer's change from its previous version can matter."""
    before = session.scalar(
        select(Layer).where(
            Layer.enterprise_id == layer.enterprise_id,
            Layer.kind == layer.kind,
            Layer.utility == layer.utility,
            Layer.title == layer.title,
            Layer.version == layer.version - 1,
        )
    )
    plots = session.scalars(
        select(Plot)
        .join(SupplyPlan, SupplyPlan.id == Plot.plan_id)
        .where(SupplyPlan.state == "released")
        .order_by(Plot.id)
    ).all()
    removed, added = _change(session, before, layer)
    if not plots or not (removed or added):
        return []
    by_id = {plot.id: plot for plot in plots}
    near = layer.kind == "facilities"
    return [
        by_id[plot_id]
        for here in grounds(plots, settings)
        for plot_id in (
            _losing_or_gaining(session, settings, here, before, removed, added)
            if near
            else _under(here, [*removed, *added])
        )
    ]


def _change(
    session: Session, before: Layer | None, layer: Layer
) -> tuple[list[Row[int, bytes]], list[Row[int, bytes]]]:
    """What only the version before holds, and what only this one does: rows of id and shape."""
    model = Facility if layer.kind == "facilities" else ServiceArea
    said = (Facility.name, Facility.spare_capacity) if model is Facility else ()
    old, new = (
        session.execute(
            select(model.id, func.ST_AsBinary(model.geom), *said)
            .where(model.layer_id == version_id)
            .order_by(model.id)
        ).all()
        for version_id in (before.id if before else None, layer.id)
    )
    kept, came = ({tuple(row[1:]) for row in rows} for rows in (old, new))
    return (
        [row for row in old if tuple(row[1:]) not in came],
        [row for row in new if tuple(row[1:]) not in kept],
    )


def _losing_or_gaining(
    session: Session,
    settings: Settings,
    here: Ground,
    before: Layer | None,
    removed: list[Row[int, bytes]],
    added: list[Row[int, bytes]],
) -> Iterator[int]:
    """Ids of the plots that lose one of their nearest facilities to the change or gain one."""
    reach, crs = settings.check, here.crs
    nothing = grid.build(np.zeros(0, np.int64), flat.from_pieces([]), crs)
    old = layer_indexes.index_of(session, settings, before, crs) if before else nothing
    found = nearest(here, [(old, None)], reach.radius_m, reach.nearest)
    fresh = grid.build(_ids(added), _shapes(added, crs), crs)
    places = coverage.touched(here, found, _ids(removed), fresh, reach.radius_m)
    yield from here.ids[places].tolist()


def _under(here: Ground, areas: list[Row[int, bytes]]) -> Iterator[int]:
    """Ids of the plots that lie under an area that came or went."""
    outlines = Outlines.of(_ids(areas), _shapes(areas, here.crs), here.crs)
    plot, _, _ = coverage.served(here, outlines)
    yield from here.ids[np.unique(plot)].tolist()


def _ids(rows: list[Row[int, bytes]]) -> Ints:
    return np.fromiter((row[0] for row in rows), np.int64, len(rows))


def _shapes(rows: list[Row[int, bytes]], crs: str) -> Flat:
    return layer_indexes.projected([row[1] for row in rows], crs)
