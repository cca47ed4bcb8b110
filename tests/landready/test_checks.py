"""Checks: what is measured around each plot for each utility, and what is kept of it."""

import math

import numpy as np
import pytest
import shapely
from sqlalchemy import event, func, select, text

from geo.crs import to_working
from landready.checks import Check, NearFacility, latest
from landready.db import ENGINE, Actor, Role, transaction
from landready.measuring import measure
from landready.shapes import loaded
from landready.utilities import Utility
from tests import factories as make
from tests.factories import metres, point, square


@pytest.fixture
def session(database):
    with transaction(database, ENGINE) as session:
        yield session


def measured(session, settings, plan, **reach):
    session.refresh(plan, ["plots"])
    given = settings.model_copy(update={"check": settings.check.model_copy(update=reach)})
    return measure(session, given, plan.plots, make.NOW)


def of(session, plot, utility):
    (check,) = [c for c in latest(session, [plot.id]) if c.utility == utility]
    return check


def test_every_plot_has_one_check_for_each_of_six_utilities(session, settings):
    plan = make.make_plan(session, plots=3)
    checks = measured(session, settings, plan)
    pairs = {(c.plot_id, c.utility) for c in checks}
    assert pairs == {(p.id, u.value) for p in plan.plots for u in Utility}
    assert len(checks) == 18
    assert all(c.served_share == 0 and c.layers == [] for c in checks)
    assert {c.working_crs for c in checks} == {"EPSG:4546"}


def test_distances_are_those_of_postgis_in_the_working_crs(session, settings):
    water = make.make_enterprise(session, "water")
    line = shapely.LineString([metres(-800, 300), metres(-200, 340), metres(-150, 900)])
    make.make_layer(session, water, point(700, 20), line, square(0, -400, 60), point(40, 40))
    plot = make.make_plot(session)
    measured(session, settings, plot.plan, nearest=10)
    rows = session.execute(
        text(
            "select n.distance_m, st_distance(st_transform(p.geom, 4546), st_transform(f.geom, 4546))"
            " from check_facility n join coverage_check c on c.id = n.check_id"
            " join plot p on p.id = c.plot_id join facility f on f.id = n.facility_id order by n.rank"
        )
    ).all()
    assert len(rows) == 4
    for ours, theirs in rows:
        assert ours == pytest.approx(theirs, abs=1e-6)
    assert rows[0][0] == 0


def test_each_enterprise_keeps_its_own_nearest_and_the_check_ranks_them_together(session, settings):
    near, far = make.make_enterprise(session, "telecom"), make.make_enterprise(session, "telecom")
    make.make_layer(session, near, *(point(100 + n, 50) for n in (10, 20, 30, 40)))
    make.make_layer(session, far, point(100 + 500, 50))
    plot = make.make_plot(session)
    measured(session, settings, plot.plan)
    found = of(session, plot, "telecom").facilities
    assert [f.rank for f in found] == [1, 2, 3, 4]
    assert [f.enterprise_id for f in found] == [near.id] * 3 + [far.id]
    assert [round(f.distance_m) for f in found] == [10, 20, 30, 500]


def test_facilities_beyond_the_radius_old_versions_and_other_utilities_are_not_reported(
    session, settings
):
    water = make.make_enterprise(session, "water", "gas")
    make.make_layer(session, water, point(2150, 50))
    make.make_layer(session, water, point(110, 50), current=False)
    make.make_layer(session, water, point(110, 50), utility="gas")
    plot = make.make_plot(session)
    measured(session, settings, plot.plan)
    assert of(session, plot, "water").facilities == []
    assert len(of(session, plot, "gas").facilities) == 1


def test_link_runs_in_lon_lat_from_the_boundary_to_the_facility(session, settings):
    water = make.make_enterprise(session, "water")
    make.make_layer(session, water, point(150, 50), spare_capacity=7.5)
    plot = make.make_plot(session)
    measured(session, settings, plot.plan)
    (near,) = of(session, plot, "water").facilities
    start, end = (shapely.Point(xy) for xy in loaded([near.link])[0].coords)
    assert square().distance(start) < 1e-9
    assert point(150, 50).distance(end) < 1e-9
    assert near.spare_capacity == 7.5


def test_touching_facility_is_kept_with_distance_zero_and_a_link(session, settings):
    water = make.make_enterprise(session, "water")
    make.make_layer(session, water, shapely.LineString([metres(-50, 50), metres(150, 50)]))
    plot = make.make_plot(session)
    measured(session, settings, plot.plan)
    (near,) = of(session, plot, "water").facilities
    assert near.distance_m == 0
    assert loaded([near.link])[0].length == 0


def test_shares_are_kept_per_enterprise_and_for_all(session, settings):
    first, second = make.make_enterprise(session, "gas"), make.make_enterprise(session, "gas")
    west = shapely.box(*metres(-10, -10), *metres(30, 110))
    middle = shapely.box(*metres(20, -10), *metres(60, 110))
    make.make_layer(session, first, west, kind="service_areas")
    make.make_layer(session, second, middle, kind="service_areas")
    plot = make.make_plot(session)
    measured(session, settings, plot.plan)
    check = of(session, plot, "gas")
    shares = {a.enterprise_id: a.share for a in check.areas}
    assert shares == pytest.approx({first.id: 0.3, second.id: 0.4}, abs=1e-3)
    assert check.served_share == pytest.approx(0.6, abs=1e-3)


def test_check_names_the_versions_of_the_city_and_of_what_it_found(session, settings):
    here = make.make_enterprise(session, "water")
    province = make.make_enterprise(session, "water", city="")
    elsewhere = make.make_enterprise(session, "water", city=make.SANYA)
    layers = [
        make.make_layer(session, here, version=4),
        make.make_layer(session, province),
        make.make_layer(session, elsewhere, point(50, 50), title="reaches over"),
    ]
    make.make_layer(session, elsewhere, title="far away")
    plot = make.make_plot(session)
    (check,) = [c for c in measured(session, settings, plot.plan) if c.utility == "water"]
    assert check.layers == [
        {"layer": x.id, "enterprise": x.enterprise_id, "version": x.version} for x in layers
    ]


def test_plots_of_two_zones_are_measured_each_in_its_own(session, settings):
    water = make.make_enterprise(session, "water", city="")
    plan = make.make_plan(session)
    shapes = [shapely.box(lon, 19, lon + 0.001, 19.001) for lon in (109.40, 109.60)]
    facilities = [shapely.Point(lon + 0.002, 19.0005) for lon in (109.40, 109.60)]
    plots = [make.make_plot(session, plan, geometry=s) for s in shapes]
    make.make_layer(session, water, *facilities)
    measured(session, settings, plan)
    for plot, shape, facility, zone in zip(
        plots, shapes, facilities, ("EPSG:4545", "EPSG:4546"), strict=True
    ):
        check = of(session, plot, "water")
        pair = to_working(np.array([shape, facility], dtype=object), zone)
        assert check.working_crs == zone
        assert check.facilities[0].distance_m == pytest.approx(pair[0].distance(pair[1]))


def test_configured_working_crs_measures_anywhere(session, settings):
    region = settings.region.model_copy(update={"working_crs": "EPSG:32619"})
    office = make.make_office(session)
    plan = make.make_plan(session, office)
    plot = make.make_plot(session, plan, geometry=shapely.box(-71.1, 42.37, -71.099, 42.371))
    water = make.make_enterprise(session, "water")
    make.make_layer(session, water, shapely.Point(-71.0988, 42.3705))
    session.refresh(plan, ["plots"])
    given = settings.model_copy(update={"region": region})
    checks = measure(session, given, plan.plots, make.NOW)
    assert {c.working_crs for c in checks} == {"EPSG:32619"}
    assert of(session, plot, "water").facilities[0].distance_m == pytest.approx(16.5, abs=0.2)


def test_later_check_is_the_latest_and_the_older_is_kept(session, settings):
    plot = make.make_plot(session)
    measured(session, settings, plot.plan)
    later = make.NOW.replace(day=3)
    session.refresh(plot.plan, ["plots"])
    measure(session, settings, plot.plan.plots, later)
    assert {c.measured_at for c in latest(session, [plot.id])} == {later}
    assert session.scalar(select(func.count(Check.id))) == 12


def statements(engine, work):
    """How many statements `work` sends."""
    seen = []

    def listener(*args):
        seen.append(args[2])

    event.listen(engine, "before_cursor_execute", listener)
    work()
    event.remove(engine, "before_cursor_execute", listener)
    return len(seen)


def test_number_of_statements_does_not_grow_with_the_plots(session, settings, database):
    water = make.make_enterprise(session, "water")
    make.make_layer(session, water, *(point(x, -50) for x in range(0, 4000, 100)))
    make.make_layer(session, water, square(-100, -100, 5000), kind="service_areas")
    first, few, many = (make.make_plan(session, plots=n) for n in (1, 2, 20))
    measured(session, settings, first)  # builds the index of the layer
    counts = [
        statements(database, lambda p=plan: measured(session, settings, p)) for plan in (few, many)
    ]
    assert counts[0] == counts[1]
    assert session.scalar(select(func.count(NearFacility.id))) == 23 * 3


def test_office_sees_its_checks_and_an_enterprise_only_its_own_facilities(database, settings):
    with transaction(database, ENGINE) as session:
        ours, theirs = (
            make.make_enterprise(session, "water"),
            make.make_enterprise(session, "water"),
        )
        make.make_layer(session, ours, point(110, 50))
        make.make_layer(session, theirs, point(120, 50))
        plan = make.make_plan(session, plots=1)
        measured(session, settings, plan)
        make.make_push(session, plan, ours)
        (plot,) = plan.plots
    with transaction(database, Actor(Role.OFFICE, plan.office_id, None, plan.city)) as session:
        assert len(of(session, plot, "water").facilities) == 2
    with transaction(database, Actor(Role.ENTERPRISE, ours.id, None, ours.city)) as session:
        found = of(session, plot, "water").facilities
        assert [f.enterprise_id for f in found] == [ours.id]
        assert math.isclose(found[0].distance_m, 10, abs_tol=0.2)
    with transaction(database, Actor(Role.ENTERPRISE, theirs.id, None, theirs.city)) as session:
        assert latest(session, [plot.id]) == []
