"""What several test files of the domain stand on."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from landready.db import ENGINE, transaction
from landready.measuring import measure
from landready.settings import Settings
from tests.factories import (
    NOW,
    make_enterprise,
    make_layer,
    make_office,
    make_plan,
    make_push,
    point,
    square,
)
from tests.landready.answer_case import Case, actor


@pytest.fixture
def case(database: Engine, settings: Settings) -> Case:
    with transaction(database, ENGINE) as session:
        office = make_office(session)
        water, power = make_enterprise(session, "water"), make_enterprise(session, "power")
        plan = make_plan(session, office, plots=2, state="released")
        near, other = point(50, -20), square(-50, -21, 1)
        make_layer(session, water, other, near, spare_capacity=300.0, title="给水管")
        make_layer(session, power, point(150, 50))
        push, power_push = make_push(session, plan, water), make_push(session, plan, power)
        measure(session, settings, plan.plots, NOW)
        return Case(
            database,
            settings,
            actor(office),
            actor(water),
            actor(power),
            push.id,
            power_push.id,
            (plan.plots[0].id, plan.plots[1].id),
        )


@pytest.fixture
def session(case: Case) -> Iterator[Session]:
    """A transaction of the water company's engineer."""
    with transaction(case.engine, case.water) as session:
        yield session
