"""A changed layer: exactly the plots it touches are measured again."""

import os
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from landready import layer_indexes, remeasuring
from landready.checks import Check, latest
from landready.db import ENGINE, transaction
from landready.measuring import measure
from landready.plans import SupplyPlan
from tests import factories as make
from tests.factories import point, square

LATER = make.NOW + timedelta(days=1)


@pytest.fixture
def session(database):
    with transaction(database, ENGINE) as session:
        yield session


@pytest.fixture
def plan(session):
    """Plots every 300 m eastwards, each 100 m wide, released."""
    plan = make.make_plan(session, plots=0, state="released")
    for i in range(5):
        make.make_plot(session, plan, geometry=square(300 * i, 0, 100))
    session.refresh(plan, ["plots"])
    return plan


def renewed(session, layer, *shapes):
    """The next version of a layer."""
    layer.current = False
    session.flush()
    return make.make_layer(
        session,
        layer.enterprise,
        *shapes,
        kind=layer.kind,
        title=layer.title,
        version=layer.version + 1,
    )


def all_measured(session, settings, plan):
    measure(session, settings, plan.plots, make.NOW)
    swept(session, settings, make.NOW)


def swept(session, settings, moment):
    """How many plots a sweep measures again."""
    layers = remeasuring.outstanding(session)
    found = [remeasuring.remeasure(session, settings, layer, moment) for layer in layers]
    session.flush()
    return sum(len(plots) for plots in found)


def of(session, plot):
    (check,) = [c for c in latest(session, [plot.id]) if c.utility == "water"]
    return check


def again(session, plan, moment):
    """Places of the plots measured at a moment."""
    found = session.scalars(select(Check.plot_id).where(Check.measured_at == moment))
    ids = [plot.id for plot in plan.plots]
    return sorted(ids.index(plot_id) for plot_id in found)


def test_layer_known_at_release_is_not_measured_twice(session, settings, plan):
    make.make_layer(session, make.make_enterprise(session, "water"), point(0, 200))
    measure(session, settings, plan.plots, make.NOW)
    assert swept(session, settings, LATER) == 0
    assert remeasuring.outstanding(session) == []
    assert again(session, plan, LATER) == []


def test_plots_that_lose_or_gain_a_facility_are_measured_again_and_no_others(
    session, settings, plan
):
    near = settings.model_copy(
        update={"check": settings.check.model_copy(update={"nearest": 1, "radius_m": 150.0})}
    )
    mains = [point(300 * i + 50, 150) for i in range(5)]
    layer = make.make_layer(session, make.make_enterprise(session, "water"), *mains)
    all_measured(session, near, plan)
    moved = [mains[0], point(350, 190), *mains[2:], point(1250, 120)]
    newer = renewed(session, layer, *moved)
    assert swept(session, near, LATER) == 2
    assert again(session, plan, LATER) == [1, 4]
    assert [round(of(session, p).facilities[0].distance_m) for p in plan.plots] == [
        50, 90, 50, 50, 20,
    ]  # fmt: skip
    assert of(session, plan.plots[1]).layers[0]["layer"] == newer.id
    only = session.scalar(
        select(func.count()).where(Check.measured_at == LATER, Check.utility != "water")
    )
    assert only == 0


def test_plots_under_an_area_that_came_or_went_are_measured_again(session, settings, plan):
    west, east = square(-50, -50, 450), square(850, -50, 250)
    layer = make.make_layer(
        session, make.make_enterprise(session, "water"), west, kind="service_areas"
    )
    all_measured(session, settings, plan)
    renewed(session, layer, west, east)
    assert swept(session, settings, LATER) == 1
    assert again(session, plan, LATER) == [3]
    assert of(session, plan.plots[3]).served_share == pytest.approx(1)


def test_drafts_are_left_alone(session, settings):
    draft = make.make_plan(session, plots=2)
    make.make_layer(session, make.make_enterprise(session, "water"), point(0, 200))
    assert swept(session, settings, LATER) == 0
    assert session.scalar(select(func.count()).select_from(Check)) == 0
    assert draft.state == "draft"


def test_change_between_two_sweeps_is_not_lost(session, settings, plan):
    main, other = point(50, 150), point(1250, 150)
    layer = make.make_layer(session, make.make_enterprise(session, "water"), main, other)
    all_measured(session, settings, plan)
    second = renewed(session, layer, other)
    renewed(session, second, other)
    assert swept(session, settings, LATER) > 0
    assert of(session, plan.plots[0]).facilities[0].distance_m > 300


def test_one_of_two_facilities_in_one_place_going_is_a_change(session, settings, plan):
    twice = [point(50, 150), point(50, 150)]
    layer = make.make_layer(session, make.make_enterprise(session, "water"), *twice)
    all_measured(session, settings, plan)
    renewed(session, layer, twice[0])
    assert swept(session, settings, LATER) > 0
    assert len(of(session, plan.plots[0]).facilities) == 1


def test_index_that_is_not_whole_is_built_again(session, settings, plan):
    make.make_layer(session, make.make_enterprise(session, "water"), point(50, 150))
    measure(session, settings, plan.plots, make.NOW)
    for folder in (settings.var / "indexes").iterdir():
        (folder / "segments.npy").write_bytes(b"")
    measure(session, settings, plan.plots, LATER)
    assert of(session, plan.plots[0]).facilities[0].distance_m == pytest.approx(50, abs=1)


def test_indexes_of_layers_that_no_longer_count_are_cleared_after_a_day(session, settings, plan):
    layer = make.make_layer(session, make.make_enterprise(session, "water"), point(50, 150))
    measure(session, settings, plan.plots, make.NOW)
    (folder,) = (settings.var / "indexes").glob(f"{layer.content}-*")
    os.utime(folder, (make.NOW.timestamp(),) * 2)
    much_later = make.NOW + timedelta(days=2)
    layer_indexes.tidy(session, settings, much_later)
    assert folder.exists()
    layer.current = False
    session.flush()
    layer_indexes.tidy(session, settings, make.NOW + timedelta(hours=23))
    assert folder.exists()
    layer_indexes.tidy(session, settings, much_later)
    assert not folder.exists()


def test_release_in_flight_and_a_changed_layer_take_turns(database, settings):
    with transaction(database, ENGINE) as session:
        plan = make.make_plan(session, plots=1, state="released")
        layer = make.make_layer(session, make.make_enterprise(session, "water"), point(50, 150))
        plan_id, layer_id = plan.id, layer.id
    with transaction(database, ENGINE) as releasing:
        measure(releasing, settings, releasing.get_one(SupplyPlan, plan_id).plots, make.NOW)
        with transaction(database, ENGINE) as sweeping:
            sweeping.execute(text("set local lock_timeout = '200ms'"))
            with pytest.raises(OperationalError, match="lock timeout"):
                remeasuring.remeasure(sweeping, settings, layer_id, LATER)
            sweeping.rollback()
    with transaction(database, ENGINE) as sweeping:
        assert remeasuring.remeasure(sweeping, settings, layer_id, LATER) == []
