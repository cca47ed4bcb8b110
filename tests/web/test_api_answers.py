"""What an enterprise's own system answers by API: codes, batches, idempotency (R4, R20)."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from threading import Barrier
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select

from landready import answer_codes
from landready.answer_batches import AnswerBatch
from landready.answer_rules import FIELDS
from landready.answers import Answer, AnswerVerdict
from landready.db import ENGINE, transaction
from landready.organisations import Organisation
from landready.permits import Permit
from landready.pushes import Push
from landready.shapes import multi, stored
from tests.factories import NOW, make_key, make_owner, make_plan, make_push, metres, square
from tests.web.conftest import Browser, People

AT = {"type": "Point", "coordinates": list(metres(50, -20))}


@dataclass(frozen=True)
class Line:
    """The water company's system: a plan of three plots is pushed to it."""

    app: Flask
    engine: Engine
    key: str
    push: str
    plots: tuple[str, ...]

    def post(self, body, key="batch-1", bearer=None):
        headers = {"Authorization": f"Bearer {bearer or self.key}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.app.test_client().post("/api/v1/answers", json=body, headers=headers)

    def get(self, path):
        return self.app.test_client().get(path, headers={"Authorization": f"Bearer {self.key}"})

    def body(self, *answers):
        return {"push": self.push, "answers": list(answers)}

    def ready(self, plot=0, **given):
        return {
            "plot": self.plots[plot], "utility": "water", "code": "ready", "connection_point": AT, **given,
        }  # fmt: skip

    def unconcerned(self, plot=0, **given):
        return {"plot": self.plots[plot], "utility": "water", "code": "not_concerned", **given}

    def versions(self):
        with transaction(self.engine, ENGINE) as session:
            rows = session.scalars(select(Answer).order_by(Answer.id))
            return [(a.verdict, a.version) for a in rows]

    def where(self, body, key="batch-1"):
        answer = self.post(body, key)
        assert answer.status_code == 422, answer.text
        assert self.versions() == []
        return [(p["where"], p["code"]) for p in answer.json["problems"]]


@pytest.fixture
def line(app: Flask, database: Engine, people: People, client: Browser) -> Line:
    with transaction(database, ENGINE) as session:
        office = session.get_one(Organisation, people.office.organisation_id)
        water = session.get_one(Organisation, people.water.organisation_id)
        plan = make_plan(session, office, plots=3, state="released")
        push = make_push(session, plan, water)
        key = make_key(session, water)
        return Line(app, database, key, str(push.uid), tuple(p.code for p in plan.plots))


def test_a_batch_of_different_answers_is_recorded(line: Line) -> None:
    works = {"code": "ready_by", "works": "DN300", "ready_by": "2099-06-30"}
    answer = line.post(line.body(line.ready(), line.ready(1, **works), line.unconcerned(2)))
    assert answer.status_code == 201, answer.text
    assert answer.json["outcome"] == "recorded"
    assert answer.json["open"] == 0
    assert [(a["plot"], a["version"]) for a in answer.json["answers"]] == [
        (plot, 1) for plot in line.plots
    ]
    assert line.versions() == [("ready", 1), ("ready_by", 1), ("not_concerned", 1)]
    with transaction(line.engine, ENGINE) as session:
        assert session.scalars(select(Push)).one().answered_at is not None


def test_the_same_batch_again_gives_the_same_result_and_records_nothing(line: Line) -> None:
    first = line.post(line.body(line.ready()))
    again = line.post(line.body(line.ready(works="")))  # the same said in other words
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json["outcome"] == "same"
    assert again.json["answers"] == first.json["answers"]
    assert line.versions() == [("ready", 1)]


def test_the_same_key_with_other_content_is_refused(line: Line) -> None:
    line.post(line.body(line.ready()))
    other = line.post(line.body(line.unconcerned()))
    assert other.status_code == 409
    assert line.versions() == [("ready", 1)]


def test_a_correction_under_a_new_key_is_the_next_version(line: Line) -> None:
    line.post(line.body(line.ready()))
    assert line.post(line.body(line.unconcerned()), "batch-2").status_code == 201
    assert line.versions() == [("ready", 1), ("not_concerned", 2)]


def test_a_refused_batch_uses_no_key_up(line: Line) -> None:
    assert line.post(line.body(line.ready(connection_point=None))).status_code == 422
    assert line.post(line.body(line.ready())).status_code == 201


def test_one_of_many_at_once_under_one_key_is_recorded(line: Line) -> None:
    """Eight threads send the same key: four one content, four another; one content wins and is recorded once."""
    together = Barrier(8)

    def send(number: int) -> int:
        body = line.body(line.ready() if number % 2 else line.unconcerned())
        together.wait(20)
        return line.post(body).status_code

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(send, range(8)))
    assert found == [200, 200, 200, 201, 409, 409, 409, 409]
    assert len(line.versions()) == 1


def test_keys_of_two_enterprises_do_not_meet(line: Line, people: People) -> None:
    with transaction(line.engine, ENGINE) as session:
        power = session.get_one(Organisation, people.power.organisation_id)
        plan = make_plan(session, plots=1, state="released")
        push = make_push(session, plan, power)
        key, code = make_key(session, power), plan.plots[0].code
    line.post(line.body(line.ready()))
    theirs = {"plot": code, "utility": "power", "code": "not_concerned"}
    answer = line.post({"push": str(push.uid), "answers": [theirs]}, bearer=key)
    assert answer.status_code == 201


@pytest.mark.parametrize("key", [None, "", " ", "键", "x" * 101])
def test_a_batch_without_a_usable_key_is_refused(line: Line, key: str | None) -> None:
    body = line.body(line.ready())
    headers = {"Authorization": f"Bearer {line.key}"}
    if key is not None:
        headers["Idempotency-Key"] = key.encode().decode("latin-1")
    answer = line.app.test_client().post("/api/v1/answers", json=body, headers=headers)
    assert answer.status_code == 422
    assert [p["where"] for p in answer.json["problems"]] == ["Idempotency-Key"]
    assert line.versions() == []


def test_every_fault_is_named_by_its_place_and_nothing_is_recorded(line: Line) -> None:
    body = line.body(
        line.unconcerned(),
        line.ready(1, connection_point=None, spare_capacity=-1),
        line.ready(2, code="ready_by"),
    )
    assert line.where(body) == [
        ("answers[1].spare_capacity", "capacity_unusable"),
        ("answers[1].connection_point", "point_missing"),
        ("answers[2].works", "works_missing"),
        ("answers[2].ready_by", "ready_by_missing"),
    ]


def test_not_possible_needs_a_reason(line: Line) -> None:
    body = line.body(line.unconcerned(code="not_possible"))
    assert line.where(body) == [("answers[0].reason", "reason_missing")]


def test_a_plot_that_was_not_asked_or_comes_twice_is_named(line: Line) -> None:
    body = line.body(
        line.unconcerned(plot=0),
        line.unconcerned(plot=0),
        {"plot": "无", "utility": "water", "code": "ready"},
        {**line.unconcerned(1), "utility": "gas"},
    )
    assert line.where(body) == [
        ("answers[0]", "plot_twice"),
        ("answers[1]", "plot_twice"),
        ("answers[2]", "plot_not_asked"),
        ("answers[3]", "plot_not_asked"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"code": "maybe"},
        {"code": None},
        {"utility": "steam"},
        {"connection_point": {"type": "Point", "coordinates": [1]}},
        {"connection_point": {"type": "Point", "coordinates": ["a", "b"]}},
        {"spare_capacity": "NaN"},
        {"ready_by": "soon"},
        {"unknown": 1},
    ],
)
def test_what_does_not_fit_the_schema_is_refused(line: Line, change: dict[str, object]) -> None:
    answer = line.post(line.body(line.ready(**change)))
    assert answer.status_code == 422
    assert line.versions() == []


def test_anothers_push_looks_like_none(line: Line, people: People) -> None:
    with transaction(line.engine, ENGINE) as session:
        other = session.get_one(Organisation, people.other_water.organisation_id)
        key = make_key(session, other)
    theirs = line.post(line.body(line.ready()), bearer=key)
    nobodys = line.post({**line.body(line.ready()), "push": str(uuid4())})
    assert (theirs.status_code, nobodys.status_code) == (404, 404)
    assert theirs.json == nobodys.json


def test_a_key_is_not_taken_for_another_push(line: Line, people: People) -> None:
    with transaction(line.engine, ENGINE) as session:
        water = session.get_one(Organisation, people.water.organisation_id)
        plan = make_plan(session, plots=1, state="released")
        push = make_push(session, plan, water)
        code = plan.plots[0].code
    line.post(line.body(line.unconcerned()))
    body = {"push": str(push.uid), "answers": [{**line.unconcerned(), "plot": code}]}
    assert line.post(body).status_code == 409


def test_what_a_push_asks_and_how_it_stands_can_be_read(line: Line) -> None:
    line.post(line.body(line.ready(spare_capacity=12.5)))
    found = line.get(f"/api/v1/answers?push={line.push}").json
    assert [(a["plot"], a["open"], a["code"]) for a in found["asked"]] == [
        (line.plots[0], False, "ready"),
        (line.plots[1], True, None),
        (line.plots[2], True, None),
    ]
    assert found["asked"][0]["spare_capacity"] == 12.5
    assert found["asked"][0]["connection_point"]["coordinates"] == pytest.approx(AT["coordinates"])
    assert found["answered_at"] is None
    assert line.get(f"/api/v1/answers?push={uuid4()}").status_code == 404


def test_contacting_the_owner_answers_a_projects_push_once(line: Line, people: People) -> None:
    with transaction(line.engine, ENGINE) as session:
        owner = make_owner(session)
        permit = Permit(
            permit_no="建字第1号", source_id=owner.id, office_id=people.office.organisation_id, owner_id=owner.id,
            city="460100", project_name="x", payload={}, payload_sha256="", received_at=NOW,
            geom=stored([multi(square())])[0],
        )  # fmt: skip
        session.add(permit)
        session.flush()
        push = Push(
            kind="project", permit_id=permit.id, owner_id=owner.id, pushed_at=NOW, due_on=NOW.date(),
            enterprise_id=people.water.organisation_id, office_id=people.office.organisation_id,
        )  # fmt: skip
        session.add(push)
        session.flush()
        uid = str(push.uid)
    client, headers = line.app.test_client(), {"Authorization": f"Bearer {line.key}"}
    first = client.post(f"/api/v1/pushes/{uid}/contacted", headers=headers)
    again = client.post(f"/api/v1/pushes/{uid}/contacted", headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json == again.json
    plan = client.post(f"/api/v1/pushes/{line.push}/contacted", headers=headers)
    assert plan.status_code == 409
    assert client.post(f"/api/v1/pushes/{uuid4()}/contacted", headers=headers).status_code == 404
    answers = {"push": uid, "answers": [line.unconcerned()]}
    assert line.post(answers).status_code == 422


def test_what_came_in_is_kept_with_its_channel(line: Line) -> None:
    line.post(line.body(line.ready()))
    with transaction(line.engine, ENGINE) as session:
        kept = session.scalars(select(AnswerBatch)).one()
        assert (kept.channel, kept.key, len(kept.result)) == ("api", "batch-1", 1)
        assert session.scalar(select(func.count()).select_from(AnswerBatch)) == 1


def test_the_codes_are_public_machine_data_in_two_languages(client: Browser) -> None:
    found = client.get("/api/v1/codes", headers={"Accept-Language": "en"}).json
    assert [c["code"] for c in found["codes"]] == [v.value for v in AnswerVerdict]
    needs = {c["code"]: c["needs"] for c in found["codes"]}
    assert needs == {
        "ready": ["connection_point"],
        "ready_by": ["connection_point", "works", "ready_by"],
        "not_possible": ["reason"],
        "not_concerned": [],
    }
    assert len(found["utilities"]) == 6
    chinese = client.get("/api/v1/codes", headers={"Accept-Language": "zh"}).json
    assert chinese["codes"][0]["name"] == "已具备条件"


def test_a_change_of_the_codes_is_a_new_version() -> None:
    """Who changes the list gives it a new version, and this line its new sum."""
    content = [asdict(code) for code in answer_codes.CODES]
    units = {u.value: unit for u, unit in answer_codes.UNITS.items()}
    text = json.dumps([content, units], ensure_ascii=False, sort_keys=True)
    known = {"2026-1": "f4db9eb4bb0cb15b", "2026-2": "5e64c8e14415ce45"}
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == known[answer_codes.VERSION]


def test_every_field_of_a_draft_has_a_name_outside() -> None:
    assert set(answer_codes.FIELD_NAMES) == set(FIELDS)
    assert answer_codes.field_of("ready_by_missing") == "ready_by"
    assert answer_codes.field_of("plot_twice") == ""
