"""Permits, joint applications and items through the web, each as its own user."""

import io
import json

import pytest
from sqlalchemy import select

from landready.applications import Application, Item
from landready.db import ENGINE, transaction
from landready.organisations import Organisation
from landready.permit_fields import example
from landready.permits import Permit
from landready.pushes import Push
from landready.shapes import geojson_of
from tests.factories import (
    HAIKOU,
    make_account,
    make_department,
    make_enterprise,
    make_key,
    make_layer,
    make_office,
    make_organisation,
    make_owner,
    square,
)

CODE = example()["owner"]["credit_code"]


def permit(number="建字第4601002026GG0000001号", **changed):
    boundary = geojson_of(square())
    return {**example(), "permit_no": number, "plot_code": "", "boundary": boundary, **changed}


@pytest.fixture
def city(database):
    """An office, a water and a power enterprise, a department for item 7, an owner, the approval system's key."""
    with transaction(database, ENGINE) as session:
        people = {
            "office": make_office(session, name="海口局"),
            "water": make_enterprise(session, "water", name="水务公司"),
            "power": make_enterprise(session, "power", name="电网公司"),
            "department": make_department(session, annex_items=[7], name="住建局"),
            "owner": make_owner(session, credit_code=CODE, name="业主公司"),
            "stranger": make_owner(session),
        }
        for enterprise in ("water", "power"):
            make_layer(session, people[enterprise], square(-500, -500, 2000), kind="service_areas")
        accounts = {name: make_account(session, o) for name, o in people.items()}
        exchange = make_organisation(session, "exchange", city="")
        accounts["key"] = make_key(session, exchange)
        return accounts


def send(client, key, body):
    return client.post("/api/v1/permits", json=body, headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def application_id(client, city, database):
    assert send(client, city["key"], permit()).status_code == 201
    with transaction(database, ENGINE) as session:
        return session.scalars(select(Application.id)).one()


def test_permit_is_pushed_to_every_enterprise_and_seeds_one_application(client, city, database):
    answer = send(client, city["key"], permit())
    assert answer.status_code == 201
    assert set(answer.json["pushed_to"]) == {"水务公司", "电网公司"}
    with transaction(database, ENGINE) as session:
        assert len(session.scalars(select(Push)).all()) == 2
        assert len(session.scalars(select(Application)).all()) == 1


def test_same_permit_twice_is_told_once(client, city, database):
    send(client, city["key"], permit())
    answer = send(client, city["key"], permit())
    assert (answer.status_code, answer.json["outcome"]) == (200, "same")
    with transaction(database, ENGINE) as session:
        assert len(session.scalars(select(Push)).all()) == 2


def test_same_number_with_other_contents_is_a_conflict(client, city):
    send(client, city["key"], permit())
    answer = send(client, city["key"], permit(project_name="别的项目"))
    assert answer.status_code == 409
    assert answer.content_type == "application/problem+json"
    assert "project_name" in answer.json["detail"]


def test_permit_without_a_key_or_with_a_wrong_one_is_refused(client, city, database):
    assert client.post("/api/v1/permits", json=permit()).status_code == 401
    assert send(client, "lr_wrong", permit()).status_code == 401
    with transaction(database, ENGINE) as session:
        assert not session.scalars(select(Permit)).all()


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"XZQHDM": "110000"}, "XZQHDM"),
        ({"owner": {"name": "x", "credit_code": "123"}}, "owner.credit_code"),
        (
            {"boundary": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}},
            "boundary",
        ),
    ],
)
def test_bad_permit_names_the_field(client, city, changed, where):
    answer = send(client, city["key"], permit(**changed))
    assert answer.status_code == 422
    assert where in [p["where"] for p in answer.json["problems"]]


def test_body_that_does_not_fit_the_document_is_told_as_a_problem(client, city):
    answer = send(client, city["key"], {"permit_no": "x"})
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"


def test_owner_finds_the_application_filled_in_with_sources(client, sign_in, city, application_id):
    sign_in(client, city["owner"])
    assert "云龙镇中心小学" in client.get("/projects").text
    page = client.get(f"/applications/{application_id}").text
    assert "来自建设工程规划许可证" in page
    assert "用水报装" in page


@pytest.mark.parametrize("who", ["stranger", "department"])
def test_others_do_not_see_the_application(client, sign_in, city, application_id, who):
    sign_in(client, city[who])
    assert client.get(f"/applications/{application_id}").status_code == 404


def test_enterprise_sees_the_application_only_after_submission(
    client, sign_in, city, application_id
):
    sign_in(client, city["water"])
    assert client.get(f"/applications/{application_id}").status_code == 404
    submit(client, sign_in, city, application_id)
    sign_in(client, city["water"])
    assert client.get(f"/applications/{application_id}").status_code == 200


def submit(client, sign_in, city, application_id, **values):
    sign_in(client, city["owner"])
    url = f"/applications/{application_id}"
    given = {"action": "submit", **values}
    return client.send(url, given)


def test_correction_keeps_the_original_beside(client, sign_in, city, application_id):
    sign_in(client, city["owner"])
    url = f"/applications/{application_id}"
    saved = client.send(url, {"contact_name": "李工"})
    assert saved.status_code == 303
    page = client.get(url).text
    assert "李工" in page
    assert "原值：王工" in page


def test_bad_correction_is_named_and_nothing_is_saved(client, sign_in, city, application_id):
    sign_in(client, city["owner"])
    url = f"/applications/{application_id}"
    given = {"contact_phone": "abc", "contact_name": "李工"}
    refused = client.send(url, given)
    assert refused.status_code == 422
    assert "不像电话号码" in refused.text
    assert "李工" not in client.get(url).text


def test_item_goes_from_submission_to_its_end_and_the_owner_sees_every_move(
    client, sign_in, city, application_id, database
):
    assert submit(client, sign_in, city, application_id).status_code == 303
    with transaction(database, ENGINE) as session:
        item = session.scalars(select(Item).where(Item.annex_no == 1)).one()
    sign_in(client, city["water"])
    assert "云龙镇中心小学" in client.get("/items").text
    url = f"/items/{item.id}"
    for state in (3, 8, 11):
        given = {"to_state": state}
        assert client.send(f"{url}/moves", given).status_code == 303, state
    sign_in(client, city["owner"])
    page = client.get(f"/applications/{application_id}").text
    for name in ("接件", "窗口受理", "部门受理", "办结（通过）"):
        assert name in page


def test_move_that_is_not_allowed_is_refused_with_what_is(
    client, sign_in, city, application_id, database
):
    submit(client, sign_in, city, application_id)
    with transaction(database, ENGINE) as session:
        item = session.scalars(select(Item).where(Item.annex_no == 1)).one()
    sign_in(client, city["water"])
    url = f"/items/{item.id}"
    refused = client.send(f"{url}/moves", {"to_state": 11})
    assert refused.status_code == 409
    assert "窗口受理" in refused.text


def test_item_of_another_enterprise_is_not_there(client, sign_in, city, application_id, database):
    submit(client, sign_in, city, application_id)
    with transaction(database, ENGINE) as session:
        item = session.scalars(select(Item).where(Item.annex_no == 1)).one()
    sign_in(client, city["power"])
    assert client.get(f"/items/{item.id}").status_code == 404


def test_owner_adds_a_permit_item_with_a_reason(client, sign_in, city, application_id):
    sign_in(client, city["owner"])
    url = f"/applications/{application_id}"
    given = {"annex_no": 7, "reason": "横穿道路"}
    assert client.send(f"{url}/items", given).status_code == 303
    assert "市政设施建设类审批" in client.get(url).text
    assert client.send(f"{url}/items", {**given, "annex_no": 8, "reason": ""}).status_code == 422


def test_external_works_start_the_ten_working_days(client, sign_in, city, application_id, database):
    submit(client, sign_in, city, application_id)
    with transaction(database, ENGINE) as session:
        item = session.scalars(select(Item).where(Item.annex_no == 1)).one()
    sign_in(client, city["water"])
    url = f"/items/{item.id}"
    client.send(f"{url}/external-works", {})
    assert "首次设计方案" in client.get(url).text
    client.send(f"{url}/design", {})
    assert "反馈" in client.get(url).text


def test_office_uploads_permits_where_no_connection_exists(client, sign_in, city, database):
    sign_in(client, city["office"])
    body = permit()
    boundary = body.pop("boundary")
    owner = body.pop("owner")
    body |= {f"owner_{name}": value for name, value in owner.items()}
    body["uses"] = "中小学用地"
    collection = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": body, "geometry": boundary}],
    }
    file = (io.BytesIO(json.dumps(collection).encode()), "permits.geojson")
    given = {"file": file}
    assert client.send("/permits", given).status_code == 303
    assert "云龙镇中心小学" in client.get("/permits").text
    with transaction(database, ENGINE) as session:
        assert session.scalars(select(Permit)).one().city == HAIKOU


def test_bad_permit_file_is_refused_as_a_whole_with_rows(client, sign_in, city, database):
    sign_in(client, city["office"])
    file = (io.BytesIO(b'{"type": "FeatureCollection", "features": []}'), "permits.geojson")
    refused = client.send("/permits", {"file": file})
    assert refused.status_code == 422
    with transaction(database, ENGINE) as session:
        assert not session.scalars(select(Permit)).all()


def test_owner_is_made_known_when_new(client, city, database):
    code = "91440300708461136T"
    send(client, city["key"], permit(owner={"name": "新业主", "credit_code": code}))
    with transaction(database, ENGINE) as session:
        owner = session.scalars(select(Organisation).where(Organisation.credit_code == code)).one()
        assert owner.kind == "owner"
