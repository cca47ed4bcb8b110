"""What a person is told when something was not done, and where the language switch leads from there."""

import re

import pytest

from landready.db import ENGINE, transaction
from landready.organisations import Organisation
from tests.factories import make_plan

ORIGIN = "http://localhost"


@pytest.fixture
def plan(database, people):
    with transaction(database, ENGINE) as session:
        office = session.get_one(Organisation, people.office.organisation_id)
        made = make_plan(session, office, plots=1, state="released")
        return made.id, made.plots[0].id


def next_of(page):
    return re.search(r'name="next" value="([^"]*)"', page.text)[1]


def test_language_switch_stays_on_a_form_that_failed_at_its_own_address(office):
    answer = office.send("/plans/upload?a=1", {"title": "x"})
    assert (answer.status_code, next_of(answer)) == (422, "/plans/upload?a=1")
    assert office.send("/language/en", {"next": next_of(answer)}).location == "/plans/upload?a=1"


def test_language_switch_leads_from_an_address_of_forms_to_the_page_of_the_form(office, plan):
    number, plot = plan
    came = {"headers": {"Referer": f"{ORIGIN}/plans/{number}?page=1"}}
    for path, sent in (
        (f"/plans/{number}/list", {"plot": plot}),
        (f"/plots/{plot}/list", {}),
    ):
        answer = office.send(path, sent, **came)
        assert (answer.status_code, next_of(answer)) == (409, f"/plans/{number}?page=1")


@pytest.mark.parametrize(
    "referrer", ["https://evil.example/plans", f"{ORIGIN}//evil.example", f"{ORIGIN}/no/page", ""]
)
def test_language_switch_leads_home_when_nobody_knows_the_form(office, plan, referrer):
    answer = office.send(f"/plots/{plan[1]}/list", headers={"Referer": referrer})
    assert (answer.status_code, next_of(answer)) == (409, "")
    assert office.send("/language/en", {"next": ""}).location == "/"


@pytest.mark.parametrize(
    ("path", "status", "chinese", "english"),
    [
        ("/plans/5/list", 405, "这个地址不支持这种操作", "This address does not support"),
        ("/nothing/here", 404, "没有这项内容", "There is no such item"),
    ],
)
def test_a_page_of_an_error_is_in_the_readers_language_and_leads_on(
    office, path, status, chinese, english
):
    answer = office.get(path, headers={"Referer": f"{ORIGIN}/permits"})
    assert answer.status_code == status
    assert chinese in answer.text
    assert 'href="/permits">返回上一页' in answer.text
    assert 'href="/plans">回到首页' in answer.text
    office.send("/language/en")
    answer = office.get(path, headers={"Referer": "https://evil.example/"})
    assert english in answer.text
    assert "evil.example" not in answer.text
    assert "Go back" not in answer.text


def test_a_method_nobody_foresaw_is_told_in_words_too(client, database):
    assert "这个地址不支持这种操作" in client.delete("/").text
    assert client.delete("/api/v1/keys").json["detail"] == "这个地址不支持这种操作。"
