"""An enterprise's page for its own systems, the administrator's approvals, and what stands where nothing arrived."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from landready import outbox
from landready.db import ENGINE, transaction
from landready.pushes import Push
from push.claims import Result, claim, settle
from push.fanout import fan_out
from push.models import Delivery, Endpoint, EndpointNetwork
from push.schedule import Dead
from push.transport import Answered
from tests.factories import make_plan, make_push
from tests.web.conftest import Browser, People, SignIn

URL = "https://water.example/hook"


@pytest.fixture
def water(client: Browser, people: People, sign_in: SignIn) -> Browser:
    return sign_in(client, people.water)


@pytest.fixture
def endpoint_id(water: Browser, database: Engine) -> int:
    assert water.send("/endpoints", {"url": URL}).status_code == 200
    with transaction(database, ENGINE) as session:
        return session.scalars(select(Endpoint.id)).one()


def secret_on(page: str) -> str:
    found = re.search(r'id="secret" value="(whsec_[^"]+)"', page)
    assert found
    return found[1]


def give_up(database: Engine, people: People) -> int:
    """Push a plan whose webhook comes to the end of its schedule; return the push's id."""
    now = datetime.now(UTC)
    with transaction(database, ENGINE) as session:
        office, enterprise = people.office.organisation, people.water.organisation
        plan = make_plan(session, office, plots=1, state="released", title="二季度供地")
        push = make_push(session, plan, enterprise, due_on=(now + timedelta(days=9)).date())
        outbox.record(
            session, enterprise_id=enterprise.id, office_id=office.id, push_id=push.id,
            type_="plan.released", data={}, now=now,
        )  # fmt: skip
        push_id = push.id
    with transaction(database, ENGINE) as session:
        fan_out(session, now)
    with transaction(database, ENGINE) as session:
        claims = claim(session, 1, timedelta(seconds=30), now)
        settle(session, [Result(one, Answered(500), Dead(), now) for one in claims])
    return push_id


def test_an_enterprise_adds_its_system_and_sees_the_secret_once(water, database):
    shown = water.send("/endpoints", {"url": URL})
    secret = secret_on(shown.text)
    page = water.get("/system").text
    assert URL in page
    assert secret not in page
    with transaction(database, ENGINE) as session:
        assert secret not in session.scalars(select(Endpoint.secret)).one()


def test_a_wrong_address_is_told_beside_the_field_and_kept_in_it(water, endpoint_id):
    refused = water.send("/endpoints", {"url": "ftp://x/"})
    assert refused.status_code == 422
    assert 'value="ftp://x/"' in refused.text
    assert "不可用" in refused.text
    refused = water.send(f"/endpoints/{endpoint_id}/url", {"url": "http://a b/"})
    assert refused.status_code == 422
    assert 'value="http://a b/"' in refused.text


def test_a_secret_is_changed_with_both_signing_until_the_old_is_ended(water, endpoint_id):
    assert "更换签名密钥" in water.get("/system").text
    new = secret_on(water.send(f"/endpoints/{endpoint_id}/secret").text)
    page = water.get("/system").text
    assert "新旧密钥同时签名" in page
    assert new not in page
    assert water.send(f"/endpoints/{endpoint_id}/secret").status_code == 409
    assert water.send(f"/endpoints/{endpoint_id}/secret/end").status_code == 303
    assert "一个密钥签名" in water.get("/system").text


def test_an_address_is_changed_tried_out_and_disabled(water, endpoint_id, database):
    moved = "https://water.example/v2"
    assert water.send(f"/endpoints/{endpoint_id}/url", {"url": moved}).status_code == 303
    assert moved in water.get("/system").text
    assert water.send(f"/endpoints/{endpoint_id}/test").status_code == 303
    with transaction(database, ENGINE) as session:
        assert session.scalars(select(Delivery.state)).all() == ["owed"]
    assert water.send(f"/endpoints/{endpoint_id}/disable").status_code == 303
    assert "企业自行停用" in water.get("/system").text


def test_the_administrator_approves_and_revokes_a_subnet_of_one_endpoint(
    app, water, endpoint_id, people, sign_in, database
):
    admin = sign_in(app.test_client(), people.admin)
    owner = people.water.organisation_id
    path = f"/organisations/{owner}/endpoints/{endpoint_id}/networks"
    assert admin.send(path, {"network": "10.20.0.0/16"}).status_code == 303
    assert "10.20.0.0/16" in admin.get(f"/organisations/{owner}").text
    assert "10.20.0.0/16" in water.get("/system").text
    refused = admin.send(path, {"network": "10.0.0.0/8"})
    assert refused.status_code == 422
    assert "太大" in refused.text
    with transaction(database, ENGINE) as session:
        network_id = session.scalars(select(EndpointNetwork.id)).one()
    assert admin.send(f"/organisations/{owner}/networks/{network_id}/revoke").status_code == 303
    assert "10.20.0.0/16" not in water.get("/system").text


def test_what_was_given_up_stands_in_the_inbox_and_on_the_planners_list_at_once(
    app, water, endpoint_id, people, sign_in, database
):
    push_id = give_up(database, people)
    office = sign_in(app.test_client(), people.office)
    supervisor = sign_in(app.test_client(), people.supervisor)
    for browser, path in (
        (water, "/inbox"),
        (water, "/system"),
        (office, "/overview"),
        (office, "/deliveries"),
        (supervisor, "/overview"),
    ):
        page = browser.get(path).text
        assert "二季度供地" in page, path
        assert "接收系统答复 500。" in page, path
    assert f"/pushes/{push_id}" in water.get("/system").text
    other = sign_in(app.test_client(), people.other_office)
    assert "二季度供地" not in other.get("/deliveries").text


@pytest.mark.parametrize("who", ["water", "office"])
def test_either_side_sends_it_again_and_it_leaves_the_list(
    app, water, endpoint_id, people, sign_in, database, who
):
    give_up(database, people)
    browser = water if who == "water" else sign_in(app.test_client(), people.office)
    path = "/system" if who == "water" else "/deliveries"
    again = re.search(r'action="(/deliveries/\d+)"', browser.get(path).text)
    assert again
    assert browser.send(again[1]).headers["Location"] == path
    assert "没有停止重试的推送" in browser.get(path).text


@pytest.mark.parametrize(
    ("kind", "value", "status"),
    [("after", "0", 303), ("number", "1", 303), ("since", "2026-01-01 08:00", 303), ("after", "x", 422),
     ("number", "", 422), ("number", "9" * 19, 422), ("since", "yesterday", 422), ("number", "77", 404)],
)  # fmt: skip
def test_all_since_a_number_or_a_moment_is_sent_again_by_either_side(
    app, water, endpoint_id, people, sign_in, database, kind, value, status
):
    give_up(database, people)
    office = sign_in(app.test_client(), people.office)
    theirs = f"/deliveries/enterprises/{people.water.organisation_id}/replay"
    for browser, path in ((water, "/system/replay"), (office, theirs)):
        answer = browser.send(path, {"kind": kind, "value": value})
        assert answer.status_code == status, path
        if status == 422:
            assert "请填写" in answer.text
            assert f'value="{value}"' in answer.text


def test_the_pages_are_whole_in_english(water, endpoint_id, people, database):
    give_up(database, people)
    water.send("/language/en")
    page = re.sub(
        r"<nav.*?</nav>|二季度供地|海口\w+|土地\w+", "", water.get("/system").text, flags=re.DOTALL
    )
    main = page[page.index("<main") : page.index("</main>")]
    assert not re.search(r"[\u4e00-\u9fff]", main), re.findall(r"[\u4e00-\u9fff]+", main)


def test_the_row_of_the_push_is_the_inbox_entry_whatever_the_webhook_does(
    water, endpoint_id, people, database
):
    push_id = give_up(database, people)
    with transaction(database, ENGINE) as session:
        assert session.get_one(Push, push_id).pushed_at
    assert f'href="/pushes/{push_id}"' in water.get("/inbox").text
