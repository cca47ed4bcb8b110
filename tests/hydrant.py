"""A water company with one hydrant and plots that want it, for everything about reservations."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from landready import answering, capacity
from landready.answering import AnswerDraft
from landready.answers import Answer, AnswerVerdict
from landready.db import ENGINE, Actor, transaction
from landready.layers import Facility
from landready.loads import Load
from landready.measuring import measure
from landready.organisations import Organisation
from landready.reservations import Reservation
from landready.settings import Settings
from tests.factories import (
    NOW,
    make_enterprise,
    make_layer,
    make_office,
    make_plan,
    make_push,
    metres,
    point,
)

AT = metres(50, -20)
READY = AnswerVerdict.READY
REASON = "加压泵站扩容已列入年度计划"
# 1 hm² of industry: 30 to 150 m³/d.
NEED = 150.0


@dataclass(frozen=True)
class Case:
    """A water company with one hydrant of 300 m³/d, and a plan of four plots of 1 hm² of industry that it was asked about."""

    engine: Engine
    settings: Settings
    office: Actor
    water: Actor
    plan: int
    push: int
    plots: tuple[int, ...]
    hydrant: int

    def answer(
        self,
        session: Session,
        plot: int,
        now: datetime = NOW,
        push: int | None = None,
        **given: object,
    ) -> Answer:
        values: dict[str, object] = {"verdict": READY, "connection_point": AT, **given}
        draft = AnswerDraft(plot, "water", **values)  # type: ignore[arg-type]
        return answering.answer(
            session, push or self.push, draft,
            check=self.settings.check, region=self.settings.region, gate=self.settings.gate,
            account_id=None, now=now,
        )  # fmt: skip

    @contextmanager
    def water_session(self) -> Iterator[Session]:
        with transaction(self.engine, self.water) as session:
            yield session

    def held(self, now: datetime = NOW) -> Load:
        with transaction(self.engine, ENGINE) as session:
            return capacity.held(session, [self.hydrant], now)[self.hydrant]

    def rows(self) -> list[Reservation]:
        with transaction(self.engine, ENGINE) as session:
            return list(session.scalars(select(Reservation).order_by(Reservation.id)))

    def order(self, now: datetime = NOW) -> list[int | None]:
        return [line.claim.plot_id for line in self.held(now).lines]


def actor(organisation: Organisation) -> Actor:
    return Actor(organisation.role, organisation.id, None, organisation.city)


def make_case(engine: Engine, settings: Settings) -> Case:
    with transaction(engine, ENGINE) as session:
        office, water = make_office(session), make_enterprise(session, "water")
        plan = make_plan(session, office, plots=4, state="released")
        layer = make_layer(session, water, point(50, -20), spare_capacity=300.0, title="给水管")
        push = make_push(session, plan, water)
        measure(session, settings, plan.plots, NOW)
        hydrant = session.scalars(select(Facility.id).where(Facility.layer_id == layer.id)).one()
        return Case(
            engine, settings, actor(office), actor(water), plan.id, push.id,
            tuple(p.id for p in plan.plots), hydrant,
        )  # fmt: skip
