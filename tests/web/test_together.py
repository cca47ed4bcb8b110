"""The page of what can be served together: for the plan's office and its supervisors, in both languages."""

import re

import pytest

from landready.db import ENGINE, transaction
from landready.organisations import Account
from tests import factories as make
from tests.landready.test_allocations import World, make_world


@pytest.fixture
def world(database, settings) -> World:
    return make_world(database, settings)


@pytest.fixture
def planner(world, database, client, sign_in):
    with transaction(database, ENGINE) as session:
        office = session.get_one(make.Organisation, world.office.organisation_id)
        account: Account = make.make_account(session, office)
    return sign_in(client, account)


def words(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


def test_the_page_says_what_is_served_what_is_short_and_what_to_extend(planner, world):
    page = planner.get(f"/plans/{world.plan}/together")
    assert page.status_code == 200
    told = words(page)
    assert "已证明是最优" in told
    assert "瓶颈" in told
    assert re.search(r"water 1 （water company）扩容 300 m³/d", told)
    assert "2 个地块" in told
    assert "指标未经核实" in told
    assert page.text.count("余量不够") >= 2
    # Colours and links of the map: two served plots, two utilities each.
    assert page.text.count("water 1\\u003cbr\\u003eP-") == 2


def test_the_page_of_the_plan_leads_there(planner, world):
    assert f"/plans/{world.plan}/together" in planner.get(f"/plans/{world.plan}").text


def test_the_page_is_there_in_english(planner, world):
    planner.send("/language/en")
    page = planner.get(f"/plans/{world.plan}/together")
    assert "Proved to be the best" in words(page)
    main = page.text[page.text.index("<main") : page.text.index("</main")]
    assert not re.findall(r"[一-鿿]+", re.sub(r"<script.*?</script>", "", main, flags=re.DOTALL))


def test_a_plan_without_stated_capacities_says_what_is_missing(database, settings, client, sign_in):
    world = make_world(database, settings, water=None, power=None)
    with transaction(database, ENGINE) as session:
        office = session.get_one(make.Organisation, world.office.organisation_id)
        account = make.make_account(session, office)
    told = words(sign_in(client, account).get(f"/plans/{world.plan}/together"))
    assert "没有申明余量的设施可以计算" in told
    assert "企业没有申明余量" in told


def test_a_draft_and_anothers_plan_are_not_found(planner, world, database):
    with transaction(database, ENGINE) as session:
        mine = make.make_plan(
            session, session.get_one(make.Organisation, world.office.organisation_id), plots=1
        )
        theirs = make.make_plan(session, plots=1, state="released")
        ids = mine.id, theirs.id
    for plan_id in ids:
        assert planner.get(f"/plans/{plan_id}/together").status_code == 404
