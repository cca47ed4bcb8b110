"""Telling people: one channel unless more are asked for, mail with an answer link, SMS and WeChat through a gateway (R20)."""

import hashlib
import json
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook

from landready import outbox
from landready.answer_links import AnswerLink
from landready.db import ENGINE, transaction
from landready.errors import Conflict, Invalid
from landready.settings import Email, Gateway
from push import channels, signing
from push.channels import Channel, told_on
from push.deliver import deliver
from push.messages import message, token
from push.models import ChannelWish, Endpoint
from push.status import deliveries_of
from tests.push.mailbox import Mailbox
from tests.push.receiver import Reply

PORTAL = "https://portal.example"
PLAN = {
    "push": "bbb17198-e53b-48dc-ba3f-fd725f3a54ab",
    "plan": {"title": "二季度\n计划", "city": "460100"},
    "office": {"name": "海口市资规局", "phone": "0898-1"},
    "due_on": "2026-03-09",
    "due_provisional": False,
    "plots": [
        {
            "code": "P-1",
            "name": "城西",
            "use": "二类工业用地",
            "area_m2": 10_000.0,
            "asked": [{"utility": "water", "nearest": [{"distance_m": 50.018}]}],
        }
    ]
    * 25,
}


@dataclass
class Desk:
    world: object
    settings: object

    def add(self, channel: str, address: str) -> Endpoint:
        with transaction(self.world.engine, self.world.enterprise) as session:
            return channels.add_address(
                session, self.world.vault, channel, address, datetime.now(UTC)
            )

    def wish(self, channel: str, *also: str) -> None:
        with transaction(self.world.engine, self.world.enterprise) as session:
            channels.wish(session, channel, also, account_id=None, now=datetime.now(UTC))

    def record(self, type_: str = "plan.released", data: dict | None = None):
        with transaction(self.world.engine, ENGINE) as session:
            return outbox.record(
                session,
                enterprise_id=self.world.enterprise_id,
                office_id=self.world.office_id,
                push_id=self.world.push_id,
                type_=type_,
                data=PLAN if data is None else data,
                now=datetime.now(UTC),
            )

    def deliver(self) -> None:
        deliver(self.world.engine, self.settings, self.world.vault, threading.Event(), 20)

    def links(self) -> list[AnswerLink]:
        with transaction(self.world.engine, ENGINE) as session:
            return list(session.scalars(select(AnswerLink)))


@pytest.fixture
def mailbox():
    with Mailbox() as made:
        yield made


@pytest.fixture
def gateway_secret() -> str:
    return signing.new_secret()


@pytest.fixture
def desk(world, push_settings, mailbox, receiver, gateway_secret) -> Desk:
    mail = Email(host="127.0.0.1", port=mailbox.port, security="none", sender="tdjr@portal.example")
    gateway = Gateway(
        url=receiver.url, secret=gateway_secret, networks=(ip_network("127.0.0.1/32"),)
    )
    given = {"portal": PORTAL, "email": mail, "gateway": gateway}
    return Desk(world, push_settings.model_copy(update=given))


# --- on which channel -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("has", "wished", "also", "told"),
    [
        ("", None, "", ""),
        ("webhook email sms", None, "", "webhook"),
        ("email sms", None, "", "email"),
        ("webhook email", "email", "", "email"),
        ("webhook email sms", "email", "sms", "email sms"),
        ("webhook email", "portal", "", ""),
        ("webhook email", "pull", "email", "email"),
        ("webhook email", "wechat", "", "webhook"),
        ("webhook", "webhook", "sms", "webhook"),
    ],
)
def test_one_channel_tells_unless_more_are_asked_for(has, wished, also, told) -> None:
    wish = ChannelWish(channel=wished, also=also.split()) if wished else None
    found = told_on({Channel(c) for c in has.split()}, wish)
    assert found == {Channel(c) for c in told.split()}


def test_a_webhook_and_a_mail_address_are_not_both_told(desk, mailbox, receiver) -> None:
    desk.world.add_endpoint(receiver.url)
    desk.add("email", "a@water.example")
    desk.record()
    desk.deliver()
    assert (len(receiver.requests), len(mailbox.mails)) == (1, 0)
    desk.wish("email")
    desk.record()
    desk.deliver()
    assert (len(receiver.requests), len(mailbox.mails)) == (1, 1)
    desk.wish("email", "webhook")
    desk.record()
    desk.deliver()
    assert (len(receiver.requests), len(mailbox.mails)) == (2, 2)


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("email", "no at sign"),
        ("email", "a@b"),
        ("email", "a@x.example\nBcc: b@x.example"),
        ("email", "a" * 250 + "@x.example"),
        ("sms", "13800"[:4]),
        ("sms", "1380000000a"),
        ("wechat", "open id"),
        ("webhook", "https://x.example"),
        ("pigeon", "x"),
    ],
)
def test_what_is_no_address_is_refused(desk, channel, address) -> None:
    with pytest.raises(Invalid):
        desk.add(channel, address)


def test_an_address_is_registered_once(desk) -> None:
    desk.add("sms", "13800000000")
    with pytest.raises(Conflict):
        desk.add("sms", "13800000000")


# --- mail -----------------------------------------------------------------------------------------------------------


def test_a_mail_is_one_page_with_a_link_that_is_kept_as_a_hash(desk, mailbox) -> None:
    desk.add("email", "a@water.example")
    desk.record()
    desk.deliver()
    (mail,) = mailbox.mails
    assert mail["To"] == "a@water.example"
    assert mail["Subject"] == "请于 2026-03-09 前答复：二季度 计划（25 个地块）"
    text = mail.get_content()
    assert "另有 5 个地块" in text
    assert "最近设施 50 米" in text
    (made,) = re.findall(rf"{PORTAL}/a/([A-Za-z0-9_-]+)", text)
    (link,) = desk.links()
    assert len(made) == 43
    assert link.token_sha256 == hashlib.sha256(made.encode()).hexdigest()
    assert (link.push_id, link.sent_to) == (desk.world.push_id, "a@water.example")
    assert (link.expires_at - link.created_at).days == 30
    assert desk.world.states() == ["delivered"]


def test_two_addresses_get_two_mails_and_two_links(desk, mailbox) -> None:
    desk.add("email", "a@water.example")
    desk.add("email", "b@water.example")
    desk.record()
    desk.deliver()
    assert {mail["To"] for mail in mailbox.mails} == {"a@water.example", "b@water.example"}
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 2
    assert len({link.token_sha256 for link in desk.links()}) == 2


def test_a_refused_mail_is_tried_again_with_the_same_link_and_id(desk, mailbox) -> None:
    desk.add("email", "a@water.example")
    desk.record()
    mailbox.on_recipient = (450, "later")
    desk.deliver()
    assert desk.world.states() == ["owed"]
    assert [one.status for one in desk.world.attempts()] == [450]
    with transaction(desk.world.engine, ENGINE) as session:
        for one in desk.world.deliveries():
            session.merge(one).next_attempt_at = datetime.now(UTC)
    mailbox.on_recipient = (250, "ok")
    desk.deliver()
    assert desk.world.states() == ["delivered"]
    assert len(desk.links()) == 1


@pytest.mark.parametrize("code", [421, 550, 554])
def test_what_the_mail_server_says_is_shown(desk, mailbox, code) -> None:
    desk.add("email", "a@water.example")
    desk.record()
    mailbox.on_mail = (code, "no")
    desk.deliver()
    with transaction(desk.world.engine, desk.world.office) as session:
        summary = deliveries_of(session, [desk.world.push_id])[desk.world.push_id]
    (hook,) = summary.webhooks
    assert hook.channel == "email"
    assert hook.last_problem.params == {"status": code}


def test_without_a_mail_server_the_attempt_says_so(desk) -> None:
    desk.settings = desk.settings.model_copy(update={"email": Email()})
    desk.add("email", "a@water.example")
    desk.record()
    desk.deliver()
    assert [one.error for one in desk.world.attempts()] == ["no_sender"]


def test_a_mail_server_that_is_not_there_is_tried_again(desk, mailbox) -> None:
    gone = desk.settings.email.model_copy(update={"port": 9})
    desk.settings = desk.settings.model_copy(update={"email": gone})
    desk.add("email", "a@water.example")
    desk.record()
    desk.deliver()
    assert [one.error for one in desk.world.attempts()] == ["no_connection"]
    assert desk.world.states() == ["owed"]


def test_a_server_without_tls_gets_no_mail_when_tls_is_wanted(desk, mailbox) -> None:
    wanted = desk.settings.email.model_copy(update={"security": "starttls"})
    desk.settings = desk.settings.model_copy(update={"email": wanted})
    desk.add("email", "a@water.example")
    desk.record()
    desk.deliver()
    assert mailbox.mails == []
    assert desk.world.states() == ["owed"]


def test_without_the_address_of_the_portal_no_link_is_made(desk, mailbox) -> None:
    desk.settings = desk.settings.model_copy(update={"portal": ""})
    desk.add("email", "a@water.example")
    desk.record()
    desk.deliver()
    assert "/a/" not in mailbox.mails[0].get_content()
    assert desk.links() == []


@pytest.mark.parametrize(
    ("type_", "data", "said"),
    [
        ("item.moved", {"note": "请补正"}, "请补正"),
        ("deadline.late", {
            "push": "x", "clock": "answer", "title": "计划", "due_on": "2026-03-09", "working_days_late": 2,
            "office": {"name": "局", "phone": "1"}, "supervisor": None,
        }, "已超期 2 个工作日"),
        ("plan.released", {"strange": 1}, "请登录门户查看"),
        ("something.new", {}, "请登录门户查看"),
    ],
)  # fmt: skip
def test_every_event_is_said_in_words(type_, data, said) -> None:
    body = json.dumps({"type": type_, "data": data}).encode()
    found = message(body, portal=PORTAL, link="")
    assert said in found.text
    assert "\n" not in found.title


def test_a_token_needs_the_secret_of_its_address(desk) -> None:
    event = desk.record()
    made = {token(signing.new_secret(), event) for _ in range(100)}
    assert len(made) == 100


# --- SMS and WeChat -------------------------------------------------------------------------------------------------


def test_the_gateway_gets_a_signed_message(desk, receiver, gateway_secret) -> None:
    desk.add("sms", "13800000000")
    desk.add("wechat", "oABCDEF-123456")
    desk.wish("sms", "wechat")
    desk.record()
    desk.deliver()
    bodies = [Webhook(gateway_secret).verify(r.body, r.headers) for r in receiver.requests]
    assert {(b["channel"], b["to"]) for b in bodies} == {
        ("sms", "13800000000"),
        ("wechat", "oABCDEF-123456"),
    }
    assert len({r.id for r in receiver.requests}) == 2
    for body, request in zip(bodies, receiver.requests, strict=True):
        assert body["id"] == request.id
        assert body["link"].startswith(f"{PORTAL}/a/")
        assert body["title"].startswith("请于 2026-03-09 前答复")
    assert desk.world.states() == ["delivered", "delivered"]


def test_a_gateway_that_fails_is_tried_again(desk, receiver) -> None:
    receiver.behave = lambda _request: Reply(503)
    desk.add("sms", "13800000000")
    desk.record()
    desk.deliver()
    assert desk.world.states() == ["owed"]
    assert [one.status for one in desk.world.attempts()] == [503]


def test_a_gateway_inside_needs_its_network_named(desk, receiver) -> None:
    closed = desk.settings.gateway.model_copy(update={"networks": ()})
    desk.settings = desk.settings.model_copy(update={"gateway": closed})
    desk.add("sms", "13800000000")
    desk.record()
    desk.deliver()
    assert receiver.requests == []
    assert [one.error for one in desk.world.attempts()] == ["refused_address"]
