"""The trading platform's feed: every change once, in order, whatever the size of a page."""

import re
import threading
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from landready.db import ENGINE, Actor, Role, transaction
from landready.gate import list_plot, move_listing
from landready.listings import Listing, ListingMove
from landready.offers import offers
from landready.plans import Plot, SupplyPlan
from tests.factories import make_answer, make_enterprise, make_office, make_plan, make_push
from web.filters import turned

NOW = datetime.now(UTC)


@pytest.fixture
def office(database, settings):
    """An office with five plots on offer."""
    with transaction(database, ENGINE) as session:
        office = make_office(session)
        plan = make_plan(session, office, plots=5, state="released")
        for utility in ("water", "power"):
            push = make_push(session, plan, make_enterprise(session, utility), pushed_at=NOW)
            for plot in plan.plots:
                make_answer(session, push, plot=plot)
        ids = [plot.id for plot in plan.plots]
    actor = Actor(Role.OFFICE, office.id, None, office.city)
    with transaction(database, actor) as session:
        for plot_id in ids:
            list_plot(session, plot_id, settings.gate, account_id=None, now=NOW)
    return actor


def read(client, after="", limit=2):
    seen = []
    while True:
        answer = client.get("/api/v1/listings", query_string={"after": after, "limit": limit}).json
        if not answer["listings"]:
            return seen, after
        seen += [(x["id"], x["state"]) for x in answer["listings"]]
        after = answer["next"]


def test_listings_of_one_moment_are_all_read_page_by_page(client, office):
    seen, _ = read(client)
    assert len(seen) == len(set(seen)) == 5


def test_change_comes_once_after_the_last_position(client, office, database, settings):
    seen, after = read(client)
    with transaction(database, office) as session:
        move_listing(session, seen[0][0], "suspended", "复核", settings.gate, NOW)
    assert read(client, after)[0] == [(seen[0][0], "suspended")]


def test_change_that_commits_late_is_not_passed_by(client, office, database, settings):
    """A slow change begun first must not hide behind a quick one begun later: the quick one waits its turn."""
    with transaction(database, ENGINE) as session:
        first, second = session.scalars(select(Listing.id).order_by(Listing.id).limit(2)).all()
    _, after = read(client)

    def quick():
        with transaction(database, office) as session:
            move_listing(session, second, "suspended", "快", settings.gate, NOW)

    waiting = threading.Thread(target=quick)
    with transaction(database, office) as session:
        move_listing(session, first, "suspended", "慢", settings.gate, NOW)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        seen, after = read(client, after)
    waiting.join(10)
    assert seen + read(client, after)[0] == [(first, "suspended"), (second, "suspended")]


def test_listing_that_moves_while_a_page_is_made_is_told_once_each_way(
    client, office, database, settings, monkeypatch
):
    """The page asks where listings stand and then what they are: a move between the two belongs to the next page."""
    (number, _), *_rest = read(client)[0]
    _, after = read(client)
    with transaction(database, office) as session:
        move_listing(session, number, "suspended", "一", settings.gate, NOW)

    def offers_after_a_move(asked, ids):
        with transaction(database, office) as session:
            move_listing(session, number, "listed", "二", settings.gate, NOW)
        monkeypatch.undo()
        return offers(asked, ids)

    monkeypatch.setattr("web.api_listings.offers", offers_after_a_move)
    seen, after = read(client, after)
    assert seen == [(number, "suspended"), (number, "listed")]
    assert read(client, after)[0] == []


def test_four_writers_and_a_reader_leave_no_gap_and_no_repeat(client, office, database, settings):
    """Each listing is moved by one of four writers at once; the reader follows its cursor all the while."""
    with transaction(database, ENGINE) as session:
        ids = session.scalars(select(Listing.id).order_by(Listing.id)).all()
    _, after = read(client)

    def write(number):
        for turn in range(10):
            state = "listed" if turn % 2 else "suspended"
            with transaction(database, office) as session:
                move_listing(session, number, state, f"{turn}", settings.gate, NOW)

    writers = [threading.Thread(target=write, args=(number,)) for number in ids[:4]]
    for writer in writers:
        writer.start()
    seen = []
    while any(writer.is_alive() for writer in writers):
        page = client.get("/api/v1/listings", query_string={"after": after, "limit": 3}).json
        seen += page["listings"]
        after = page["next"]
    rest, _ = read(client, after)
    positions = [(x["changed_at"], x["id"]) for x in seen]
    assert positions == sorted(set(positions))
    last = {x["id"]: x["state"] for x in seen} | dict(rest)
    assert [last[number] for number in ids[:4]] == ["listed"] * 4
    with transaction(database, ENGINE) as session:
        moves = session.scalars(select(ListingMove).order_by(ListingMove.id)).all()
    # The history has every move in the order of change, whoever wrote beside it.
    assert len(moves) == 5 + 40
    assert [m.moved_at for m in moves] == sorted(m.moved_at for m in moves)


def test_same_question_is_answered_by_not_modified_until_something_changes(
    client, office, database, settings
):
    first = client.get("/api/v1/listings")
    asked = {"If-None-Match": first.headers["ETag"]}
    again = client.get("/api/v1/listings", headers=asked)
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    with transaction(database, office) as session:
        move_listing(
            session, first.json["listings"][0]["id"], "sold", "成交公告 1 号", settings.gate, NOW
        )
    assert client.get("/api/v1/listings", headers=asked).status_code == 200


def test_listing_tells_what_each_utility_said_on_what_it_stands_and_from_when(
    client, office, database
):
    with transaction(database, ENGINE) as session:
        plot = session.scalars(select(Plot).order_by(Plot.id)).first()
        plan = session.get_one(SupplyPlan, plot.plan_id)
        gas = make_push(session, plan, make_enterprise(session, "gas", name="燃气"))
        make_push(session, plan, make_enterprise(session, "telecom", name="通信"))
        promise = {"verdict": "ready_by", "ready_by": date(2027, 3, 1), "works": "铺设 DN110"}
        make_answer(session, gas, plot=plot, **promise)
    (found,) = [
        x for x in client.get("/api/v1/listings").json["listings"] if x["plot_code"] == plot.code
    ]
    said = {x["utility"]: x for x in found["said"]}
    assert list(said) == ["water", "power", "gas", "telecom"]
    assert (said["water"]["standing"], said["water"]["verdict"]) == ("confirmed", "ready")
    assert (said["gas"]["standing"], said["gas"]["ready_by"]) == ("committed", "2027-03-01")
    assert (said["telecom"]["standing"], said["telecom"]["verdict"]) == ("computed", None)
    assert said["telecom"]["due_on"] == "2026-03-09"
    assert said["water"]["as_of"] == "2026-03-02T02:00:00Z"
    assert found["boundary"]["type"] == "MultiPolygon"


def test_cursor_that_is_none_of_ours_is_refused(client):
    answer = client.get("/api/v1/listings?after=20261399T000000.0-x")
    assert answer.status_code == 422
    assert answer.json["problems"][0]["where"] == "after"


def test_withdrawn_listing_is_told_in_the_feed_and_has_no_page_any_more(
    client, office, database, settings
):
    seen, after = read(client)
    with transaction(database, office) as session:
        move_listing(session, seen[0][0], "withdrawn", "不再供应", settings.gate, NOW)
    assert read(client, after)[0] == [(seen[0][0], "withdrawn")]
    assert client.get(f"/land/{seen[0][0]}").status_code == 404
    assert client.get(f"/land/{seen[1][0]}").status_code == 200


def test_land_page_tells_how_many_fit_and_turns_with_its_filters(client, office, monkeypatch):
    monkeypatch.setattr("landready.listings.PAGE", 2)
    monkeypatch.setattr("web.land.PAGE", 2)
    first = client.get(f"/?city={office.city}").text
    assert "上架和暂停上架的地块（5）" in first
    assert f"/?city={office.city}&amp;page=2#list" in first
    assert len(set(re.findall(r"/land/\d+", client.get("/?page=3").text))) == 1
    assert client.get("/?page=-1").status_code == client.get("/?page=x").status_code == 200


def test_pager_of_a_page_shown_after_a_form_leads_to_the_page_not_the_form(app):
    with app.test_request_context("/plans/1/list?page=3", method="POST"):
        assert turned("/plans/1", 2) == "/plans/1?page=2"
