"""Loads what readiness looks at, for many plots in one pass. An input that cannot be read is named as failed, never left out."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from geoalchemy2.functions import ST_AsBinary
from sqlalchemy import and_, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased, joinedload

from geo import overlaps
from landready import capacity, clock, frozen, overlapping, titles
from landready.answers import Answer, AnswerVerdict, latest_answers
from landready.checks import Check, NearFacility, newest
from landready.clock import today as local_date
from landready.db import as_engine
from landready.facts import (
    Asked,
    LayerSeen,
    Measured,
    Near,
    Overlapping,
    PlotFacts,
    Reserved,
    Said,
    Title,
)
from landready.layers import Facility, Layer
from landready.leaning import among
from landready.listings import Listing
from landready.plans import Plot, SupplyPlan, Upload
from landready.pushes import Push, PushPlot
from landready.reservations import Reservation
from landready.shapes import from_wkb
from landready.utilities import UNITS, Utility

# As many attributes of a facility as a sentence names.
_NAMED = 3


def load(session: Session, plot_ids: Sequence[int], now: datetime) -> dict[int, PlotFacts]:
    """Return the facts of each plot that exists, read with the product's own eyes."""
    with as_engine(session):
        try:
            with session.begin_nested():
                rows = _plots(session, plot_ids)
        except Exception as error:  # noqa: BLE001 - the gate fails closed, whatever broke
            failed = {"plot": type(error).__name__}
            return {plot_id: PlotFacts(0, released=False, failed=failed) for plot_id in plot_ids}
        ids = [row.id for row in rows]
        found: dict[str, Mapping[int, Any] | None] = {}
        broken: dict[str, str] = {}
        for name, (_, read) in INPUTS.items():
            try:
                # Of its own: what the database refuses ends this input, not the transaction.
                with session.begin_nested():
                    found[name] = read(session, ids, now)
            except Exception as error:  # noqa: BLE001 - the gate fails closed, whatever broke
                broken[name] = type(error).__name__
    return {
        row.id: _facts(row.id, row.revision, row.state == "released", found, broken) for row in rows
    }


def with_failure(facts: PlotFacts, name: str, fault: str) -> PlotFacts:
    """Return the facts with one more input (of readiness.INPUTS) that could not be read."""
    return replace(facts, failed={**facts.failed, name: fault})


def _plots(session: Session, plot_ids: Sequence[int]) -> Sequence[Any]:
    return session.execute(
        select(Plot.id, Plot.revision, SupplyPlan.state)
        .join(SupplyPlan, SupplyPlan.id == Plot.plan_id)
        .where(Plot.id.in_(plot_ids))
        .order_by(Plot.id)
    ).all()


def _facts(
    plot_id: int,
    revision: int,
    released: bool,  # noqa: FBT001 - a column of the row
    found: Mapping[str, Mapping[int, Any] | None],
    broken: Mapping[str, str],
) -> PlotFacts:
    failed = dict(broken)
    given: dict[str, Any] = {}
    for name, (field, _) in INPUTS.items():
        if name in failed:
            continue
        answer = found[name]
        if answer is None or plot_id not in answer:
            failed[name] = "None"
        elif field:
            given[field] = answer[plot_id]
    return PlotFacts(revision, released, failed=failed, **given)


def calendar() -> frozen.Calendar:
    """Return which holiday table this version counts with.

    Raises:
        OSError: its file is gone.
    """
    digest = hashlib.sha256(clock.HOLIDAYS.read_bytes()).hexdigest()
    return frozen.Calendar(years=tuple(sorted(clock.ANNOUNCED.years)), sha256=digest)


def _calendar(
    _session: Session, plot_ids: Sequence[int], _now: datetime
) -> Mapping[int, frozen.Calendar]:
    return dict.fromkeys(plot_ids, calendar())


def _asked(
    session: Session, plot_ids: Sequence[int], _now: datetime
) -> Mapping[int, Mapping[Utility, tuple[Asked, ...]]]:
    said = {(a.plot_id, a.utility, a.enterprise_id): a for a in latest_answers(session, plot_ids)}
    asked: dict[int, dict[Utility, list[Asked]]] = {i: defaultdict(list) for i in plot_ids}
    for one in session.scalars(
        select(PushPlot)
        .where(PushPlot.plot_id.in_(plot_ids))
        .options(joinedload(PushPlot.push).joinedload(Push.enterprise))
        .order_by(PushPlot.id)
    ):
        push = one.push
        answer = said.get((one.plot_id, one.utility, push.enterprise_id))
        asked[one.plot_id][Utility(one.utility)].append(
            Asked(
                push.enterprise.name,
                push.due_on,
                _said(answer) if answer else None,
                push.enterprise_id,
            )
        )
    return {i: {u: tuple(a) for u, a in found.items()} for i, found in asked.items()}


def _said(answer: Answer) -> Said:
    return Said(
        AnswerVerdict(answer.verdict),
        answer.plot_revision,
        answer.ready_by,
        answer.valid_until,
        answer.reason,
        answer.works,
        _finite(answer.spare_capacity),
        answer.id,
        answer.version,
        local_date(answer.answered_at),
    )


def _measured(
    session: Session, plot_ids: Sequence[int], _now: datetime
) -> Mapping[int, Mapping[Utility, Measured]]:
    checks = session.scalars(select(Check).where(Check.id.in_(newest(plot_ids)))).all()
    nearest = _nearest(session, [check.id for check in checks])
    contents = _contents(session, checks)
    found: dict[int, dict[Utility, Measured]] = {plot_id: {} for plot_id in plot_ids}
    for c in checks:
        found[c.plot_id][Utility(c.utility)] = Measured(
            c.plot_revision,
            local_date(c.measured_at),
            _finite(c.served_share),
            _finite(c.radius_m),
            nearest.get(c.id),
            _finite(c.demand_min),
            _finite(c.demand_max),
            c.demand_unit or UNITS[Utility(c.utility)],
            c.id,
            tuple(
                LayerSeen(one["layer"], one["version"], contents.get(one["layer"], ""))
                for one in sorted(c.layers, key=lambda one: int(one["layer"]))
            ),
        )
    return found


def _nearest(session: Session, check_ids: Sequence[int]) -> dict[int, Near]:
    rows = session.execute(
        select(
            NearFacility.check_id, NearFacility.name, NearFacility.distance_m,
            Facility.attributes, Upload.mapping, capacity.root().label("root"),
        )
        .join(Facility, Facility.id == NearFacility.facility_id)
        .join(Layer, Layer.id == Facility.layer_id)
        .outerjoin(Upload, Upload.id == Layer.upload_id)
        .where(among(NearFacility.check_id, check_ids), NearFacility.rank == 1)
    ).all()  # fmt: skip
    stated = capacity.stated(session, {row.root for row in rows})
    return {
        row.check_id: Near(
            row.name,
            _finite(row.distance_m),
            _others(row.attributes, row.mapping or {}),
            _finite(stated[row.root].spare),
            local_date(stated[row.root].stated_at),
        )
        for row in rows
    }


def _others(attributes: Mapping[str, Any], mapping: Mapping[str, str]) -> dict[str, str]:
    """What the enterprise's file says beside name and capacity, which are told as such: `管径 DN200`."""
    told = set(mapping.values())
    said = {k: f"{k} {v}" for k, v in attributes.items() if k not in told and v not in (None, "")}
    return dict(list(said.items())[:_NAMED])


def _contents(session: Session, checks: Sequence[Check]) -> dict[int, str]:
    ids = {one["layer"] for check in checks for one in check.layers}
    return dict(session.execute(select(Layer.id, Layer.content).where(among(Layer.id, ids))).all())


def _reserved(
    session: Session, plot_ids: Sequence[int], now: datetime
) -> Mapping[int, tuple[Reserved, ...]]:
    """What the newest answers hold, and what is wanted of the same facility up to and with them."""
    answers = [a.id for a in latest_answers(session, plot_ids)]
    rows = session.scalars(
        select(Reservation)
        .where(Reservation.answer_id.in_(answers))
        .order_by(Reservation.id)
        .execution_options(populate_existing=True)
    ).all()
    loads = capacity.held(session, {r.facility_id for r in rows}, now)
    names = capacity.stated(session, {r.facility_id for r in rows})
    found: dict[int, list[Reserved]] = {plot_id: [] for plot_id in plot_ids}
    for r in rows:
        load = loads[r.facility_id]
        totals = [x.total_high for x in load.lines if x.claim.plot_id == r.plot_id]
        found[r.plot_id].append(
            Reserved(
                Utility(r.utility),
                r.enterprise_id,
                r.answer_id,
                names[r.facility_id].name,
                r.state,
                r.expires_on,
                _finite(r.high),
                _finite(totals[-1]) if totals else 0.0,
                # What is gone from its layer gives nothing any more.
                _finite(load.spare) if names[r.facility_id].current else 0.0,
                r.exception,
            )
        )
    return {plot_id: tuple(own) for plot_id, own in found.items()}


def _titles(
    session: Session, plot_ids: Sequence[int], _now: datetime
) -> Mapping[int, Title | None]:
    found: dict[int, Title | None] = dict.fromkeys(plot_ids)
    for plot_id, row in titles.latest(session, plot_ids).items():
        found[plot_id] = Title(
            row.clear, row.plot_revision, row.document, row.document_date, row.note
        )
    return found


def _overlaps(
    session: Session, plot_ids: Sequence[int], _now: datetime
) -> Mapping[int, tuple[Overlapping, ...]]:
    """Land that is on offer or sold already, and land of plans that were released before; the first come have it."""
    found: dict[int, list[Overlapping]] = {plot_id: [] for plot_id in plot_ids}
    rows = _touching(session, plot_ids)
    if rows:
        ours = from_wkb(row.own for row in rows)
        theirs = from_wkb(row.geom for row in rows)
        pairs: overlaps.Pairs = np.arange(len(rows)).repeat(2).reshape(-1, 2)
        measured = overlapping.measured(ours, theirs, pairs)
        if measured is None:
            raise ValueError("the shapes are too intricate to be measured in time")
        for one in measured:
            row = rows[one.first]
            state = row.state or "planned"
            found[row.plot].append(Overlapping(row.code, row.title, state, one.area_m2))
    return {plot_id: tuple(own) for plot_id, own in found.items()}


def _touching(session: Session, plot_ids: Sequence[int]) -> Sequence[Any]:
    own, plan = aliased(Plot), aliased(SupplyPlan)
    other, theirs, listing, mine = (
        aliased(Plot), aliased(SupplyPlan), aliased(Listing), aliased(Listing),
    )  # fmt: skip
    # A plot that is on offer itself yields only to those that were there before it.
    offered = (
        select(func.min(mine.id))
        .where(mine.plot_id == own.id, mine.state != "withdrawn")
        .correlate(own)
        .scalar_subquery()
    )
    return session.execute(
        select(
            own.id.label("plot"), ST_AsBinary(own.geom).label("own"), ST_AsBinary(other.geom).label("geom"),
            other.code, theirs.title, listing.state,
        )
        .join(plan, plan.id == own.plan_id)
        .join(other, and_(own.geom.intersects(other.geom), other.id != own.id))
        .join(theirs, theirs.id == other.plan_id)
        .outerjoin(
            listing,
            and_(
                listing.plot_id == other.id,
                listing.state != "withdrawn",
                or_(offered.is_(None), listing.id < offered),
            ),
        )
        .where(
            own.id.in_(plot_ids),
            or_(
                listing.id.is_not(None),
                and_(
                    theirs.id != plan.id,
                    theirs.state == "released",
                    tuple_(theirs.released_at, theirs.id) < tuple_(plan.released_at, plan.id),
                ),
            ),
        )
        .order_by(own.id, other.id)
    ).all()  # fmt: skip


def _finite(value: float | None) -> float | None:
    """A number that can be written down; what is none is missing, and what is missing is broken."""
    return value if value is not None and math.isfinite(value) else None


# Input → the field of PlotFacts it fills (empty: only that it can be read matters), and what reads it for all plots.
INPUTS: Mapping[
    str, tuple[str, Callable[[Session, Sequence[int], datetime], Mapping[int, Any]]]
] = {
    "answers": ("asked", _asked),
    "checks": ("measured", _measured),
    "reservations": ("reserved", _reserved),
    "title": ("title", _titles),
    "overlaps": ("overlaps", _overlaps),
    "calendar": ("", _calendar),
}
