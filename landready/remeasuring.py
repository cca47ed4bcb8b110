"""After a layer changed: exactly the plots it can touch are measured again, and no others.

A release and this take turns (landready.measuring.take_turn): a plan that is being released while a layer changes is seen by one
of the two.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from geo import coverage, flat, grid
from geo.flat import Flat, Ints
from geo.ground import Ground
from geo.outlines import Outlines
from geo.search import nearest
from landready import capacity, layer_indexes
from landready.changes import Cause, because, cause
from landready.checks import Check
from landready.layers import Facility, Layer, ServiceArea
from landready.leaning import among
from landready.measuring import around, grounds, measure, take_turn
from landready.plans import Plot, SupplyPlan
from landready.reservations import Reservation
from landready.settings import Settings
from landready.shapes import SRID
from landready.suspending import suspend_lapsed
from landready.utilities import Utility

Rows = list[Row[*tuple[Any, ...]]]
# A version before, what only it holds, and what only the new one does.
Changed = tuple[Layer | None, Rows, Rows]


def outstanding(session: Session) -> list[int]:
    """Ids of the layer versions that plots were not measured against yet, oldest first."""
    waiting = select(Layer.id).where(Layer.current, Layer.remeasured_at.is_(None))
    return list(session.scalars(waiting.order_by(Layer.id)))


def remeasure(session: Session, settings: Settings, layer_id: int, now: datetime) -> list[int]:
    """Give the plots of released plans that a layer version touches a new check for its utility; return their ids.

    What is on offer among them is judged again, and suspended where its ground is gone (R6). Needs to be the engine. Another process that does the same waits and then finds nothing to do.
    """
    take_turn(session, alone=True)
    layer = session.get_one(Layer, layer_id, populate_existing=True)
    if not layer.current or layer.remeasured_at:
        return []
    changes = [(before, *_change(session, before, layer)) for before in _before(session, layer)]
    touched = _touched(session, settings, layer, changes)
    knowing = _measured_against(session, layer, [plot.id for plot in touched])
    plots = [plot for plot in touched if plot.id not in knowing]
    judged = {plot.id for plot in plots} | _holding(session, layer, changes)
    if judged:
        why = _cause(layer)
        _hold(session, judged)
        with because(session, why):
            # Its rows suspend by themselves what they leave without ground (migration 0010).
            measure(session, settings, plots, now, (Utility(layer.utility),))
        suspend_lapsed(session, settings.gate, now, sorted(judged), why)
    layer.remeasured_at = now
    return [plot.id for plot in plots]


def _hold(session: Session, plot_ids: Collection[int]) -> None:
    """All plots before the first row that may want the turn, as the rows' foreign keys will hold them."""
    plots = select(Plot.id).where(Plot.id.in_(plot_ids)).order_by(Plot.id)
    session.execute(plots.with_for_update(read=True, key_share=True))


def _measured_against(session: Session, layer: Layer, plot_ids: Sequence[int]) -> set[int]:
    """The plots whose newest check saw this version: they were released after it came."""
    newest = session.execute(
        select(Check.plot_id, Check.layers)
        .where(Check.plot_id.in_(plot_ids), Check.utility == layer.utility)
        .ext(distinct_on(Check.plot_id))
        .order_by(Check.plot_id, Check.measured_at.desc(), Check.id.desc())
    )
    return {plot for plot, seen in newest if any(one["layer"] == layer.id for one in seen)}


def _cause(layer: Layer) -> Cause:
    return cause(
        "facility_changed" if layer.kind == "facilities" else "area_changed",
        layer.utility,
        enterprise=layer.enterprise.name,
        layer=layer.title,
        version=str(layer.version),
    )


def _holding(session: Session, layer: Layer, changes: Sequence[Changed]) -> set[int]:
    """Ids of the plots that hold capacity of a facility that changed, however far it is: it may hold less now, or be gone."""
    if layer.kind != "facilities":
        return set()
    changed = {row[0] for _, removed, added in changes for row in (*removed, *added)}
    lasting = set(capacity.roots(session, changed).values())
    rows = select(Reservation.plot_id).where(
        among(Reservation.facility_id, lasting), Reservation.state != "released"
    )
    return set(session.scalars(rows))


def _touched(
    session: Session, settings: Settings, layer: Layer, changes: Sequence[Changed]
) -> list[Plot]:
    """The released plots for which the change from any version they may have been measured against can matter."""
    changed = [row for _, removed, added in changes for row in (*removed, *added)]
    plots = _plots_near(session, settings, changed) if changed else []
    if not plots:
        return []
    found: set[int] = set()
    here = list(grounds(plots, settings))
    for before, removed, added in changes:
        if not (removed or added):
            continue
        for ground in here:
            if layer.kind == "facilities":
                found |= _losing_or_gaining(session, settings, ground, before, removed, added)
            else:
                found |= _under(ground, [*removed, *added])
    return [plot for plot in plots if plot.id in found]


def _plots_near(
    session: Session, settings: Settings, changed: Sequence[Row[*tuple[Any, ...]]]
) -> Sequence[Plot]:
    """The released plots in the box within which a change can matter: of a province few are left of one facility."""
    shapes = shapely.from_wkb([row[1] for row in changed])
    box = func.ST_MakeEnvelope(*around(shapes, settings.check.radius_m), SRID)
    return session.scalars(
        select(Plot)
        .join(SupplyPlan, SupplyPlan.id == Plot.plan_id)
        .where(SupplyPlan.state == "released", Plot.geom.op("&&")(box))
        .order_by(Plot.id)
    ).all()


def _before(session: Session, layer: Layer) -> list[Layer | None]:
    """The versions before this one, back to the last against which everything was measured; None: there was nothing.

    One in between may have been met by a release, or by none: two versions can come before one look of the sweep.
    """
    versions = session.scalars(
        select(Layer)
        .where(
            Layer.enterprise_id == layer.enterprise_id,
            Layer.kind == layer.kind,
            Layer.utility == layer.utility,
            Layer.title == layer.title,
            Layer.version < layer.version,
        )
        .order_by(Layer.version.desc())
    )
    found: list[Layer | None] = []
    for version in versions:
        found.append(version)
        if version.remeasured_at:
            return found
    return [*found, None]


def _change(
    session: Session, before: Layer | None, layer: Layer
) -> tuple[list[Row[*tuple[Any, ...]]], list[Row[*tuple[Any, ...]]]]:
    """What only the version before holds, and what only this one does: rows of id and shape; two alike are two."""
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
    return _without(old, new), _without(new, old)


def _without(
    rows: Sequence[Row[*tuple[Any, ...]]], others: Sequence[Row[*tuple[Any, ...]]]
) -> list[Row[*tuple[Any, ...]]]:
    """The rows that the others do not match one by one, ids aside."""
    left: Counter[tuple[Any, ...]] = Counter(tuple(row[1:]) for row in others)
    found = []
    for row in rows:
        if left[tuple(row[1:])] > 0:
            left[tuple(row[1:])] -= 1
        else:
            found.append(row)
    return found


def _losing_or_gaining(
    session: Session,
    settings: Settings,
    here: Ground,
    before: Layer | None,
    removed: list[Row[*tuple[Any, ...]]],
    added: list[Row[*tuple[Any, ...]]],
) -> set[int]:
    """Ids of the plots that lose one of their nearest facilities to the change or gain one."""
    reach, crs = settings.check, here.crs
    nothing = grid.build(np.zeros(0, np.int64), flat.from_pieces([]), crs)
    old = layer_indexes.index_of(session, settings, before, crs) if before else nothing
    found = nearest(here, [(old, None)], reach.radius_m, reach.nearest)
    fresh = grid.build(_ids(added), _shapes(added, crs), crs)
    places = coverage.touched(here, found, _ids(removed), fresh, reach.radius_m)
    return set(here.ids[places].tolist())


def _under(here: Ground, areas: list[Row[*tuple[Any, ...]]]) -> set[int]:
    """Ids of the plots that lie under an area that came or went."""
    outlines = Outlines.of(_ids(areas), _shapes(areas, here.crs), here.crs)
    plot, _, _ = coverage.served(here, outlines)
    return set(here.ids[plot].tolist())


def _ids(rows: list[Row[*tuple[Any, ...]]]) -> Ints:
    return np.fromiter((row[0] for row in rows), np.int64, len(rows))


def _shapes(rows: list[Row[*tuple[Any, ...]]], crs: str) -> Flat:
    return layer_indexes.projected([row[1] for row in rows], crs)
