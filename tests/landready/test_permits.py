"""A permit is received once, pushed to everyone it concerns and seeds one application, or nothing is kept (R7, R8)."""

import copy
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from shapely.geometry import mapping
from sqlalchemy import Engine, func, select

from landready.applications import Application, Item
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, Invalid
from landready.organisations import Organisation
from landready.outbox import OutboxEvent
from landready.permit_fields import PermitFields
from landready.permit_file import receive_permit_file
from landready.permit_receipt import receive_permit
from landready.permits import Permit
from landready.project_pages import permits_of
from landready.pushes import Push
from landready.settings import Settings
from tests.factories import (
    HAIKOU,
    NOW,
    SANYA,
    make_answer,
    make_enterprise,
    make_layer,
    make_office,
    make_organisation,
    make_owner,
    make_plan,
    make_plot,
    make_push,
    square,
)

OWNER = {
    "name": "海口测试置业有限公司",
    "credit_code": "91350100M000100Y43",
    "contact": "王女士",
    "phone": "13800000000",
}


def body(**given: Any) -> dict[str, Any]:
    return {
        "permit_no": "建字第4601002026GG0000001号",
        "XMDM": "2105-460100-04-01-123456",
        "GCDM": "2105-460100-04-01-123456-001",
        "XZQHDM": "460105",
        "SPSXSLBM": "S-1",
        "project_name": "测试厂房",
        "address": "秀英区测试路 1 号",
        "issued_on": "2026-02-27",
        "owner": copy.deepcopy(OWNER),
        "floor_area_m2": 12000,
        "uses": ["厂房"],
        "boundary": mapping(square(10, 10, 80)),
        **given,
    }


def receive(
    database: Engine, settings: Settings, source: Organisation, now=NOW, **given: Any
) -> Permit:
    actor = Actor(source.role, source.id)
    fields = PermitFields.model_validate(body(**given))
    with transaction(database, actor) as session:
        return receive_permit(session, settings, fields, source_id=source.id, now=now)


def count(database: Engine, model: type) -> int:
    with transaction(database, ENGINE) as session:
        return session.scalar(select(func.count()).select_from(model))


def everything(database: Engine) -> list[int]:
    return [count(database, m) for m in (Permit, Push, OutboxEvent, Application, Item)]


@pytest.fixture
def source(database: Engine) -> Organisation:
    with transaction(database, ENGINE) as session:
        make_office(session, city=HAIKOU, name="海口市自然资源和规划局")
        return make_organisation(session, "exchange", city="")


def events(database: Engine) -> dict[int, dict[str, Any]]:
    with transaction(database, ENGINE) as session:
        rows = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "project.permitted"))
        return {row.enterprise_id: json.loads(row.body)["data"] for row in rows}


def test_a_permit_reaches_every_enterprise_of_the_area_and_no_other(database, settings, source):
    with transaction(database, ENGINE) as session:
        inside = make_enterprise(session, "water")
        make_layer(session, inside, square(0, 0, 500), kind="service_areas")
        elsewhere = make_enterprise(session, "water")
        make_layer(session, elsewhere, square(5000, 0, 100), kind="service_areas")
        unmapped = make_enterprise(session, "gas")
        provincial = make_enterprise(session, "telecom", city="")
        other_city = make_enterprise(session, "power", city=SANYA)
        from_next_door = make_enterprise(session, "power", city=SANYA)
        make_layer(session, from_next_door, square(0, 0, 500), kind="service_areas")
        old = make_enterprise(session, "gas", city=SANYA)
        make_layer(session, old, square(0, 0, 500), kind="service_areas", current=False)
    receive(database, settings, source)
    with transaction(database, ENGINE) as session:
        pushes = session.scalars(select(Push)).all()
    asked = {inside.id, unmapped.id, provincial.id, from_next_door.id}
    assert {push.enterprise_id for push in pushes} == asked == set(events(database))
    assert not asked & {elsewhere.id, other_city.id, old.id}
    assert {(p.kind, p.due_on, p.due_provisional) for p in pushes} == {
        ("project", date(2026, 3, 3), False)  # one working day after Monday
    }


def test_a_district_belongs_to_the_office_of_its_prefecture(database, settings, source):
    permit = receive(database, settings, source)
    assert (permit.city, permit.office.name) == (HAIKOU, "海口市自然资源和规划局")


def test_the_event_carries_project_owner_plot_and_only_the_own_answer(database, settings, source):
    with transaction(database, ENGINE) as session:
        office = session.scalar(select(Organisation).where(Organisation.kind == "office"))
        plan = make_plan(session, office, state="released")
        plot = make_plot(session, plan, geometry=square(), code="P-A")
        water, power = make_enterprise(session, "water"), make_enterprise(session, "power")
        make_answer(session, make_push(session, plan, water), spare_capacity=300.0)
        make_answer(
            session,
            make_push(session, plan, power),
            verdict="ready_by",
            works="架空线 800 米",
            ready_by=date(2026, 9, 1),
        )
    for _ in ("new", "again"):  # the sender hears of the plot both times
        permit = receive(database, settings, source)
        assert (permit.plot_id, permit.plot.code) == (plot.id, "P-A")
    told = events(database)
    assert set(told) == {water.id, power.id}
    mine = told[water.id]
    assert mine["owner"] == OWNER
    assert mine["project"]["XMDM"] == "2105-460100-04-01-123456"
    assert mine["plot"]["code"] == "P-A"
    assert mine["boundary"]["type"] == "MultiPolygon"
    assert [(a["utility"], a["spare_capacity"]) for a in mine["answers"]] == [("water", 300.0)]
    assert [a["ready_by"] for a in told[power.id]["answers"]] == ["2026-09-01"]


def test_the_same_permit_again_is_the_same_permit_and_tells_nobody_twice(
    database, settings, source
):
    with transaction(database, ENGINE) as session:
        make_enterprise(session, "water")
    first = receive(database, settings, source)
    before = everything(database)
    again = receive(database, settings, source, now=NOW + timedelta(days=1))
    assert again.id == first.id
    assert everything(database) == before == [1, 1, 1, 1, 1]


def test_progress_of_the_handling_is_taken_over_and_is_no_conflict(database, settings, source):
    receive(database, settings, source, BLZT=8, BLSJ="2026-02-27 09:00:00")
    permit = receive(database, settings, source, BLZT=11, BLSJ="2026-03-01 09:00:00")
    assert permit.payload["BLZT"] == 11
    late = receive(database, settings, source, BLZT=8, BLSJ="2026-02-27 09:00:00")
    assert late.payload["BLZT"] == 11


def test_the_same_number_with_another_body_is_refused_and_names_what_differs(
    database, settings, source
):
    receive(database, settings, source)
    before = everything(database)
    other = {**OWNER, "phone": "13900000000"}
    with pytest.raises(Conflict) as caught:
        receive(database, settings, source, project_name="另一个项目", owner=other)
    assert caught.value.params["fields"] == "project_name、owner"
    assert "建字第4601002026GG0000001号" in str(caught.value)
    assert everything(database) == before


def test_two_messages_at_once_make_one_permit(database, settings, source):
    with transaction(database, ENGINE) as session:
        make_enterprise(session, "water")
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: receive(database, settings, source).id, range(8)))
    assert len(ids) == 1
    assert everything(database) == [1, 1, 1, 1, 1]


def test_two_projects_of_one_new_owner_at_once_make_one_owner(database, settings, source):
    numbers = [f"建字第4601002026GG000000{n}号" for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        owners = set(
            pool.map(lambda n: receive(database, settings, source, permit_no=n).owner_id, numbers)
        )
    assert len(owners) == 1


def test_a_known_owner_is_found_by_credit_code_and_a_builder_enterprise_stays_itself(
    database, settings, source
):
    with transaction(database, ENGINE) as session:
        known = make_owner(session, credit_code="91110000802100433B")
        utility = make_enterprise(session, "water", credit_code=OWNER["credit_code"])
    owner = {**OWNER, "credit_code": " 9111 0000802100433b "}
    assert receive(database, settings, source, owner=owner).owner_id == known.id
    permit = receive(database, settings, source, permit_no="2")
    assert permit.owner.kind == "owner"
    assert permit.owner_id != utility.id


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"XZQHDM": "460200"}, "XZQHDM"),  # no office there
        ({"XZQHDM": "999999"}, "XZQHDM"),
        ({"owner": {**OWNER, "credit_code": "91350100M000100Y4Z"}}, "owner.credit_code"),
        ({"XMDM": "2105-460100-04-01-12345"}, "XMDM"),
        ({"BLZT": 13}, "BLZT"),
        ({"BLZT": 15}, "BLZT"),
        # latitude before longitude
        ({"boundary": {"type": "Polygon", "coordinates": [[[20, 110], [20, 111], [21, 111], [20, 110]]]}}, "boundary"),
        # a bow tie
        ({"boundary": {"type": "Polygon", "coordinates": [[[110, 20], [110.1, 20.1], [110.1, 20], [110, 20.1], [110, 20]]]}}, "boundary"),
        # three points
        ({"boundary": {"type": "Polygon", "coordinates": [[[110, 20], [110.1, 20], [110, 20]]]}}, "boundary"),
        # no area
        ({"boundary": {"type": "Polygon", "coordinates": [[[110, 20], [110.1, 20], [110.2, 20], [110, 20]]]}}, "boundary"),
        ({"boundary": {"type": "Polygon", "coordinates": []}}, "boundary"),
        # a polygon's coordinates under the name of the other kind
        ({"boundary": {"type": "MultiPolygon", "coordinates": [[[110, 20], [110.1, 20], [110.1, 20.1], [110, 20]]]}}, "boundary"),
        ({"boundary": {"type": "Polygon", "coordinates": [[[[110, 20], [110.1, 20], [110.1, 20.1], [110, 20]]]]}}, "boundary"),
        ({"boundary": {"type": "Polygon", "coordinates": [[[500, 20], [501, 20], [501, 21], [500, 20]]]}}, "boundary"),
    ],
)  # fmt: skip
def test_a_permit_that_cannot_be_used_names_the_field_and_leaves_nothing(
    database, settings, source, given, where
):
    with pytest.raises(Invalid) as caught:
        receive(database, settings, source, **given)
    assert where in {p.where for p in caught.value.problems if p.severity == "error"}
    assert everything(database) == [0, 0, 0, 0, 0]
    with transaction(database, ENGINE) as session:
        assert not session.scalar(select(Organisation).where(Organisation.kind == "owner"))


def test_all_faults_are_told_at_once(database, settings, source):
    with pytest.raises(Invalid) as caught:
        receive(database, settings, source, XMDM="x", BLZT=4, owner={**OWNER, "credit_code": "1"})
    assert {p.where for p in caught.value.problems} >= {"XMDM", "BLZT", "owner.credit_code"}


@pytest.mark.parametrize(
    "given",
    [
        {"permit_no": " "},
        {"permit_no": "x" * 81},
        {"project_name": "a\x00b"},
        {"XZQHDM": "46010"},
        {"boundary": {"type": "Point", "coordinates": [110, 20]}},
        {
            "boundary": {
                "type": "Polygon",
                "coordinates": [[[float("nan"), 20], [1, 2], [3, 4], [5, 6]]],
            }
        },
        {"floor_area_m2": -1},
        {"floor_area_m2": float("inf")},
        {"plot_cod": "typo"},
        {"owner": None},
    ],
)
def test_a_body_of_another_form_is_refused_by_its_schema(given):
    with pytest.raises(ValidationError):
        PermitFields.model_validate(body(**given))


def test_odd_but_usable_things_are_kept_as_warnings(database, settings, source):
    permit = receive(
        database, settings, source, permit_no="PB-299", issued_on="2026-12-31", plot_code="P-9",
        owner={**OWNER, "credit_code": "91460000MA5RC0000N", "phone": ""},
    )  # fmt: skip
    assert {w["code"] for w in permit.warnings} == {
        "permit_no_shape", "organisation_code_check", "issued_later", "phone_missing", "plot_unknown",
    }  # fmt: skip


def test_the_plot_is_found_by_code_before_place_and_only_among_released_plots(
    database, settings, source
):
    with transaction(database, ENGINE) as session:
        office = session.scalar(select(Organisation).where(Organisation.kind == "office"))
        plan = make_plan(session, office, state="released")
        here = make_plot(session, plan, geometry=square(), code="HERE")
        far = make_plot(session, plan, geometry=square(900), code="FAR")
        make_plot(session, make_plan(session, office), geometry=square(10, 10, 80), code="DRAFT")
    assert receive(database, settings, source).plot_id == here.id
    named = receive(database, settings, source, permit_no="2", plot_code="FAR")
    assert (named.plot_id, named.warnings[-1]["code"]) == (far.id, "plot_elsewhere")
    unknown = receive(database, settings, source, permit_no="3", plot_code="DRAFT")
    assert (unknown.plot_id, unknown.warnings[-1]["code"]) == (here.id, "plot_unknown")


@pytest.mark.parametrize(("x", "found"), [(40, True), (60, False)])
def test_a_plot_is_the_site_when_more_than_half_of_the_boundary_lies_in_it(
    database, settings, source, x, found
):
    with transaction(database, ENGINE) as session:
        office = session.scalar(select(Organisation).where(Organisation.kind == "office"))
        make_plot(session, make_plan(session, office, state="released"), geometry=square())
    permit = receive(database, settings, source, boundary=mapping(square(x, 0, 100)))
    assert (permit.plot_id is not None) == found


def test_an_office_sends_permits_of_its_own_city_only(database, settings, source):
    with transaction(database, ENGINE) as session:
        sanya = make_office(session, city=SANYA)
    with pytest.raises(Invalid) as caught:
        receive(database, settings, sanya)
    assert caught.value.problems[0].code == "adcode_of_another"
    assert receive(database, settings, sanya, XZQHDM="460205").city == SANYA


def test_a_contact_date_in_an_unannounced_year_is_provisional(database, settings, source):
    with transaction(database, ENGINE) as session:
        make_enterprise(session, "water")
    receive(database, settings, source, now=datetime(2026, 12, 31, 2, tzinfo=UTC))
    with transaction(database, ENGINE) as session:
        push = session.scalar(select(Push))
        assert (push.due_on, push.due_provisional) == (date(2027, 1, 1), True)


def test_only_the_city_the_sender_and_those_it_was_pushed_to_see_a_permit(
    database, settings, source
):
    with transaction(database, ENGINE) as session:
        water = make_enterprise(session, "water")
        far = make_enterprise(session, "water", city=SANYA)
        sanya = make_office(session, city=SANYA)
        other = make_organisation(session, "exchange", city="")
        office = session.scalar(select(Organisation).where(Organisation.city == HAIKOU))
    permit = receive(database, settings, source)
    seen = {}
    for who in (water, far, sanya, office, source, other, permit.owner):
        with transaction(database, Actor(who.role, who.id, None, who.city or None)) as session:
            seen[who.id] = [row.permit.id for row in permits_of(session, date(2026, 3, 2))]
    assert [w for w, ids in seen.items() if ids] == [
        water.id,
        office.id,
        source.id,
        permit.owner_id,
    ]


# --- a file of permits ---------------------------------------------------------------------------------------


def feature(**given: Any) -> dict[str, Any]:
    properties = body(**given)
    return {"type": "Feature", "geometry": properties.pop("boundary"), "properties": properties}


def upload(
    database: Engine, settings: Settings, who: Organisation, content: Any
) -> list[tuple[int, str, str]]:
    data = (
        content
        if isinstance(content, bytes)
        else json.dumps({"type": "FeatureCollection", "features": content}).encode()
    )
    with transaction(database, Actor(who.role, who.id, None, who.city)) as session:
        found = receive_permit_file(
            session,
            settings,
            filename="permits.geojson",
            stream=io.BytesIO(data),
            source_id=who.id,
            now=NOW,
        )
    return [(o.row, o.permit_no, o.outcome) for o in found]


@pytest.fixture
def office(database: Engine, source: Organisation) -> Organisation:
    with transaction(database, ENGINE) as session:
        return session.scalar(select(Organisation).where(Organisation.kind == "office"))


def test_a_file_of_permits_is_received_row_by_row_and_again_changes_nothing(
    database, settings, office
):
    flat = feature(permit_no="B")
    flat["properties"] = {
        **{k: v for k, v in flat["properties"].items() if k not in ("owner", "uses")},
        "owner_name": OWNER["name"], "owner_credit_code": OWNER["credit_code"], "owner_phone": None,
        "uses": "住宅、商业", "OBJECTID": 7, "XZQHDM": 460105,
    }  # fmt: skip
    rows = [feature(permit_no="A"), flat]
    assert upload(database, settings, office, rows) == [(1, "A", "created"), (2, "B", "created")]
    assert upload(database, settings, office, rows) == [(1, "A", "same"), (2, "B", "same")]
    with transaction(database, ENGINE) as session:
        kept = session.scalar(select(Permit).where(Permit.permit_no == "B"))
        assert kept.payload["uses"] == ["住宅", "商业"]
        assert kept.geom is not None


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        (feature(permit_no="C", XZQHDM="460200"), "XZQHDM"),
        (feature(permit_no="C", XMDM="1"), "XMDM"),
        (feature(permit_no="A", project_name="另一个"), "permit_no"),
        (feature(permit_no=""), "permit_no"),
        (feature(permit_no="C", owner={"name": "x"}), "owner.credit_code"),
        (feature(permit_no="C", issued_on="27.02.2026"), "issued_on"),
    ],
)
def test_one_bad_row_refuses_the_whole_file_and_is_named(database, settings, office, bad, where):
    with pytest.raises(Invalid) as caught:
        upload(database, settings, office, [feature(permit_no="A"), bad])
    assert (2, where) in {(p.row, p.where) for p in caught.value.problems if p.severity == "error"}
    assert everything(database) == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"type": "FeatureCollection", "features": []}', b"\x00" * 100]
)
def test_a_file_without_permits_is_refused_in_words(database, settings, office, content):
    with pytest.raises(Invalid) as caught:
        upload(database, settings, office, content)
    assert all(p.message for p in caught.value.problems)


def test_a_bow_tie_in_a_file_is_refused_with_its_row(database, settings, office):
    tie = {
        "type": "Polygon",
        "coordinates": [
            [[110.35, 20.02], [110.36, 20.03], [110.36, 20.02], [110.35, 20.03], [110.35, 20.02]]
        ],
    }
    with pytest.raises(Invalid) as caught:
        upload(
            database,
            settings,
            office,
            [feature(permit_no="A"), feature(permit_no="B", boundary=tie)],
        )
    assert [(p.code, p.row) for p in caught.value.problems] == [("geometry_invalid", 2)]
    assert everything(database) == [0, 0, 0, 0, 0]


def test_the_payload_keeps_what_came_under_the_names_of_the_exchange(database, settings, source):
    permit = receive(database, settings, source)
    assert {"XMDM", "GCDM", "XZQHDM", "SPSXSLBM", "BLZT", "BLSJ"} <= set(permit.payload)
    assert permit.payload["owner"] == OWNER
    assert source.role == Role.EXCHANGE
