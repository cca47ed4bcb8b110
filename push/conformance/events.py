"""What the kit sends: events with the product's own bytes, about plots that exist nowhere."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import shapely

from landready import clock, outbox
from landready.checks import Check
from landready.organisations import Organisation
from landready.plan_messages import asked_data, near_data, plan_data, plot_data
from landready.plans import Plot, SupplyPlan
from landready.pushes import Push
from landready.schema import Base as Base  # every table must be known before a row can be made
from landready.shapes import stored
from landready.utilities import Utility

UTILITY = Utility.WATER
ANSWER_DAYS = 5
# Metres to the nearest facility, in turn: near, some way off, none within the radius.
_NEAREST_M = (50.0, 900.0, None)
_WEST, _SOUTH, _STEP = 110.2, 19.9, 0.002
# 100 m each way at 20° north.
_WIDTH, _HEIGHT = 0.000956, 0.000903
_ROW = 100


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it is signed, sent and pulled. `push` and `plots` are those of a plan."""

    id: uuid.UUID
    type: str
    body: bytes
    created_at: datetime
    number: int | None = None
    push: uuid.UUID | None = None
    plots: Sequence[Plot] = ()


def made(type_: str, data: dict[str, Any], now: datetime, number: int | None = None) -> Event:
    """Return an event of any type; a test has no number."""
    id_ = uuid.uuid4()
    return Event(id_, type_, outbox.body_of(id_, type_, data, now, number), now, number)


def plan(number: int, count: int, now: datetime, corners: int = 4) -> Event:
    """Return a `plan.released` that asks about `count` plots of so many corners."""
    office = Organisation(kind="office", name="一致性测试", phone="", city="460100")
    told = SupplyPlan(title=f"一致性测试 {number}", city="460100", office=office)
    due = clock.due(clock.today(now), ANSWER_DAYS)
    push = Push(id=number, uid=uuid.uuid4(), due_on=due.day, due_provisional=due.provisional)
    plots = [_plot(number, at, corners) for at in range(count)]
    asked = {plot.id: _asked(at, now) for at, plot in enumerate(plots)}
    return released(told, push, plots, asked, now)


def released(
    told: SupplyPlan, push: Push, plots: Sequence[Plot], asked: Mapping[int, Any], now: datetime
) -> Event:
    """Return the event of one push; `asked` is what is asked about each plot by its id. The push's id is the event's number."""
    data = [{**plot_data(plot), "asked": [asked[plot.id]]} for plot in plots]
    event = made("plan.released", plan_data(told, push, data), now, push.id)
    return replace(event, push=push.uid, plots=plots)


def _plot(number: int, at: int, corners: int) -> Plot:
    west, south = _WEST + _STEP * (at % _ROW), _SOUTH + _STEP * (at // _ROW)
    square = shapely.box(west, south, west + _WIDTH, south + _HEIGHT)
    if corners > 4:
        square = square.segmentize(2 * (_WIDTH + _HEIGHT) / corners)
    return Plot(
        id=at + 1,
        code=f"K{number}-{at + 1}",
        name=f"测试地块 {at + 1}",
        revision=1,
        use="二类工业用地",
        use_code="100102",
        area_m2=10_000.0,
        declared_area_m2=10_000.0,
        plot_ratio="≤1.0",
        quarter="2026Q2",
        supply_mode="",
        illustrative=True,
        geom=stored([shapely.MultiPolygon([square])])[0],
    )


def _asked(at: int, now: datetime) -> dict[str, Any]:
    check = Check(utility=UTILITY.value, measured_at=now, radius_m=2000.0)
    metres = _NEAREST_M[at % len(_NEAREST_M)]
    nearest = [] if metres is None else [near_data("DN300 给水管", metres, 1200.0)]
    return asked_data(check, nearest, 1.0 if nearest else 0.0)
