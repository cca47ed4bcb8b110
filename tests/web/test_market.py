"""The life of a listing: moves with their history, many at once, the trading platform told of each, and its question answered."""

import base64
import json
import re
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError
from standardwebhooks import Webhook

from landready import gate as gate_module
from landready import tradable
from landready.certificates import Certificate
from landready.db import ENGINE, transaction
from landready.gate import list_plot, move_listing
from landready.listings import Listing, ListingMove
from landready.organisations import Organisation
from landready.outbox import OutboxEvent
from landready.settings import ROOT
from landready.suspending import suspend_lapsed
from push import networks
from push.deliver import deliver
from push.models import Delivery, Endpoint
from push.vault import Vault
from tests.factories import (
    make_answer,
    make_enterprise,
    make_key,
    make_office,
    make_organisation,
    make_plan,
    make_plot,
    make_push,
    square,
)
from tests.push.receiver import Receiver

NOW = datetime.now(UTC)


class Market:
    """A released plan of the signed-in office: plots 0 and 1 can be listed, plot 2 lacks power."""

    def __init__(self, database, settings, people):
        self.database, self.settings, self.actor = database, settings, people.office.actor
        with transaction(database, ENGINE) as session:
            office = session.get_one(Organisation, people.office.organisation_id)
            plan = make_plan(session, office, plots=3, state="released")
            for number, utility in enumerate(("water", "power")):
                push = make_push(session, plan, make_enterprise(session, utility), pushed_at=NOW)
                for plot in plan.plots[: 3 - number]:
                    make_answer(session, push, plot=plot)
            self.plan_id, self.plots = plan.id, [plot.id for plot in plan.plots]
            self.codes = [plot.code for plot in plan.plots]
            platform = make_organisation(session, "exchange", name="土地交易平台", city="")
            self.platform_id, self.key = platform.id, make_key(session, platform)

    def list(self, number=0):
        with transaction(self.database, self.actor) as session:
            gate = self.settings.gate
            return list_plot(
                session, self.plots[number], gate, account_id=self.actor.account_id, now=NOW
            ).id

    def move(self, listing_id, state, reason="原因"):
        with transaction(self.database, self.actor) as session:
            move_listing(session, listing_id, state, reason, self.settings.gate, NOW)

    def rows(self, model):
        with transaction(self.database, ENGINE) as session:
            return session.scalars(select(model).order_by(model.id)).all()

    def events(self):
        with transaction(self.database, ENGINE) as session:
            found = session.scalars(select(OutboxEvent).order_by(OutboxEvent.number)).all()
            return [json.loads(event.body) for event in found]


@pytest.fixture
def market(database, settings, people):
    return Market(database, settings, people)


@pytest.fixture
def office(client, sign_in, people):
    return sign_in(client, people.office)


@pytest.fixture
def admin(app, sign_in, people):
    return sign_in(app.test_client(), people.admin)


# the life of a listing


def test_every_move_is_kept_with_reason_person_and_time(market):
    listing = market.list()
    market.move(listing, "suspended", "复核边界")
    market.move(listing, "listed", "")
    market.move(listing, "sold", "成交公告 7 号")
    moves = market.rows(ListingMove)
    assert [(m.from_state, m.to_state, m.reason) for m in moves] == [
        (None, "listed", ""),
        ("listed", "suspended", "复核边界"),
        ("suspended", "listed", ""),
        ("listed", "sold", "成交公告 7 号"),
    ]
    assert {m.moved_by for m in moves} == {market.actor.account_id}
    assert [m.moved_at for m in moves] == sorted(m.moved_at for m in moves)


def test_move_made_by_the_product_itself_names_nobody(market, database, settings, owner):
    market.list()
    expire(owner, market.plots[0])
    with transaction(database, ENGINE) as session:
        assert suspend_lapsed(session, settings.gate, NOW)
    last = market.rows(ListingMove)[-1]
    assert (last.to_state, last.moved_by) == ("suspended", None)


def test_history_is_written_by_the_database_whoever_changes_a_listing(market, database):
    listing = market.list()
    with transaction(database, market.actor) as session:
        session.execute(
            text("update listing set state = 'withdrawn', state_reason = 'sql' where id = :id"),
            {"id": listing},
        )
    assert [m.to_state for m in market.rows(ListingMove)] == ["listed", "withdrawn"]


@pytest.mark.parametrize(
    "statement",
    [
        "update listing_move set reason = 'x'",
        "delete from listing_move",
        "insert into listing_move (listing_id, plot_id, office_id, to_state, reason, moved_at)"
        " select id, plot_id, office_id, 'sold', '', now() from listing",
    ],
)
def test_history_of_listings_cannot_be_rewritten(market, database, statement):
    market.list()
    for actor in (market.actor, ENGINE):
        with (
            pytest.raises(DBAPIError, match="permission denied"),
            transaction(database, actor) as s,
        ):
            s.execute(text(statement))


def test_sold_plot_is_sold_for_good_and_never_listed_again_not_even_by_sql(market, database):
    listing = market.list()
    market.move(listing, "sold")
    again = text(
        "insert into listing (plot_id, office_id, city, certificate_id, state, state_reason, listed_at, changed_at)"
        " select plot_id, office_id, city, certificate_id, 'listed', '', now(), now() from listing"
    )
    for actor in (market.actor, ENGINE):
        with pytest.raises(DBAPIError), transaction(database, actor) as session:
            session.execute(again)
        with pytest.raises(DBAPIError), transaction(database, actor) as session:
            session.execute(text("update listing set state = 'listed'"))
    assert [x.state for x in market.rows(Listing)] == ["sold"]


def test_public_history_shows_reasons_and_no_person(market, client, people):
    listing = market.list()
    market.move(listing, "suspended", "复核边界")
    page = client.get(f"/land/{listing}").text
    assert "复核边界" in page
    assert people.office.full_name not in page
    assert people.office.username not in page


# many at once


def test_many_plots_are_listed_each_with_its_own_result(market, office):
    answer = office.send(
        f"/plans/{market.plan_id}/listings", {"action": "listed", "plot": market.plots}
    )
    assert answer.status_code == 200
    assert [x.plot_id for x in market.rows(Listing)] == market.plots[:2]
    assert answer.text.count('state-good">完成') == 2
    assert "没有改变" in answer.text
    assert "尚未答复" in answer.text or "到期" in answer.text or "没有企业" in answer.text


def test_one_plot_that_cannot_be_suspended_holds_up_no_other(market, office):
    first = market.list(0)
    answer = office.send(
        f"/plans/{market.plan_id}/listings",
        {"action": "suspended", "reason": "统一复核", "plot": market.plots},
    )
    assert answer.status_code == 200
    assert answer.text.count("不在上架中，不能暂停") == 2
    (found,) = market.rows(Listing)
    assert (found.id, found.state, found.state_reason) == (first, "suspended", "统一复核")


def test_all_that_fit_are_withdrawn_and_can_be_listed_again(market, office):
    market.list(0), market.list(1)
    path = f"/plans/{market.plan_id}/listings"
    office.send(path, {"action": "withdrawn", "reason": "调整计划", "all": "1"})
    assert [x.state for x in market.rows(Listing)] == ["withdrawn"] * 2
    office.send(path, {"action": "listed", "all": "1"})
    assert [x.state for x in market.rows(Listing)] == ["withdrawn"] * 2 + ["listed"] * 2


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"action": "suspended"}, "请写明原因"),
        ({"action": "sold", "reason": "x"}, "请选择要做什么"),
        ({"action": "listed", "plot": []}, "请至少选择一个地块"),
    ],
)
def test_moves_of_many_without_a_reason_or_a_plot_change_nothing(market, office, form, said):
    market.list()
    answer = office.send(f"/plans/{market.plan_id}/listings", {"plot": market.plots, **form})
    assert answer.status_code == 422
    assert said in answer.text
    assert [x.state for x in market.rows(Listing)] == ["listed"]


@pytest.mark.parametrize(
    ("action", "said"), [("suspended", "没有可以暂停的"), ("withdrawn", "没有可以撤回的")]
)
def test_all_of_none_says_that_none_can_be_moved_so(market, office, action, said):
    form = {"action": action, "reason": "复核", "all": "1"}
    answer = office.send(f"/plans/{market.plan_id}/listings", form)
    assert answer.status_code == 422
    assert said in answer.text
    assert "请至少选择" not in answer.text


def test_a_listing_is_moved_at_the_address_of_its_own_plot_only(market, office):
    listing = market.list(1)
    form = {"state": "sold", "reason": "已成交"}
    assert office.send(f"/plots/{market.plots[0]}/listing/{listing}", form).status_code == 404
    assert [x.state for x in market.rows(Listing)] == ["listed"]
    assert office.send(f"/plots/{market.plots[1]}/listing/{listing}", form).status_code == 303


def test_nothing_done_is_a_conflict(market, office):
    answer = office.send(
        f"/plans/{market.plan_id}/listings", {"action": "listed", "plot": [market.plots[2]]}
    )
    assert answer.status_code == 409


# the trading platform is told


def test_every_change_is_told_to_the_platform_in_order_with_the_body_of_the_feed(
    market, admin, client
):
    before = market.list(1)
    registered = admin.send(
        f"/organisations/{market.platform_id}/endpoints", {"url": "https://trade.example/hook"}
    )
    assert registered.status_code == 200
    listing = market.list(0)
    market.move(listing, "suspended")
    market.move(before, "sold")
    told = market.events()
    assert [(e["type"], e["number"], e["data"]["id"], e["data"]["state"]) for e in told] == [
        ("listing.changed", 1, listing, "listed"),
        ("listing.changed", 2, listing, "suspended"),
        ("listing.changed", 3, before, "sold"),
    ]
    changed = [e["data"]["changed_at"] for e in told]
    assert changed == sorted(changed)
    feed = {x["id"]: x for x in client.get("/api/v1/listings").json["listings"]}
    assert told[1]["data"] == feed[listing]
    assert told[2]["data"] == feed[before]


def test_change_that_is_rolled_back_is_told_to_nobody(market, admin, database, settings):
    admin.send(f"/organisations/{market.platform_id}/endpoints", {"url": "https://t.example/"})
    with suppress(RuntimeError), transaction(database, market.actor) as s:
        list_plot(s, market.plots[0], settings.gate, account_id=None, now=NOW)
        raise RuntimeError
    assert market.events() == []


def test_lapse_is_told_without_anybody_acting(market, admin, database, settings, owner):
    admin.send(f"/organisations/{market.platform_id}/endpoints", {"url": "https://t.example/"})
    market.list()
    expire(owner, market.plots[0])
    with transaction(database, ENGINE) as session:
        suspend_lapsed(session, settings.gate, NOW)
    assert [e["data"]["state"] for e in market.events() if e["type"] == "listing.changed"] == [
        "listed",
        "suspended",
    ]


def test_signed_change_reaches_the_platform_by_the_rules_of_every_webhook(
    market, admin, people, database, settings
):
    with Receiver() as receiver:
        page = admin.send(
            f"/organisations/{market.platform_id}/endpoints", {"url": receiver.url}
        ).text
        (endpoint,) = market.rows(Endpoint)
        secret = Vault(settings.secret_key).open(endpoint.secret, market.platform_id)
        assert secret in page
        market.list()
        send = settings.push.model_copy(update={"timeout_s": 2})
        vault = Vault(settings.secret_key)
        deliver(database, send, vault, threading.Event())
        assert receiver.requests == []  # loopback is no public address
        with transaction(database, people.admin.actor) as session:
            networks.approve(session, endpoint.id, "127.0.0.1/32", NOW)
        with transaction(database, ENGINE) as session:
            session.execute(update(Delivery).values(next_attempt_at=NOW))
            session.execute(update(Endpoint).values(resting_until=None, failures=0))
        deliver(database, send, vault, threading.Event())
        (request,) = receiver.requests
        content = Webhook(secret).verify(request.body, dict(request.headers))
        assert (content["type"], content["data"]["state"]) == ("listing.changed", "listed")


def test_administrator_tries_out_the_platforms_address(market, admin):
    path = f"/organisations/{market.platform_id}/endpoints"
    admin.send(path, {"url": "https://t.example/"})
    (endpoint,) = market.rows(Endpoint)
    assert admin.send(f"{path}/{endpoint.id}/test").status_code == 303
    assert len(market.rows(Delivery)) == 1
    assert admin.send(f"{path}/{endpoint.id}/disable").status_code == 303
    assert admin.send(f"{path}/{endpoint.id}/test").status_code == 409


# may it be traded now?


@pytest.fixture
def ask(client, market):
    """Ask as the platform does, and verify as docs/integrators.md says."""

    def do(path, **query):
        headers = {"Authorization": f"Bearer {market.key}"}
        got = client.get(f"/api/v1/{path}/tradable", query_string=query, headers=headers)
        assert got.status_code == 200, got.text
        body = got.json
        keys = {k["kid"]: k["x"] for k in client.get("/api/v1/keys").json["keys"]}
        public = Ed25519PublicKey.from_public_bytes(decode(keys[body["kid"]]))
        signed = json.dumps(
            body["answer"], ensure_ascii=False, separators=(",", ":"), sort_keys=True
        )
        public.verify(decode(body["signature"]), signed.encode())
        return body["answer"]

    return do


def decode(value):
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


def expire(owner, plot_id):
    """Let an answer end in the past behind everybody's back: what is history may be changed by the owner of the tables only."""
    with owner.begin() as connection:
        connection.execute(text("select set_config('app.role', 'engine', true)"))
        # As the calendar does it: no trigger hears of a day that ends.
        connection.execute(text("alter table answer disable trigger answer_ground"))
        connection.execute(
            text(
                "update answer set valid_until = current_date - 2 where plot_id = :id and utility = 'water'"
            ),
            {"id": plot_id},
        )
        connection.execute(text("alter table answer enable trigger answer_ground"))


def test_listed_plot_is_tradable_by_code_by_id_and_by_listing(market, ask):
    listing = market.list()
    for path in (f"plots/{market.codes[0]}", f"plots/{market.plots[0]}", f"listings/{listing}"):
        said = ask(path, nonce="n-1")
        assert (said["tradable"], said["reasons"], said["listing_id"]) == (True, [], listing)
        assert (said["nonce"], said["plot_code"]) == ("n-1", market.codes[0])
        assert said["certificate"] == market.rows(Certificate)[0].number
        issued, expires = (datetime.fromisoformat(said[k]) for k in ("issued_at", "expires_at"))
        assert expires - issued == timedelta(seconds=60)
        assert abs(issued - datetime.now(UTC)) < timedelta(seconds=30)


DOCUMENTS = ("docs/integrators.md", "docs/integrators.zh-CN.md")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documented_verification_takes_a_true_yes_and_nothing_else(
    market, client, document, monkeypatch
):
    """The example runs as it is printed; only the network is this test's client, and once it turns a no into a yes."""
    listing = market.list()
    said = (ROOT / document).read_text(encoding="utf-8")
    (code,) = [
        c for c in re.findall(r"```python\n(.*?)```", said, re.DOTALL) if "may_be_traded" in c
    ]
    (key,) = client.get("/api/v1/keys").json["keys"]
    forged = {}

    class Got:
        def __init__(self, answer):
            self.answer = answer

        def raise_for_status(self):
            assert self.answer.status_code == 200

        def json(self):
            body = self.answer.json
            body["answer"].update(forged)
            return body

    def get(url, params, headers, timeout):
        return Got(
            client.get(
                url.removeprefix("https://portal.example"), query_string=params, headers=headers
            )
        )

    monkeypatch.setitem(sys.modules, "requests", SimpleNamespace(get=get))
    names = {}
    exec(code, names)
    names["KEYS"].clear()
    names["KEYS"][key["kid"]] = key["x"]
    assert names["may_be_traded"](listing, market.key)
    market.move(listing, "suspended")
    assert not names["may_be_traded"](listing, market.key)
    forged["tradable"] = True
    with pytest.raises(InvalidSignature):
        names["may_be_traded"](listing, market.key)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documented_change_has_the_fields_of_a_real_one(market, admin, document):
    admin.send(f"/organisations/{market.platform_id}/endpoints", {"url": "https://t.example/"})
    market.list()
    (real,) = market.events()
    said = (ROOT / document).read_text(encoding="utf-8")
    examples = [json.loads(one) for one in re.findall(r"```json\n(.*?)```", said, re.DOTALL)]
    (shown,) = [one for one in examples if one.get("type") == "listing.changed"]
    assert set(shown) == set(real)
    assert set(shown["data"]) == set(real["data"])
    assert set(shown["data"]["said"][0]) == set(real["data"]["said"][0])


def test_listing_that_lapsed_a_moment_ago_is_not_tradable_though_nobody_suspended_it(
    market, ask, owner
):
    listing = market.list()
    expire(owner, market.plots[0])
    assert [x.state for x in market.rows(Listing)] == ["listed"]
    said = ask(f"listings/{listing}")
    assert not said["tradable"]
    assert [(r["code"], r["utility"]) for r in said["reasons"]] == [("expired", "water")]


@pytest.mark.parametrize("state", ["suspended", "withdrawn", "sold"])
def test_only_what_is_listed_is_tradable(market, ask, state):
    listing = market.list()
    market.move(listing, state, "因为")
    said = ask(f"listings/{listing}")
    assert not said["tradable"]
    assert said["reasons"][0]["code"] == state


@pytest.mark.parametrize("path", ["plots/none", "plots/99999999999999999999999", "listings/999999"])
def test_what_is_not_offered_is_a_signed_no(market, ask, path):
    said = ask(path)
    assert (said["tradable"], said["listing_id"]) == (False, None)
    assert [r["code"] for r in said["reasons"]] == ["not_offered"]


def test_plot_that_is_not_on_offer_tells_nothing_of_itself(market, ask):
    assert ask(f"plots/{market.codes[2]}")["reasons"] == ask("plots/none")["reasons"]


def test_two_offers_under_one_code_are_not_tradable_by_code(market, ask, database):
    with transaction(database, ENGINE) as session:
        office = session.get_one(Organisation, market.actor.organisation_id)
        other = make_plan(session, office, state="released")
        plot = make_plot(session, other, code=market.codes[0], geometry=square(0, 1000))
        for utility in ("water", "power"):
            push = make_push(session, other, make_enterprise(session, utility), pushed_at=NOW)
            make_answer(session, push, plot=plot, answered_at=NOW)
        market.plots.append(plot.id)
    first, _second = market.list(0), market.list(len(market.plots) - 1)
    assert [r["code"] for r in ask(f"plots/{market.codes[0]}")["reasons"]] == ["ambiguous"]
    assert ask(f"listings/{first}")["tradable"]


@pytest.mark.parametrize("code", ["its code", "its id"])
def test_plot_that_is_not_on_offer_is_not_traded_by_way_of_one_that_bears_its_name(
    market, ask, database, code
):
    """Another plot has the same code, or the id of the one on offer as its code: which of them was meant nobody knows."""
    listing = market.list(0)
    asked = market.codes[0] if code == "its code" else str(market.plots[0])
    with transaction(database, ENGINE) as session:
        other = make_plan(session, make_office(session, city="460200"), state="released")
        make_plot(session, other, code=asked, geometry=square(0, 1000))
    said = ask(f"plots/{asked}")
    assert (said["tradable"], said["listing_id"]) == (False, None)
    assert ask(f"listings/{listing}")["tradable"]


@pytest.mark.parametrize("fault", ["raise", "nothing", "database"])
def test_whatever_fails_while_judging_means_no(market, ask, monkeypatch, fault):
    listing = market.list()

    def broken(session, plot_ids, gate, now):
        if fault == "nothing":
            return {}
        if fault == "database":
            session.execute(text("select 1 / 0"))
        raise TimeoutError

    monkeypatch.setattr(tradable, "readiness_of", broken)
    said = ask(f"listings/{listing}")
    assert not said["tradable"]
    assert [r["code"] for r in said["reasons"]] == ["fault"]


def test_answer_that_cannot_be_signed_is_no_answer(market, client, monkeypatch):
    listing = market.list()
    monkeypatch.setattr("landready.seal.Seal.sign", lambda *_: 1 / 0)
    got = client.get(
        f"/api/v1/listings/{listing}/tradable", headers={"Authorization": f"Bearer {market.key}"}
    )
    assert got.status_code == 500
    assert got.content_type == "application/problem+json"


def test_question_is_the_platforms_alone(market, client, database, people):
    listing = market.list()
    path = f"/api/v1/listings/{listing}/tradable"
    assert client.get(path).status_code == 401
    with transaction(database, ENGINE) as session:
        enterprise = session.get_one(Organisation, people.water.organisation_id)
        key = make_key(session, enterprise)
    assert client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code == 403


def test_listings_never_pass_the_gate_by_way_of_the_market(market, office, monkeypatch):
    """With the Python gate made to say yes, the database still refuses what lacks power."""
    real = gate_module.readiness
    monkeypatch.setattr(
        gate_module, "readiness", lambda *given: type(real(*given))((), (), given[1])
    )
    answer = office.send(
        f"/plans/{market.plan_id}/listings", {"action": "listed", "plot": market.plots}
    )
    assert answer.status_code == 200
    with transaction(market.database, ENGINE) as session:
        assert session.scalar(select(func.count(Listing.id))) == 2
