"""What no honest browser sends, and what must not come of it."""

import io
import json

import pytest

from landready.db import ENGINE, transaction
from landready.permit_fields import example
from landready.shapes import geojson_of
from tests.factories import (
    PASSWORD,
    make_key,
    make_organisation,
    square,
)
from web.auth import local_path

NUMBER = "建字第4601002026GG0000001号"


def permit(number=NUMBER):
    return {**example(), "permit_no": number, "plot_code": "", "boundary": geojson_of(square())}


def as_file(fields):
    owner = {f"owner_{name}": value for name, value in fields["owner"].items()}
    cells = {n: v for n, v in fields.items() if n not in ("boundary", "owner")}
    feature = {"type": "Feature", "properties": {**cells, **owner}, "geometry": fields["boundary"]}
    text = json.dumps({"type": "FeatureCollection", "features": [feature]})
    return io.BytesIO(text.encode()), "p.geojson"


def test_refused_permit_file_shows_the_office_its_own_permits_only(
    client, people, database, sign_in
):
    """The refusal is found while the product itself works; the page that tells it is the office's again."""
    with transaction(database, ENGINE) as session:
        key = make_key(session, make_organisation(session, "exchange", city=""))
    sent = client.post("/api/v1/permits", json=permit(), headers={"Authorization": f"Bearer {key}"})
    assert sent.status_code == 201
    sign_in(client, people.other_office)
    answer = client.send("/permits", {"file": as_file(permit("建字第4601002026GG0000002号"))})
    assert answer.status_code == 422
    assert "不属于您的市县" in answer.text
    assert NUMBER not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/?city=%00", "/?use=4601%00", "/enterprises?city=%00", "/api/v1/listings?limit=5&%00=1"],
)
def test_nul_in_a_query_is_left_out(client, database, path):
    assert client.get(path).status_code == 200


def test_nul_in_a_path_names_nothing(client, people, sign_in):
    sign_in(client, people.water)
    assert client.get("/pushes/1/plots/1/wa%00ter").status_code == 404


def test_nul_in_a_user_name_is_left_out(client, people):
    typed = {"username": f"\x00{people.office.username}", "password": PASSWORD}
    assert client.send("/signin", typed).status_code == 302


@pytest.mark.parametrize("field", ["name", "name_en", "credit_code", "city", "phone", "kind"])
def test_nul_in_a_form_of_the_administrator_is_no_server_error(client, people, sign_in, field):
    sign_in(client, people.admin)
    form = {"kind": "owner", "name": "业主公司", "city": "", field: "a\x00b"}
    assert client.send("/organisations/new", form).status_code < 500


def test_blanks_around_a_user_name_buy_no_more_tries(client, people, settings):
    """The name is looked up without them, so it must be counted without them."""
    tries = int(settings.web.signin_limit.split()[0])
    for n in range(tries):
        typed = {"username": " " * n + people.office.username, "password": "wrong"}
        client.send("/signin", typed)
    typed = {"username": people.office.username + " ", "password": PASSWORD}
    assert client.send("/signin", typed).status_code == 429


def test_guessing_from_elsewhere_does_not_lock_the_person_out(client, people, settings):
    elsewhere = {"REMOTE_ADDR": "10.0.0.1"}
    for _ in range(int(settings.web.signin_limit.split()[0]) + 1):
        typed = {"username": people.office.username, "password": "wrong"}
        answer = client.send("/signin", typed, environ_overrides=elsewhere)
    assert answer.status_code == 429
    typed = {"username": people.office.username, "password": PASSWORD}
    assert client.send("/signin", typed).status_code == 302


def test_people_of_one_office_signing_in_together_are_not_limited(client, people, settings):
    for _ in range(int(settings.web.signin_limit.split()[0]) + 2):
        typed = {"username": people.office.username, "password": PASSWORD}
        assert client.send("/signin", typed).status_code == 302


def test_copied_cookie_is_worth_nothing_after_signing_out(app, client, people, sign_in):
    sign_in(client, people.office)
    copied = client.get_cookie("landready").value
    thief = app.test_client()
    thief.set_cookie("landready", copied)
    assert thief.get("/plans").status_code == 200
    client.send("/signout")
    thief.set_cookie("landready", copied)
    assert thief.get("/plans").status_code == 302


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "/\t/evil.example", "/\t/[", "https://evil.example", "x"],
)
def test_signing_in_leads_nowhere_else(target):
    assert local_path(target) is None


@pytest.mark.parametrize(
    "body", ["[" * 100_000, '{"a":' * 100_000, "{", "\ufeff", b"\xff", "9" * 5000]
)
def test_permit_that_is_no_json_is_told_so(client, people, database, body):
    with transaction(database, ENGINE) as session:
        key = make_key(session, make_organisation(session, "exchange", city=""))
    headers = {"Authorization": f"Bearer {key}"}
    sent = client.post(
        "/api/v1/permits", data=body, headers=headers, content_type="application/json"
    )
    assert sent.status_code == 400
    assert sent.content_type == "application/problem+json"


@pytest.mark.parametrize("digits", [400, 4000])
def test_permit_with_numbers_of_any_length_is_told_so(client, people, database, digits):
    with transaction(database, ENGINE) as session:
        key = make_key(session, make_organisation(session, "exchange", city=""))
    whole = permit()
    numbers = [name for name, value in whole.items() if isinstance(value, (int, float))]
    assert numbers
    for name in numbers:
        sent = client.post(
            "/api/v1/permits",
            json={**whole, name: int("9" * digits)},
            headers={"Authorization": f"Bearer {key}"},
        )
        assert sent.status_code == 422, name
    far = json.loads(json.dumps(whole["boundary"]).replace("110.", "9" * digits + ".", 1))
    sent = client.post(
        "/api/v1/permits",
        json={**whole, "boundary": far},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert sent.status_code == 422
