"""Service areas before they count: published by the enterprise, approved by the office or the supervisor, in force from a day on.

Whoever shrinks its area is asked less, so nobody decides that alone. Until a version is in force the one before it counts; an
enterprise without any is asked about everything (landready.concerned).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import shapely
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, aliased

from geo.coverage import served
from geo.outlines import Outlines
from geo.problems import N_
from landready import clock
from landready.db import Actor, Role, actor_of, as_engine
from landready.errors import Conflict, NotFound
from landready.layer_indexes import projected
from landready.layers import Layer, ServiceArea
from landready.measuring import grounds
from landready.organisations import Organisation
from landready.plans import Plot
from landready.settings import Settings
from landready.shapes import SRID, loaded, to_geojson

_REASON_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Proposed:
    """A version that is to be decided: its areas and those that count today, as GeoJSON in EPSG:4490."""

    layer: Layer
    areas: Sequence[dict[str, Any]]
    today: Sequence[dict[str, Any]]


def may_decide(actor: Actor, enterprise: Organisation) -> bool:
    """The office of the enterprise's city, or a supervisor of that city or of the province. Pure."""
    if actor.role is Role.SUPERVISOR:
        return actor.city in (None, "", enterprise.city)
    return actor.role is Role.OFFICE and bool(enterprise.city) and actor.city == enterprise.city


def waiting(session: Session) -> list[Layer]:
    """Return the versions that the asker may decide, the oldest first."""
    newer = aliased(Layer)
    superseded = (
        select(newer.id)
        .where(
            newer.enterprise_id == Layer.enterprise_id,
            newer.kind == Layer.kind,
            newer.utility == Layer.utility,
            newer.title == Layer.title,
            newer.version > Layer.version,
        )
        .exists()
    )
    found = session.scalars(
        select(Layer)
        .where(
            Layer.kind == "service_areas",
            ~Layer.current,
            Layer.approved_at.is_(None),
            Layer.refused_reason == "",
            ~superseded,
        )
        .order_by(Layer.created_at, Layer.id)
    )
    actor = actor_of(session)
    return [layer for layer in found if may_decide(actor, layer.enterprise)]


def proposed(session: Session) -> list[Proposed]:
    """Return what the asker may decide, with its shapes."""
    return [
        Proposed(layer, _areas(session, layer.id), _in_force(session, layer))
        for layer in waiting(session)
    ]


def approve(session: Session, layer_id: int, *, account_id: int | None, now: datetime) -> Layer:
    """Let a version count from its day on; at once if that day has come.

    Raises:
        NotFound: no such version, or the asker decides over other enterprises.
        Conflict: it is decided.
    """
    layer = _to_decide(session, layer_id)
    with as_engine(session):
        accept(session, layer, account_id=account_id, now=now)
    return layer


def accept(session: Session, layer: Layer, *, account_id: int | None, now: datetime) -> None:
    """Approve without asking who does. Needs the engine."""
    layer.approved_at, layer.approved_by = now, account_id
    session.flush()
    enter_into_force(session, clock.today(now))
    session.refresh(layer)


def refuse(session: Session, layer_id: int, reason: str) -> Layer:
    """Leave a version out, with the reason that the enterprise sees.

    Raises:
        NotFound: as `approve`.
        Conflict: it is decided, or no reason is given.
    """
    layer = _to_decide(session, layer_id)
    reason = reason.replace("\x00", "").strip()
    if not 0 < len(reason) <= _REASON_LENGTH:
        raise Conflict(N_("请写明不批准的理由，不超过 200 个字。"))
    with as_engine(session):
        layer.refused_reason = reason
        session.flush()
    return layer


def enter_into_force(session: Session, today: date) -> list[int]:
    """Make every approved version whose day has come the current one; return the layers that changed. Needs the engine.

    Of several the newest counts; an older one never comes back over it.
    """
    title = (Layer.enterprise_id, Layer.utility, Layer.title)
    newest = (
        select(*title, func.max(Layer.version).label("version"))
        .where(
            Layer.kind == "service_areas",
            Layer.approved_at.is_not(None),
            func.coalesce(Layer.valid_from, today) <= today,
        )
        .group_by(*title)
        .subquery()
    )
    due = session.scalars(
        select(Layer)
        .join(
            newest,
            (newest.c.enterprise_id == Layer.enterprise_id)
            & (newest.c.utility == Layer.utility)
            & (newest.c.title == Layer.title)
            & (newest.c.version == Layer.version),
        )
        .where(Layer.kind == "service_areas", ~Layer.current)
        .with_for_update(of=Layer)
    ).all()
    for layer in due:
        session.execute(
            update(Layer)
            .where(
                Layer.enterprise_id == layer.enterprise_id,
                Layer.kind == layer.kind,
                Layer.utility == layer.utility,
                Layer.title == layer.title,
                Layer.current,
            )
            .values(current=False)
        )
        layer.current = True
        session.flush()
    return [layer.id for layer in due]


def coming(session: Session, settings: Settings, plots: Sequence[Plot]) -> set[tuple[int, str]]:
    """Return (enterprise, utility) whose areas will serve some of the plots once they are in force. Needs the engine."""
    box = func.ST_MakeEnvelope(*shapely.total_bounds(loaded(p.geom for p in plots)).tolist(), SRID)
    rows = session.execute(
        select(
            Layer.enterprise_id, Layer.utility, func.ST_AsBinary(ServiceArea.geom).label("shape")
        )
        .join(ServiceArea, ServiceArea.layer_id == Layer.id)
        .where(
            ServiceArea.geom.op("&&")(box),
            Layer.kind == "service_areas",
            ~Layer.current,
            Layer.refused_reason == "",
            Layer.version > _current_version(),
        )
    ).all()
    found: set[tuple[int, str]] = set()
    for ground in grounds(plots, settings) if rows else ():
        shapes = projected([row.shape for row in rows], ground.crs)
        _, area, _ = served(ground, Outlines.of(np.arange(len(rows)), shapes, ground.crs))
        found |= {(rows[i].enterprise_id, rows[i].utility) for i in area}
    return found


def _current_version() -> Any:  # noqa: ANN401 - a scalar sub-select
    now = aliased(Layer)
    return func.coalesce(
        select(func.max(now.version))
        .where(
            now.enterprise_id == Layer.enterprise_id,
            now.kind == Layer.kind,
            now.utility == Layer.utility,
            now.title == Layer.title,
            now.current,
        )
        .scalar_subquery(),
        0,
    )


def _to_decide(session: Session, layer_id: int) -> Layer:
    layer = session.scalar(select(Layer).where(Layer.id == layer_id, Layer.kind == "service_areas"))
    if layer is None or not may_decide(actor_of(session), layer.enterprise):
        raise NotFound
    with as_engine(session):
        session.refresh(layer, with_for_update={"of": Layer})
    if layer.approved_at or layer.refused_reason or layer.current:
        raise Conflict(N_("这个版本已经决定过。"))
    return layer


def _areas(session: Session, layer_id: int) -> list[dict[str, Any]]:
    areas = session.scalars(
        select(ServiceArea).where(ServiceArea.layer_id == layer_id).order_by(ServiceArea.id)
    )
    return [to_geojson(area.geom) for area in areas]


def _in_force(session: Session, layer: Layer) -> list[dict[str, Any]]:
    current = session.scalars(
        select(Layer.id).where(
            Layer.enterprise_id == layer.enterprise_id,
            Layer.kind == layer.kind,
            Layer.utility == layer.utility,
            Layer.current,
        )
    )
    return [area for layer_id in current for area in _areas(session, layer_id)]
