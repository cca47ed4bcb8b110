"""The administrator registers organisations and people, sees no business rows, and secrets are shown once."""

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from landready.accounts import MIN_PASSWORD, create_administrator
from landready.db import ENGINE, transaction
from landready.errors import Invalid
from landready.organisations import (
    Account,
    ApiKey,
    Organisation,
    organisation_of_key,
)
from landready.organisations import (
    sign_in as enter,
)
from landready.settings import Settings
from push.models import Endpoint
from push.vault import Vault
from tests.factories import (
    NOW,
    PASSWORD,
    SANYA,
    make_enterprise,
    make_layer,
    make_organisation,
    make_plan,
    make_push,
    square,
)
from tests.web.conftest import Browser, People, SignIn

LONG = "an entirely new sentence"
CREDIT_CODE = "914600000000000194"


@pytest.fixture
def admin(client: Browser, people: People, sign_in: SignIn) -> Browser:
    return sign_in(client, people.admin)


def _organisation(**changed: Any) -> dict[str, Any]:
    return {
        "kind": "enterprise",
        "name": "三亚示范供水公司",
        "city": SANYA,
        "utilities": ["water", "drainage"],
        "phone": "0898-20000000",
        **changed,
    }


def _account(**changed: str) -> dict[str, str]:
    return {
        "username": "li.si",
        "full_name": "李四",
        "password": LONG,
        "repeated": LONG,
        **changed,
    }


def test_admin_registers_an_enterprise_and_finds_it_by_kind_and_city(admin: Browser) -> None:
    answer = admin.send("/organisations/new", _organisation())
    assert answer.status_code == 303
    page = admin.get(answer.location).text
    assert "三亚示范供水公司" in page
    assert "三亚示范供水公司" in admin.get(f"/organisations?kind=enterprise&city={SANYA}").text
    assert "三亚示范供水公司" not in admin.get("/organisations?kind=office").text
    assert "三亚示范供水公司" not in admin.get("/organisations?city=460100").text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": " "}, "请填写单位名称"),
        ({"kind": "engine"}, "请选择单位类别"),
        ({"kind": "public"}, "请选择单位类别"),
        ({"utilities": []}, "请选择企业提供的公用服务"),
        ({"utilities": ["steam"]}, "只有市政公用服务企业登记公用服务"),
        ({"city": "999999"}, "没有这个市县"),
        ({"kind": "office", "utilities": [], "city": ""}, "属于一个市县"),
        ({"kind": "owner", "utilities": [], "city": ""}, "请填写统一社会信用代码"),
        ({"kind": "department", "utilities": []}, "请选择部门办理的事项"),
        (
            {"kind": "department", "utilities": [], "annex_items": ["1"]},
            "只有部门登记附件 2 中的许可事项",
        ),
        ({"credit_code": CREDIT_CODE[:-1] + "5"}, "校验码不对"),
        ({"phone": "call me"}, "不像电话号码"),
    ],
)
def test_an_organisation_that_cannot_be_right_is_refused_and_the_form_kept(
    admin: Browser, database: Engine, changed: dict[str, Any], said: str
) -> None:
    answer = admin.send("/organisations/new", _organisation(**changed))
    assert answer.status_code == 422
    assert said in answer.text
    assert 'value="0898-20000000"' in answer.text or "phone" in changed
    with transaction(database, ENGINE) as session:
        assert not session.scalar(
            select(Organisation.id).where(Organisation.name == "三亚示范供水公司")
        )


def test_a_credit_code_is_registered_once_within_a_kind(admin: Browser) -> None:
    owner = _organisation(kind="owner", city="", utilities=[], credit_code=CREDIT_CODE)
    assert admin.send("/organisations/new", owner).status_code == 303
    again = admin.send("/organisations/new", {**owner, "name": "另一家"})
    assert again.status_code == 422
    assert "已经登记给“三亚示范供水公司”" in again.text
    # A water company that builds is an owner beside being an enterprise.
    assert (
        admin.send("/organisations/new", _organisation(credit_code=CREDIT_CODE)).status_code == 303
    )


def test_a_telephone_that_changed_is_changed_for_everybody(
    admin: Browser, people: People, app: Flask
) -> None:
    path = f"/organisations/{people.water.organisation_id}/edit"
    assert 'value="海口水务"' in admin.get(path).text
    typed = {"name": "海口水务集团", "name_en": "Haikou Water Group", "phone": "0898-66666666"}
    answer = admin.send(path, typed)
    assert answer.status_code == 303
    assert answer.location == f"/organisations/{people.water.organisation_id}"
    told = app.test_client().get("/enterprises").text
    for said in typed.values():
        assert said in told


def test_what_an_organisation_was_asked_as_stays(
    admin: Browser, people: People, database: Engine
) -> None:
    path = f"/organisations/{people.water.organisation_id}/edit"
    assert "这几项不能修改" in admin.get(path).text
    moved = _organisation(kind="office", city=SANYA, utilities=["gas"])
    assert admin.send(path, moved).status_code == 303
    with transaction(database, ENGINE) as session:
        kept = session.get_one(Organisation, people.water.organisation_id)
        assert (kept.name, kept.kind) == ("三亚示范供水公司", "enterprise")
        assert (kept.city, kept.utilities) == ("460100", ["water"])


def test_the_code_by_which_permits_find_an_owner_stays(admin: Browser, database: Engine) -> None:
    owner = _organisation(kind="owner", city="", utilities=[], credit_code=CREDIT_CODE)
    made = admin.send("/organisations/new", owner).location
    assert 'name="credit_code"' not in admin.get(f"{made}/edit").text
    other = {"name": "改名公司", "credit_code": "91460000000000027Y"}
    assert admin.send(f"{made}/edit", other).status_code == 303
    with transaction(database, ENGINE) as session:
        codes = select(Organisation.credit_code).where(Organisation.name == "改名公司")
        assert session.scalars(codes).all() == [CREDIT_CODE]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": " "}, "请填写单位名称"),
        ({"phone": "call me"}, "不像电话号码"),
        ({"credit_code": CREDIT_CODE}, "已经登记给“三亚示范供水公司”"),
        ({"annex_items": ["7"]}, "只有部门登记附件 2 中的许可事项"),
    ],
)
def test_a_change_that_cannot_be_right_is_refused_and_nothing_changed(
    admin: Browser, people: People, database: Engine, changed: dict[str, Any], said: str
) -> None:
    admin.send("/organisations/new", _organisation(credit_code=CREDIT_CODE))
    typed = {"name": "改名公司", "phone": "0898-20000000", **changed}
    answer = admin.send(f"/organisations/{people.water.organisation_id}/edit", typed)
    assert answer.status_code == 422
    assert said in answer.text
    assert 'value="改名公司"' in answer.text or "name" in changed
    with transaction(database, ENGINE) as session:
        assert session.get_one(Organisation, people.water.organisation_id).name == "海口水务"


def test_an_organisation_keeps_its_own_credit_code(admin: Browser) -> None:
    made = admin.send("/organisations/new", _organisation(credit_code=CREDIT_CODE)).location
    again = admin.send(f"{made}/edit", {"name": "改名公司", "credit_code": CREDIT_CODE})
    assert again.status_code == 303


def test_a_department_hands_over_a_permit_item(admin: Browser, people: People) -> None:
    path = f"/organisations/{people.department.organisation_id}"
    refused = admin.send(f"{path}/edit", {"name": "审批局", "annex_items": []})
    assert refused.status_code == 422
    assert "请选择部门办理的事项" in refused.text
    assert (
        admin.send(f"{path}/edit", {"name": "审批局", "annex_items": ["8", "7"]}).status_code == 303
    )
    page = admin.get(path).text
    assert page.index("7 ") < page.index("8 ")


def test_a_new_account_signs_in(
    admin: Browser, people: People, client: Browser, database: Engine
) -> None:
    path = f"/organisations/{people.water.organisation_id}/accounts"
    assert admin.send(path, _account()).status_code == 303
    with transaction(database, ENGINE) as session:
        made = enter(session, "li.si", LONG)
        assert made
        assert made.organisation_id == people.water.organisation_id


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"repeated": "something else entirely"}, "两次输入的密码不一致"),
        ({"password": "x" * (MIN_PASSWORD - 1), "repeated": "x" * (MIN_PASSWORD - 1)}, "密码应有"),
        ({"password": "a" * 300, "repeated": "a" * 300}, "密码应有"),
        ({"password": "aaaaaaaaaaaa", "repeated": "aaaaaaaaaaaa"}, "太容易猜"),
        ({"username": "Li Si"}, "用户名应为"),
        ({"full_name": " "}, "请填写姓名"),
    ],
)
def test_an_account_that_cannot_be_used_is_refused_and_the_form_kept(
    admin: Browser, people: People, changed: dict[str, str], said: str
) -> None:
    path = f"/organisations/{people.water.organisation_id}/accounts"
    answer = admin.send(path, _account(**changed))
    assert answer.status_code == 422
    assert said in answer.text
    assert LONG not in answer.text, "a password is never sent back"


def test_a_user_name_is_given_once(admin: Browser, people: People) -> None:
    path = f"/organisations/{people.water.organisation_id}/accounts"
    answer = admin.send(path, _account(username=people.owner.username))
    assert answer.status_code == 422
    assert "已被使用" in answer.text


def test_connected_systems_have_no_people(admin: Browser, database: Engine) -> None:
    with transaction(database, ENGINE) as session:
        system = make_organisation(session, "exchange", city="").id
    assert admin.send(f"/organisations/{system}/accounts", _account()).status_code == 409


def test_reset_password_ends_open_sessions(
    app: Any, admin: Browser, people: People, sign_in: SignIn, database: Engine
) -> None:
    engineer = sign_in(app.test_client(), people.water)
    assert engineer.get("/pushes").status_code in (200, 404)
    assert engineer.get("/account/password").status_code == 200
    answer = admin.send(
        f"/accounts/{people.water.id}/password", {"password": LONG, "repeated": LONG}
    )
    assert answer.status_code == 303
    assert engineer.get("/account/password").status_code == 302
    with transaction(database, ENGINE) as session:
        assert enter(session, people.water.username, LONG)
        assert not enter(session, people.water.username, PASSWORD)


def test_a_disabled_account_is_out_at_once_and_in_again_when_enabled(
    app: Any, admin: Browser, people: People, sign_in: SignIn
) -> None:
    engineer = sign_in(app.test_client(), people.water)
    path = f"/accounts/{people.water.id}/state"
    assert admin.send(path, {"active": "no"}).status_code == 303
    assert engineer.get("/account/password").status_code == 302
    refused = engineer.send("/signin", {"username": people.water.username, "password": PASSWORD})
    assert refused.status_code == 401
    assert admin.send(path, {"active": "yes"}).status_code == 303
    assert engineer.get("/account/password").status_code == 302, "the old session stays ended"
    sign_in(engineer, people.water)


def test_admin_cannot_lock_the_door_behind_himself(admin: Browser, people: People) -> None:
    assert admin.send(f"/accounts/{people.admin.id}/state", {"active": "no"}).status_code == 409
    assert admin.get("/organisations").status_code == 200


def test_an_account_changes_only_when_the_form_says_how(
    admin: Browser, people: People, database: Engine
) -> None:
    for wish in ({}, {"active": ""}, {"active": "maybe"}):
        for account in (people.water, people.admin):
            answer = admin.send(f"/accounts/{account.id}/state", wish)
            assert answer.status_code == 422
            assert "请选择启用或停用账号" in answer.text
    with transaction(database, ENGINE) as session:
        assert all(session.scalars(select(Account.active)))


def test_organisation_of_a_name_that_is_registered_is_refused(admin: Browser) -> None:
    first = admin.send("/organisations/new", _organisation()).location
    for name in ("三亚示范供水公司", " 三亚示范供水公司 "):
        answer = admin.send("/organisations/new", _organisation(name=name))
        assert answer.status_code == 422
        assert "已有同类单位叫“三亚示范供水公司”" in answer.text
    other = admin.send("/organisations/new", _organisation(name="三亚第二供水公司")).location
    assert admin.send(f"{other}/edit", _organisation()).status_code == 422
    assert admin.send(f"{first}/edit", _organisation(phone="0898-20000001")).status_code == 303
    elsewhere = _organisation(city="460100")
    assert admin.send("/organisations/new", elsewhere).status_code == 303


def test_owners_may_share_a_name(admin: Browser) -> None:
    owner = _organisation(kind="owner", name="同名置业", city="", utilities=[])
    for code in (CREDIT_CODE, "91460000000000289N"):
        answer = admin.send("/organisations/new", {**owner, "credit_code": code})
        assert answer.status_code == 303, answer.text


def test_a_key_is_shown_once_and_worthless_once_revoked(
    admin: Browser, people: People, database: Engine
) -> None:
    organisation = people.water.organisation_id
    shown = admin.send(f"/organisations/{organisation}/keys", {"key_name": "调度系统"})
    (key,) = re.findall(r'value="(lr_[\w-]+)"', shown.text)
    with transaction(database, ENGINE) as session:
        found = organisation_of_key(session, key)
        assert found
        assert found.id == organisation
        key_id = session.scalars(select(ApiKey.id)).one()
    page = admin.get(f"/organisations/{organisation}").text
    assert "调度系统" in page
    assert key not in page
    assert admin.send(f"/keys/{key_id}/revoke").status_code == 303
    with transaction(database, ENGINE) as session:
        assert organisation_of_key(session, key) is None


def test_a_key_without_a_purpose_is_refused(admin: Browser, people: People) -> None:
    path = f"/organisations/{people.water.organisation_id}/keys"
    assert admin.send(path, {"key_name": " "}).status_code == 422


def test_an_endpoints_secret_is_shown_once(
    admin: Browser, people: People, database: Engine, settings: Settings
) -> None:
    path = f"/organisations/{people.water.organisation_id}/endpoints"
    shown = admin.send(path, {"url": "https://water.example/hook"})
    with transaction(database, ENGINE) as session:
        endpoint = session.scalars(select(Endpoint)).one()
    secret = Vault(settings.secret_key).open(endpoint.secret, endpoint.enterprise_id)
    assert secret in shown.text
    page = admin.get(f"/organisations/{people.water.organisation_id}").text
    assert "https://water.example/hook" in page
    assert secret not in page
    assert endpoint.secret not in page
    assert admin.send(f"{path}/{endpoint.id}/disable").status_code == 303
    with transaction(database, ENGINE) as session:
        assert session.scalars(select(Endpoint)).one().disabled_at


def test_an_endpoint_that_is_no_address_is_refused_beside_its_field(
    admin: Browser, people: People
) -> None:
    path = f"/organisations/{people.water.organisation_id}/endpoints"
    answer = admin.send(path, {"url": "javascript:alert(1)"})
    assert answer.status_code == 422
    assert "接收地址“javascript:alert(1)”不可用" in answer.text


def test_only_enterprises_receive_pushes(admin: Browser, people: People) -> None:
    path = f"/organisations/{people.office.organisation_id}/endpoints"
    assert admin.send(path, {"url": "https://office.example/hook"}).status_code == 404


def test_admin_sees_no_plans(admin: Browser, people: People, database: Engine) -> None:
    with transaction(database, ENGINE) as session:
        plan = make_plan(session, plots=1, state="released", title="机密计划")
        push = make_push(session, plan)
        ids = plan.id, push.id
    for path in (
        "/plans",
        f"/plans/{ids[0]}",
        f"/pushes/{ids[1]}",
        "/overview",
        "/permits",
        "/items",
    ):
        assert admin.get(path).status_code in (403, 404), path
    for path in ("/organisations", f"/organisations/{people.water.organisation_id}"):
        assert "机密计划" not in admin.get(path).text


@pytest.mark.parametrize("who", ["office", "water", "owner", "department", "supervisor"])
def test_nobody_else_administers(
    client: Browser, people: People, sign_in: SignIn, who: str
) -> None:
    sign_in(client, getattr(people, who))
    number = people.water.organisation_id
    for path in (
        "/organisations",
        "/organisations/new",
        f"/organisations/{number}",
        f"/organisations/{number}/edit",
    ):
        assert client.get(path).status_code == 403
    for path in (
        f"/organisations/{number}/edit",
        "/organisations/new",
        f"/organisations/{number}/accounts",
        f"/organisations/{number}/keys",
        f"/organisations/{number}/endpoints",
        f"/accounts/{people.admin.id}/password",
        f"/accounts/{people.admin.id}/state",
        "/keys/1/revoke",
    ):
        assert client.send(path).status_code == 403


@pytest.mark.parametrize(
    "path",
    ["/organisations/{n}", "/organisations/{n}/edit", "/accounts/{n}/password"],
)
def test_what_is_not_there_is_not_found(admin: Browser, path: str) -> None:
    assert admin.get(path.format(n=999_999)).status_code == 404


def test_everybody_changes_the_own_password_and_stays_signed_in(
    app: Any, client: Browser, people: People, sign_in: SignIn
) -> None:
    sign_in(client, people.owner)
    elsewhere = sign_in(app.test_client(), people.owner)
    sent = {"old": PASSWORD, "password": LONG, "repeated": LONG}
    assert client.send("/account/password", sent).status_code == 303
    assert client.get("/account/password").status_code == 200
    assert elsewhere.get("/account/password").status_code == 302
    stale = client.send("/account/password", sent)
    assert stale.status_code == 422
    assert "现在的密码不对" in stale.text


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"old": "wrong", "password": LONG, "repeated": LONG}, "现在的密码不对"),
        ({"old": PASSWORD, "password": "short", "repeated": "short"}, "密码应有"),
        ({"old": PASSWORD, "password": PASSWORD, "repeated": PASSWORD}, "与现在的密码相同"),
    ],
)
def test_a_password_that_cannot_be_taken_changes_nothing(
    client: Browser,
    people: People,
    sign_in: SignIn,
    database: Engine,
    sent: dict[str, str],
    said: str,
) -> None:
    sign_in(client, people.owner)
    answer = client.send("/account/password", sent)
    assert answer.status_code == 422
    assert said in answer.text
    with transaction(database, ENGINE) as session:
        assert enter(session, people.owner.username, PASSWORD)


def test_enterprises_are_public_with_utilities_phone_and_area(
    client: Browser, database: Engine
) -> None:
    with transaction(database, ENGINE) as session:
        water = make_enterprise(session, "water", name="甲供水", phone="0898-20000001")
        make_layer(session, water, square(), kind="service_areas")
        make_layer(session, water, square(500), kind="facilities")
        make_enterprise(session, "gas", name="乙燃气", city=SANYA)
    page = client.get("/enterprises")
    assert page.status_code == 200
    assert "甲供水" in page.text
    assert "0898-20000001" in page.text
    assert "1 个区域" in page.text
    assert page.text.count('"type": "Polygon"') + page.text.count('"type": "MultiPolygon"') == 1
    in_sanya = client.get(f"/enterprises?city={SANYA}").text
    assert "乙燃气" in in_sanya
    assert "甲供水" not in in_sanya


def test_a_late_answer_is_public_but_not_what_it_is_about(
    client: Browser, database: Engine
) -> None:
    with transaction(database, ENGINE) as session:
        plan = make_plan(session, plots=1, state="released", title="尚未公开的计划")
        make_push(session, plan, make_enterprise(session, name="迟到供水"))
    page = client.get("/enterprises").text
    assert "1 件，最长" in page
    assert "尚未公开的计划" not in page


def test_the_first_administrator_comes_from_the_command_line(
    settings: Settings, database: Engine
) -> None:
    with pytest.raises(Invalid):
        create_administrator(
            settings, username="root", full_name="管理员", password="short", now=NOW
        )
    for name in ("first", "second"):
        create_administrator(settings, username=name, full_name="管理员", password=LONG, now=NOW)
    with transaction(database, ENGINE) as session:
        assert session.scalars(select(Organisation.kind)).all() == ["admin"]
        assert enter(session, "first", LONG)
        assert len(session.scalars(select(Account)).all()) == 2


def test_a_person_is_not_registered_with_nobody(admin: Browser) -> None:
    assert admin.send("/organisations/999999/accounts", _account()).status_code == 404
