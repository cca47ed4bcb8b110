"""Connection routes of plots and projects: computed when first looked at, kept with what they rest on, each tenant's own."""

from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from shapely import LineString
from shapely.geometry import mapping
from sqlalchemy import func, select

from landready import base_layers, checks, proposed_items, routes
from landready.applications import Application
from landready.checks import Check, NearFacility
from landready.db import ENGINE, Actor, transaction
from landready.errors import NotFound
from landready.layers import Facility
from landready.permit_fields import PermitFields
from landready.permit_items import add_item, remove_item
from landready.permit_receipt import receive_permit
from landready.plans import Plot
from landready.project_pages import application_page
from landready.routes import ConnectionRoute
from landready.shapes import stored
from landready.submission import submit
from tests.factories import (
    HAIKOU,
    NOW,
    make_base_layer,
    make_department,
    make_enterprise,
    make_layer,
    make_office,
    make_organisation,
    make_plan,
    make_plot,
    make_push,
    metres,
    point,
    square,
)

LATER = NOW + timedelta(days=1)
STREET = {"road_class": "street", "name": "演示路", "land_width_m": 20.0}
HIGHWAY = {"road_class": "national", "name": "G223", "land_width_m": 30.0}


def line(*ends):
    return LineString([metres(x, y) for x, y in ends])


def streets(session, office, **more):
    """A street south of the plot, one up north at 500 m, a national road across the first."""
    return make_base_layer(
        session,
        office,
        (line((-200, -20), (700, -20)), {**STREET, **more}),
        (line((500, -20), (500, 600)), {**STREET, "name": "新路", "completed": date(2025, 1, 1)}),
        (line((300, -600), (300, 600)), HIGHWAY),
    )


@dataclass
class World:
    office: object
    water: object
    other: object
    plot_id: int
    near_id: int


@pytest.fixture
def world(database):
    """A plot of 100 m, and the water enterprise's hydrant about 500 m away, measured once."""
    with transaction(database, ENGINE) as s:
        office = make_office(s)
        water, other = make_enterprise(s, "water"), make_enterprise(s, "power")
        plot = make_plot(s, make_plan(s, office, state="released"), geometry=square(0, 0, 100))
        make_push(s, plot.plan, water)
        layer = make_layer(s, water, point(515, 300))
        facility = s.scalars(select(Facility).where(Facility.layer_id == layer.id)).one()
        check = Check(
            plot_id=plot.id,
            office_id=office.id,
            utility="water",
            plot_revision=1,
            measured_at=NOW,
            working_crs="EPSG:4546",
            radius_m=2000,
            served_share=0,
        )
        s.add(check)
        s.flush()
        near = NearFacility(
            check_id=check.id,
            office_id=office.id,
            enterprise_id=water.id,
            facility_id=facility.id,
            rank=1,
            name="消火栓",
            distance_m=460,
            link=stored([line((100, 100), (515, 300))])[0],
        )
        s.add(near)
        s.flush()
        return World(office, water, other, plot.id, near.id)


def actor(organisation):
    return Actor(organisation.role, organisation.id, None, organisation.city)


def looked_at(database, settings, world, now=NOW, who=None):
    with transaction(database, actor(who or world.office)) as s:
        plot = s.get_one(Plot, world.plot_id)
        found = checks.latest(s, [plot.id])
        return routes.of_plot(s, settings.route, plot, found, now)


def count(database):
    with transaction(database, ENGINE) as s:
        return s.scalar(select(func.count()).select_from(ConnectionRoute))


def test_without_base_layers_the_route_is_straight_and_unjudged(database, settings, world):
    (found,) = looked_at(database, settings, world).values()
    assert (found.route.method, found.route.why) == ("straight", "no_roads")
    assert found.route.length_m == pytest.approx(460, abs=5)
    assert set(found.judgement.unknown) == {"roads", "greens", "waters", "planning_areas"}


def test_a_route_follows_the_streets_and_names_what_it_takes(database, settings, world):
    with transaction(database, ENGINE) as s:
        streets(s, world.office)
        make_base_layer(
            s, world.office, (square(480, 100, 60), {"name": "街心绿地"}), kind="greens"
        )
    (found,) = looked_at(database, settings, world).values()
    assert found.route.method == "roads"
    assert found.route.length_m > found.route.straight_m
    assert found.judgement.items == (7, 8, 9, 10, 11)
    reasons = [r for need in found.judgement.needs for r in need.reasons]
    assert {r.clause.code for r in reasons} >= {"street_along", "street_police", "highway_cross"}
    (flag,) = found.judgement.flags
    assert (flag.clause.code, flag.params["until"]) == ("no_dig", "2030-01-01")
    assert found.judgement.unknown == ("waters", "planning_areas")
    crossing = next(m for m in found.met if m.road_class == "national")
    assert crossing.manner == "crosses"
    assert crossing.place == pytest.approx(metres(300, -20), abs=2e-5)
    assert crossing.edge == "stated"


def test_a_route_is_computed_once_and_kept_with_its_versions(database, settings, world):
    with transaction(database, ENGINE) as s:
        layer = streets(s, world.office)
        named = [{"kind": "roads", "layer": layer.id, "version": 1, "title": layer.title, "illustrative": False}]  # fmt: skip
    (first,) = looked_at(database, settings, world).values()
    (again,) = looked_at(database, settings, world, LATER, who=world.water).values()
    assert first.route.id == again.route.id
    assert first.route.computed_at == again.route.computed_at == NOW
    assert first.route.base == named
    assert count(database) == 1


def test_new_base_layers_make_a_new_route_and_keep_the_old(database, settings, world):
    looked_at(database, settings, world)
    with transaction(database, ENGINE) as s:
        layer = streets(s, world.office)
    (second,) = looked_at(database, settings, world, LATER).values()
    assert second.route.method == "roads"
    assert second.route.computed_at == LATER
    with transaction(database, actor(world.office)) as s:
        base_layers.withdraw(s, s.get_one(base_layers.BaseLayer, layer.id))
    (third,) = looked_at(database, settings, world, LATER).values()
    assert third.route.method == "straight"
    assert count(database) == 2, "the first one holds again"


def test_the_flag_of_a_stored_route_ends_with_its_day(database, settings, world):
    with transaction(database, ENGINE) as s:
        streets(s, world.office)
    (now,) = looked_at(database, settings, world).values()
    (later,) = looked_at(database, settings, world, NOW + timedelta(days=365 * 5)).values()
    assert now.judgement.flags
    assert not later.judgement.flags
    assert now.route.id == later.route.id


def test_another_enterprise_sees_no_route(database, settings, world):
    looked_at(database, settings, world)
    with transaction(database, actor(world.other)) as s:
        assert not s.scalars(select(ConnectionRoute)).all()
    with transaction(database, actor(world.water)) as s:
        assert len(s.scalars(select(ConnectionRoute)).all()) == 1


def test_a_check_of_the_plot_as_it_was_has_no_route(database, settings, world):
    with transaction(database, ENGINE) as s:
        s.get_one(Plot, world.plot_id).revision = 2
    assert looked_at(database, settings, world) == {}


# --- applications ---------------------------------------------------------------------------------


def seeded(database, settings, world, **given):
    """The application of a permit on the plot, with departments for all but item 9."""
    with transaction(database, ENGINE) as s:
        source = make_organisation(s, "exchange", city="")
        make_department(s, annex_items=[7, 11])
        make_department(s, annex_items=[8])
        make_department(s, annex_items=[10])
    fields = {
        "permit_no": "建字第4601002026GG0000001号",
        "XZQHDM": HAIKOU,
        "project_name": "测试厂房",
        "address": "测试路 1 号",
        "owner": {
            "name": "测试公司",
            "credit_code": "91350100M000100Y43",
            "contact": "王女士",
            "phone": "0898-66660000",
        },
        "uses": ["厂房"],
        "floor_area_m2": 12000.5,
        "boundary": mapping(square(10, 10, 80)),
        **given,
    }
    with transaction(database, Actor(source.role, source.id)) as s:
        permit = receive_permit(
            s, settings, PermitFields.model_validate(fields), source_id=source.id, now=NOW
        )
    with transaction(database, ENGINE) as s:
        found = s.scalars(select(Application).where(Application.permit_id == permit.id)).one()
        return found.id, Actor(found.owner.role, found.owner_id)


def test_an_application_is_seeded_with_the_items_of_its_external_lines(database, settings, world):
    with transaction(database, ENGINE) as s:
        streets(s, world.office)
    application, owner = seeded(database, settings, world)
    with transaction(database, owner) as s:
        page = application_page(s, application, LATER)
        proposed = {v.item.annex_no: v.item for v in page.items if v.item.basis}
        assert set(proposed) == {7, 8, 10}, "nobody handles item 9 in this city"
        assert all(item.reason == proposed_items.PROPOSED for item in proposed.values())
        (first, *_) = proposed_items.basis_of(proposed[7])
        assert first.utility == "water"
        assert first.reason.clause.clause.startswith("城市道路管理条例")
        assert routes.of_permit(s, page.permit.id, LATER) == [], (
            "the owner sees reasons, no network"
        )
        said = {f.name: (f.value, f.source.text) for f in page.fields}
        assert said["external_items"] == ("7、8、9、10", "由系统按接入路线测算")
        permit_id = page.permit.id
        assert float(said[f"water.{world.water.id}.external_line"][0]) > 500
    for who in (world.office, world.water):
        with transaction(database, actor(who)) as s:
            (kept,) = routes.of_permit(s, permit_id, LATER)
            assert kept.route.method == "roads"


def test_the_owner_takes_a_proposed_item_out(database, settings, world):
    with transaction(database, ENGINE) as s:
        streets(s, world.office)
    application, owner = seeded(database, settings, world)
    with transaction(database, owner) as s:
        page = application_page(s, application, LATER)
        remove_item(s, next(v.item.id for v in page.items if v.item.annex_no == 8))
    with transaction(database, owner) as s:
        numbers = [v.item.annex_no for v in application_page(s, application, LATER).items]
        assert numbers == [1, 2, 7, 10]


def test_an_enterprise_adds_what_its_design_needs_besides(database, settings, world):
    """Once it sees the application, and only with a connection of its own in it."""
    with transaction(database, ENGINE) as s:
        streets(s, world.office)
    application, owner = seeded(database, settings, world)
    with transaction(database, ENGINE) as s:
        stranger = make_enterprise(s, "gas")
    with pytest.raises(NotFound), transaction(database, actor(world.water)) as s:
        add_item(s, application, 11, "还没有提交", now=LATER)
    with transaction(database, owner) as s:
        submit(s, settings.clocks, application, now=LATER)
    with transaction(database, actor(world.water)) as s:
        add_item(s, application, 11, "设计路由需移植行道树", now=LATER)
    with pytest.raises(NotFound), transaction(database, actor(stranger)) as s:
        add_item(s, application, 5, "别人的申请", now=LATER)
    with transaction(database, owner) as s:
        added = application_page(s, application, LATER).items[-1]
        assert (added.item.annex_no, added.item.reason) == (11, "设计路由需移植行道树")
        assert (added.item.state, added.item.basis) == (1, [])


def test_nothing_is_proposed_where_the_city_has_no_base_layer(database, settings, world):
    application, owner = seeded(database, settings, world)
    with transaction(database, owner) as s:
        page = application_page(s, application, LATER)
        assert [v.item.annex_no for v in page.items] == [1, 2]
        assert "external_items" not in {f.name for f in page.fields}
    assert count(database) == 0


def test_a_site_without_a_plot_is_routed_to_the_nearest_facility(database, settings, world):
    with transaction(database, ENGINE) as s:
        streets(s, world.office)
    site = mapping(square(150, 10, 60))
    application, owner = seeded(database, settings, world, boundary=site)
    with transaction(database, owner) as s:
        page = application_page(s, application, LATER)
        assert page.application.plot_id is None
        assert {v.item.annex_no for v in page.items if v.item.basis} == {7, 8, 10}


def test_an_office_sees_only_its_own_base_layers(database, world):
    from landready import base_uploads

    with transaction(database, ENGINE) as s:
        theirs = streets(s, make_office(s, city="460200"))
        mine = streets(s, world.office)
    with transaction(database, actor(world.office)) as s:
        assert base_uploads.layer_of(s, mine.id).id == mine.id
        with pytest.raises(NotFound):
            base_uploads.layer_of(s, theirs.id)
