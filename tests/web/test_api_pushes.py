"""The pull API, acknowledgement, reconciliation and replay as an enterprise's system uses them."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from landready import outbox
from landready.db import ENGINE, transaction
from landready.settings import Settings
from push import signing
from push.models import Delivery, Endpoint
from push.vault import Vault
from tests.factories import make_key
from tests.web.conftest import Browser, People


class System:
    """An enterprise's system with its key."""

    def __init__(self, client: Browser, key: str) -> None:
        self._client, self._headers = client, {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> TestResponse:
        return self._client.get(f"/api/v1{path}", headers=self._headers)

    def post(self, path: str, body: object) -> TestResponse:
        return self._client.post(f"/api/v1{path}", json=body, headers=self._headers)


@pytest.fixture
def systems(client: Browser, people: People, database: Engine) -> dict[str, System]:
    with transaction(database, ENGINE) as session:
        return {
            name: System(client, make_key(session, getattr(people, name).organisation))
            for name in ("water", "power", "office")
        }


@pytest.fixture
def water(systems: dict[str, System]) -> System:
    return systems["water"]


@pytest.fixture
def tell(people: People, database: Engine) -> Any:
    def tell(number: int = 1) -> list[str]:
        with transaction(database, ENGINE) as session:
            return [
                str(
                    outbox.record(
                        session,
                        enterprise_id=people.water.organisation_id,
                        office_id=people.office.organisation_id,
                        push_id=None,
                        type_="plan.released",
                        data={"n": n, "名": "值"},
                        now=datetime.now(UTC),
                    )
                )
                for n in range(number)
            ]

    return tell


def digest(ids: list[str]) -> str:
    return hashlib.sha256("".join(f"{one}\n" for one in ids).encode()).hexdigest()


def test_everything_is_pulled_page_by_page_in_the_order_of_its_number(water, tell):
    ids = tell(5)
    found, after = [], 0
    while True:
        page = water.get(f"/pushes?after={after}&limit=2").json
        found += page["pushes"]
        after = page["next"]
        if not page["more"]:
            break
    assert [one["number"] for one in found] == [1, 2, 3, 4, 5]
    assert sorted(one["id"] for one in found) == sorted(ids)
    for one in found:
        body = json.loads(one["body"])
        assert (body["number"], body["id"], body["type"]) == (one["number"], one["id"], one["type"])
        assert hashlib.sha256(one["body"].encode()).hexdigest() == one["sha256"]
        assert body["data"]["名"] == "值"
    assert water.get("/pushes?after=5").json == {
        "pushes": [], "next": 5, "more": False,
        "standing": {"last": 5, "acknowledged": 0, "acknowledged_at": None, "proven": 0, "proven_at": None},
    }  # fmt: skip


def test_without_a_number_pulling_goes_on_from_what_was_acknowledged(water, tell):
    tell(3)
    assert len(water.get("/pushes").json["pushes"]) == 3
    assert water.post("/pushes/ack", {"number": 2}).json["acknowledged"] == 2
    assert [one["number"] for one in water.get("/pushes").json["pushes"]] == [3]


def test_an_enterprise_proves_that_it_has_everything(water, tell):
    tell(4)
    ids = [one["id"] for one in water.get("/pushes?after=0").json["pushes"]]
    told = water.get("/reconcile").json
    assert (told["from"], told["to"], told["count"]) == (1, 4, 4)
    assert told["ids_sha256"] == digest(ids)
    part = water.get("/reconcile?from=2&to=3").json
    assert (part["from"], part["to"], part["count"]) == (2, 3, 2)
    assert part["ids_sha256"] == digest(ids[1:3])
    proven = water.post("/pushes/ack", {"number": 4, "ids_sha256": digest(ids)})
    assert (proven.json["acknowledged"], proven.json["proven"]) == (4, 4)


def test_another_hash_is_a_conflict_and_notes_nothing(water, tell):
    tell(2)
    refused = water.post("/pushes/ack", {"number": 2, "ids_sha256": "0" * 64})
    assert refused.status_code == 409
    assert refused.content_type == "application/problem+json"
    assert "不一致" in refused.json["detail"]
    assert water.get("/pushes").json["standing"]["acknowledged"] == 0


def test_what_webhooks_still_owe_is_settled_by_the_acknowledgement(
    water, tell, people, database, settings
):
    add_endpoint(database, people, settings)
    tell(2)
    assert water.post("/pushes/replay", {"after": 0}).json == {"deliveries": 2}
    water.post("/pushes/ack", {"number": 1})
    with transaction(database, ENGINE) as session:
        states = [one.state for one in session.query(Delivery).order_by(Delivery.id)]
    assert sorted(states) == ["owed", "pulled"]


def add_endpoint(database: Engine, people: People, settings: Settings) -> None:
    owner = people.water.organisation_id
    sealed = Vault(settings.secret_key).seal(signing.new_secret(), owner)
    with transaction(database, ENGINE) as session:
        session.add(
            Endpoint(
                enterprise_id=owner,
                url="https://water.example/",
                secret=sealed,
                created_at=datetime.now(UTC),
            )
        )


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"number": 1}, 200),
        ({"after": 0}, 200),
        ({"since": "2026-01-01T00:00:00+08:00"}, 200),
        ({"since": "2099-01-01T00:00:00Z"}, 404),
        ({"number": 99}, 404),
        ({"after": 3}, 404),
        ({}, 422),
        ({"number": 1, "after": 0}, 422),
        ({"since": "2026-01-01T00:00:00"}, 422),
        ({"since": "yesterday"}, 422),
        ({"after": -1}, 422),
        ({"after": 2**63}, 422),
        ({"all": True}, 422),
    ],
)
def test_replay_takes_exactly_one_wish(water, tell, people, database, settings, wish, status):
    add_endpoint(database, people, settings)
    tell(3)
    assert water.post("/pushes/replay", wish).status_code == status


def test_replay_without_an_endpoint_is_a_conflict(water, tell):
    tell()
    assert water.post("/pushes/replay", {"after": 0}).status_code == 409


@pytest.mark.parametrize(
    "path",
    ["/pushes?after=-1", "/pushes?after=x", "/pushes?limit=0", "/pushes?limit=501", "/pushes?after=9223372036854775808",
     "/reconcile?from=5&to=2", "/reconcile?from=x", "/reconcile?to=-1"],
)  # fmt: skip
def test_nonsense_is_refused_with_the_reason(water, tell, path):
    tell()
    refused = water.get(path)
    assert refused.status_code == 422
    assert refused.json["problems"]


@pytest.mark.parametrize(
    "ack", [{}, {"number": "x"}, {"number": 2}, {"number": 1, "ids_sha256": "no"}, {"number": -1}]
)
def test_a_wrong_acknowledgement_is_refused(water, tell, ack):
    tell()
    assert water.post("/pushes/ack", ack).status_code == 422


def test_another_enterprise_has_a_journal_of_its_own(systems, tell):
    tell(3)
    mine = systems["power"].get("/pushes").json
    assert (mine["pushes"], mine["standing"]["last"]) == ([], 0)
    assert systems["power"].get("/reconcile").json["count"] == 0
    assert systems["power"].post("/pushes/replay", {"after": 0}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/pushes"),
        ("get", "/reconcile"),
        ("post", "/pushes/ack"),
        ("post", "/pushes/replay"),
    ],
)
def test_a_key_of_an_enterprise_is_needed(client, systems, method, path):
    calls = {"get": {}, "post": {"json": {"number": 0, "after": 0}}}[method]
    assert getattr(client, method)(f"/api/v1{path}", **calls).status_code == 401
    wrong = {"Authorization": "Bearer lr_wrong"}
    assert getattr(client, method)(f"/api/v1{path}", headers=wrong, **calls).status_code == 401
    office = systems["office"]
    answer = office.get(path) if method == "get" else office.post(path, {"number": 0})
    assert answer.status_code == 403


def test_every_operation_has_examples_and_a_key_in_the_openapi_document(client):
    document = client.get("/api/v1/openapi.json").json
    for path, method in (
        ("/api/v1/pushes", "get"),
        ("/api/v1/pushes/ack", "post"),
        ("/api/v1/pushes/replay", "post"),
        ("/api/v1/reconcile", "get"),
    ):
        operation = document["paths"][path][method]
        assert operation["security"] == [{"key": []}]
        assert operation["summary"]
        assert "example" in operation["responses"]["200"]["content"]["application/json"]
        if method == "post":
            assert "example" in operation["requestBody"]["content"]["application/json"]
