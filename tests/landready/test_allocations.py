"""What of a plan can be served together: from what is stated, reserved and answered, and for whom to know (issue 3)."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from landready.allocations import Together, together
from landready.answers import AnswerVerdict
from landready.db import ENGINE, Actor, Role, transaction
from landready.demand import Standing, figures
from landready.errors import NotAllowed, NotFound
from landready.measuring import measure
from landready.organisations import Organisation
from landready.plans import Plot, SupplyPlan
from landready.pushes import Push
from landready.settings import Settings
from landready.supplies import Supply
from landready.utilities import Utility
from tests.factories import (
    NOW,
    make_answer,
    make_enterprise,
    make_layer,
    make_office,
    make_plan,
    make_push,
    make_supervisor,
    point,
)
from tests.hydrant import Case, actor, make_case


@dataclass(frozen=True)
class World:
    """Four plots of 1 hm² of industry in a row, 200 m apart; 150 m³/d of water each; power for all of them."""

    engine: Engine
    settings: Settings
    office: Actor
    plan: int
    plots: tuple[int, ...]
    water: int
    power: int

    def weigh(self, asker: Actor | None = None) -> Together:
        with transaction(self.engine, asker or self.office) as session:
            plan = session.get_one(SupplyPlan, self.plan)
            return together(session, plan, self.settings, NOW)

    def outcomes(self) -> list[Supply]:
        return [line.outcome for line in self.weigh().lines]


def make_world(
    engine: Engine, settings: Settings, water: float | None = 300.0, power: float | None = 1e6
) -> World:
    with transaction(engine, ENGINE) as session:
        office = make_office(session)
        plan = make_plan(session, office, plots=4, state="released")
        made = {}
        for utility, spare in (("water", water), ("power", power)):
            enterprise = make_enterprise(session, utility, name=f"{utility} company")
            make_layer(session, enterprise, point(50, -20), spare_capacity=spare, title=utility)
            make_push(session, plan, enterprise)
            made[utility] = enterprise.id
        measure(session, settings, plan.plots, NOW)
        return World(
            engine, settings, actor(office), plan.id, tuple(p.id for p in plan.plots),
            made["water"], made["power"],
        )  # fmt: skip


@pytest.fixture
def world(database: Engine, settings: Settings) -> World:
    return make_world(database, settings)


def test_plots_that_each_fit_alone_are_served_as_far_as_they_fit_together(world: World) -> None:
    found = world.weigh()
    assert [line.outcome for line in found.lines].count(Supply.GIVEN) == 2
    assert len(found.short) == 2
    assert found.hectares == pytest.approx(2)
    assert found.gap == found.length_gap == 0
    # The nearest two: the hydrant stands below the first plot.
    assert [line.plot.id for line in found.served] == list(world.plots[:2])
    water = next(s for s in found.sources if s.stated.utility is Utility.WATER)
    assert (water.left, water.given, water.waiting_for) == (300, 300, 300)
    assert [line.plot.id for line in water.waiting] == list(world.plots[2:])
    power = next(s for s in found.sources if s.stated.utility is Utility.POWER)
    assert not power.waiting


def test_the_facility_to_extend_is_named_with_amount_plots_and_hectares(world: World) -> None:
    (step,) = world.weigh().steps
    ((stated, by),) = step.more
    assert (stated.enterprise, stated.utility, by) == ("water company", Utility.WATER, 300)
    assert {p.id for p in step.freed} == set(world.plots[2:])
    assert step.hectares == pytest.approx(2)
    assert step.gap == 0


def test_each_utility_is_told_by_itself_too(world: World) -> None:
    told = {line.utility: line for line in world.weigh().utilities}
    assert (told[Utility.WATER].served, told[Utility.WATER].weighed) == (2, 4)
    assert (told[Utility.POWER].served, told[Utility.POWER].weighed) == (4, 4)
    assert told[Utility.POWER].counts == {Supply.GIVEN: 2, Supply.FITS: 2}
    assert told[Utility.GAS].counts == {Supply.NONE: 4}
    # The figures rest on indices that nobody has checked.
    assert told[Utility.WATER].standings == (Standing.UNVERIFIED,)


def test_no_stated_capacity_is_neither_nothing_nor_enough(
    database: Engine, settings: Settings
) -> None:
    world = make_world(database, settings, power=None)
    found = world.weigh()
    assert {line.outcome for line in found.lines} == {Supply.NOT_STATED}
    assert found.hectares == 0
    assert found.steps == ()


def test_an_unknown_demand_is_not_guessed(world: World) -> None:
    with transaction(world.engine, ENGINE) as session:
        plot = session.get_one(Plot, world.plots[0])
        plot.use, plot.revision = "说不清的用途", 2
    with transaction(world.engine, world.office) as session:
        plot = session.get_one(Plot, world.plots[0])
        assert figures(session, [plot], world.settings.check)[plot.id, Utility.WATER].standing is (
            Standing.NONE
        )
    assert world.outcomes() == [Supply.UNKNOWN, Supply.GIVEN, Supply.GIVEN, Supply.SHORT]


def test_who_answered_no_serves_nobody(world: World) -> None:
    with transaction(world.engine, ENGINE) as session:
        push = session.scalars(select(Push).where(Push.enterprise_id == world.water)).one()
        make_answer(
            session,
            push,
            plot=session.get_one(Plot, world.plots[0]),
            verdict=AnswerVerdict.NOT_POSSIBLE,
            reason="无",
            connection_point=None,
        )
    assert world.outcomes() == [Supply.REFUSED, Supply.GIVEN, Supply.GIVEN, Supply.SHORT]


def test_what_is_reserved_is_taken_and_its_plot_is_served(
    database: Engine, settings: Settings
) -> None:
    """Of a hydrant of 300 the last plot holds 150: one more is served, not two, and the holder is not counted twice."""
    case: Case = make_case(database, settings)
    with case.water_session() as session:
        case.answer(session, case.plots[3])
    only_water = replace_gate(settings)
    with transaction(database, case.office) as session:
        plan = session.get_one(SupplyPlan, case.plan)
        found = together(session, plan, only_water, NOW)
    assert [line.cells[0].supply for line in found.lines] == [
        Supply.GIVEN, Supply.SHORT, Supply.SHORT, Supply.RESERVED,
    ]  # fmt: skip
    (source,) = found.sources
    assert (source.left, source.reserved, source.given) == (150, 1, 150)
    # A day after it lapsed everything is free again.
    later = NOW + timedelta(days=settings.check.reserve_days + 400)
    with transaction(database, case.office) as session:
        plan = session.get_one(SupplyPlan, case.plan)
        found = together(session, plan, only_water, later)
    assert Supply.RESERVED not in {line.cells[0].supply for line in found.lines}
    assert found.sources[0].left == 300


def replace_gate(settings: Settings) -> Settings:
    """The gate with water alone."""
    rules = {Utility.WATER: settings.gate.utilities[Utility.WATER]}
    return settings.model_copy(
        update={"gate": settings.gate.model_copy(update={"utilities": rules})}
    )


def test_only_the_office_and_its_supervisors_may_ask(world: World) -> None:
    with transaction(world.engine, ENGINE) as session:
        supervisor = actor(make_supervisor(session))
        enterprise = actor(session.get_one(Organisation, world.water))
    assert len(world.weigh(supervisor).lines) == 4
    with pytest.raises(NotAllowed):
        world.weigh(enterprise)


def test_a_draft_was_not_measured(database: Engine, settings: Settings) -> None:
    with transaction(database, ENGINE) as session:
        plan = make_plan(session, plots=1)
        office = Actor(Role.OFFICE, plan.office_id)
    with transaction(database, office) as session, pytest.raises(NotFound):
        together(session, session.get_one(SupplyPlan, plan.id), settings, NOW)


def test_with_enough_for_all_nothing_is_short(database: Engine, settings: Settings) -> None:
    found = make_world(database, settings, water=600.0).weigh()
    assert {line.outcome for line in found.lines} == {Supply.GIVEN}
    assert (found.steps, found.for_all) == ((), None)
