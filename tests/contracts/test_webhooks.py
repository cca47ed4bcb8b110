"""What enterprises' systems live by: the bytes of an event, its signature, and the documented content of every type."""

import hashlib
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shapely.geometry import mapping
from sqlalchemy import Engine, select
from standardwebhooks import Webhook

from landready import disputing, outbox, reminders, suspension_events
from landready.answers import Answer
from landready.applications import Application, Item
from landready.blockers import Blocker
from landready.changes import cause
from landready.db import ENGINE, Actor, transaction
from landready.dispute_rules import DisputeDraft
from landready.listings import ListingMove
from landready.organisations import Organisation
from landready.outbox import OutboxEvent
from landready.permit_fields import PermitFields
from landready.permit_receipt import receive_permit
from landready.plans import Plot
from landready.pushes import Push
from landready.readiness import Readiness
from landready.release import release
from landready.settings import ROOT, Settings
from landready.shapes import stored
from landready.submission import submit
from landready.tracker import move
from landready.utilities import Utility
from push import signing
from tests.factories import (
    NOW,
    make_account,
    make_enterprise,
    make_layer,
    make_office,
    make_owner,
    make_plan,
    point,
    square,
)
from web import filters

CREDIT_CODE = "91350100M000100Y43"
TYPES = (
    "plan.released",
    "project.permitted",
    "application.submitted",
    "item.moved",
    "deadline.late",
    "dispute.opened",
    "dispute.decided",
    "listing.suspended",
)
DOCUMENTS = ("docs/integrators.md", "docs/integrators.zh-CN.md")


def test_the_bytes_of_an_event(database: Engine) -> None:
    """Compact UTF-8 JSON, the number first, then sorted keys, Chinese as it is; frozen with its hash at the commit."""
    with transaction(database, ENGINE) as session:
        enterprise, office = make_enterprise(session), make_office(session)
        event_id = outbox.record(
            session,
            enterprise_id=enterprise.id,
            office_id=office.id,
            push_id=None,
            type_="plan.released",
            data={"plots": [{"name": "城西“二号”", "area_m2": 18706.5, "b": None}], "n": 1},
            now=datetime(2026, 3, 2, 2, 0, tzinfo=UTC),
        )
    with transaction(database, ENGINE) as session:
        event = session.get_one(OutboxEvent, event_id)
    expected = (
        '{"number":1,"data":{"n":1,"plots":[{"area_m2":18706.5,"b":null,"name":"城西“二号”"}]},'
        f'"id":"{event_id}","timestamp":"2026-03-02T02:00:00+00:00","type":"plan.released"}}'
    ).encode()
    assert event.body == expected
    assert event.body_sha256 == hashlib.sha256(expected).hexdigest()


def test_the_signature_of_known_bytes() -> None:
    """Computed once with OpenSSL: `openssl dgst -sha256 -mac HMAC -macopt hexkey:… -binary | base64`."""
    secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    body = '{"data":{},"id":"x","type":"plan.released","名":"值"}'.encode()
    headers = signing.headers(
        secret,
        uuid.UUID("0190f1a2-0000-7000-8000-000000000001"),
        body,
        datetime(2026, 3, 2, 2, 0, tzinfo=UTC),
    )
    assert headers == {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "LandReady",
        "webhook-id": "0190f1a2-0000-7000-8000-000000000001",
        "webhook-timestamp": "1772416800",
        "webhook-signature": "v1,85a+1qD/aGsp522/TzuT3A+T+yMFupAaIrXXISGHdOo=",
    }


@pytest.fixture
def told(database: Engine, settings: Settings) -> dict[str, dict[str, Any]]:
    """One event of every type, written by the domain: a plan released and answered, its project permitted and applied for."""
    with transaction(database, ENGINE) as session:
        office = make_office(session, phone="0898-66660000")
        owner = make_owner(session, credit_code=CREDIT_CODE)
        water = make_enterprise(session, "water")
        accounts = {one.id: make_account(session, one).id for one in (office, owner, water)}
        make_layer(session, water, point(150, 50), spare_capacity=1200.0)
        plan = make_plan(session, office, plots=1)

    def actor(who: Organisation) -> Actor:
        return Actor(who.role, who.id, accounts[who.id], who.city or None)

    with transaction(database, actor(office)) as session:
        release(session, settings, plan.id, NOW, accounts[office.id])
    with transaction(database, ENGINE) as session:
        push = session.scalars(select(Push)).one()
        plot = session.scalars(select(Plot)).one()
        session.add(
            Answer(
                push_id=push.id,
                plot_id=plot.id,
                enterprise_id=water.id,
                office_id=office.id,
                utility="water",
                plot_revision=plot.revision,
                version=1,
                verdict="ready",
                connection_point=stored([point(100, 50)])[0],
                answered_at=NOW,
            )
        )
    with transaction(database, actor(office)) as session:
        receive_permit(session, settings, permit(plot.code), source_id=office.id, now=NOW)
    with transaction(database, ENGINE) as session:
        application = session.scalars(select(Application)).one()
    with transaction(database, actor(owner)) as session:
        submit(session, settings.clocks, application.id, now=NOW)
    with transaction(database, ENGINE) as session:
        item = session.scalars(select(Item)).one()
    with transaction(database, actor(water)) as session:
        move(session, item.id, 3, "", now=NOW)
        move(session, item.id, 6, "缺少总平面图", now=NOW)
    with transaction(database, actor(owner)) as session:
        move(session, item.id, 7, "已补充", now=NOW)
    with transaction(database, ENGINE) as session:
        reminders.send(session, settings.clocks, NOW + timedelta(days=8))
    with transaction(database, actor(office)) as session:
        dispute = disputing.challenge(
            session,
            session.scalars(select(Answer.id)).one(),
            DisputeDraft("position", "接入点处没有管线", ((110.351, 20.0202),)),
            check=settings.check,
            region=settings.region,
            clocks=settings.clocks,
            now=NOW,
        )
        disputing.settle(session, dispute.id, "企业已现场指认", NOW)
    with transaction(database, ENGINE) as session:
        moved = ListingMove(
            listing_id=1, plot_id=plot.id, cause=cause("answer_changed", "water", enterprise="x").kept(),
            reason="x", moved_at=NOW,
        )  # fmt: skip
        missing = Blocker("not_possible", "x", utility=Utility.WATER, enterprise="x")
        suspension_events.suspended(session, [moved], {plot.id: Readiness((missing,))}, NOW)
    with transaction(database, ENGINE) as session:
        bodies = [json.loads(one.body) for one in session.scalars(select(OutboxEvent))]
    return {body["type"]: body for body in bodies}


def permit(plot_code: str) -> PermitFields:
    return PermitFields.model_validate(
        {
            "permit_no": "建字第4601002026GG0000001号",
            "XMDM": "2105-460100-04-01-123456",
            "GCDM": "2105-460100-04-01-123456-001",
            "XZQHDM": "460100",
            "project_name": "测试厂房",
            "address": "测试路 1 号",
            "owner": {
                "name": "测试公司",
                "credit_code": CREDIT_CODE,
                "contact": "王女士",
                "phone": "13800000000",
            },
            "boundary": mapping(square()),
            "issued_on": "2026-02-27",
            "floor_area_m2": 12000,
            "uses": ["厂房"],
            "plot_code": plot_code,
        }
    )


def shape(value: Any) -> Any:
    """The names and kinds in a JSON value; the first of a list stands for all."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else "text"


def examples(document: str) -> dict[str, dict[str, Any]]:
    text = (ROOT / document).read_text(encoding="utf-8")
    found = [json.loads(one) for one in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    return {one["type"]: one for one in found if "type" in one}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_event_is_documented_as_it_is_sent(document: str, told: dict[str, Any]) -> None:
    documented = examples(document)
    # What the trading platform is told is proved in tests/web/test_market.py.
    assert set(documented) == {*TYPES, "endpoint.test", "listing.changed"}
    for name in TYPES:
        assert shape(documented[name]) == shape(told[name]), name


def test_every_event_has_a_word_on_our_pages() -> None:
    assert {*TYPES, "endpoint.test"} <= set(filters.EVENTS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_documented_check_of_a_signature_works(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import base64, hashlib.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    secret, body, now = signing.new_secret(), '{"名":"值"}'.encode(), datetime.now(UTC)
    headers = {
        name.lower(): value
        for name, value in signing.headers(secret, uuid.uuid4(), body, now).items()
    }
    assert Webhook(secret).verify(body, headers)
    assert names["verify"](secret, headers, body)
    several = {**headers, "webhook-signature": "v1a,x v1,y " + headers["webhook-signature"]}
    assert names["verify"](secret, several, body)
    old = signing.headers(secret, uuid.uuid4(), body, now - timedelta(seconds=302))
    for wrong in (
        (signing.new_secret(), headers, body),
        (secret, headers, body.replace(b"{", b"[")),
        (secret, {**headers, "webhook-id": "x"}, body),
        (secret, old, body),
    ):
        assert not names["verify"](*wrong)
