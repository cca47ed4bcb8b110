"""/api/v1/answers and /api/v1/codes: what an enterprise's own system answers, and in which words."""

import uuid
from dataclasses import replace
from datetime import date, datetime

from apiflask import APIBlueprint
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field

from landready import answer_batches, answer_fields, answering
from landready.answer_batches import Incoming
from landready.answer_fields import AnswersIn, AnswersOut, CodesOut, MadeOut, where
from landready.answers import Answer
from landready.db import Role
from landready.errors import Invalid
from landready.shapes import to_geojson
from web.auth import only, public
from web.filters import UTILITIES, sentence
from web.session import database, now, settings

api = APIBlueprint("api_answers", __name__, url_prefix="/api/v1", tag="answers")

_PUSH = "11111111-2222-4333-8444-555555555555"
_EXAMPLE = {
    "push": _PUSH,
    "answers": [
        {
            "plot": "P-12",
            "utility": "water",
            "code": "ready",
            "connection_point": {"type": "Point", "coordinates": [110.350956, 20.020452]},
            "spare_capacity": 1200,
        },
        {
            "plot": "P-13",
            "utility": "water",
            "code": "ready_by",
            "connection_point": {"type": "Point", "coordinates": [110.352956, 20.020452]},
            "works": "DN300, 420 m",
            "ready_by": "2027-06-30",
        },
        {"plot": "P-14", "utility": "water", "code": "not_concerned"},
    ],
}
_RECORDED = {
    "push": _PUSH,
    "outcome": "recorded",
    "answers": [
        {"plot": "P-12", "utility": "water", "code": "ready", "version": 1},
        {"plot": "P-13", "utility": "water", "code": "ready_by", "version": 1},
        {"plot": "P-14", "utility": "water", "code": "not_concerned", "version": 1},
    ],
    "open": 0,
}


_STANDING = {
    "push": _PUSH,
    "due_on": "2026-03-09",
    "due_provisional": False,
    "answered_at": None,
    "asked": [
        {
            "plot": "P-12",
            "revision": 1,
            "utility": "water",
            "open": False,
            "code": "ready",
            "version": 1,
            "answered_at": "2026-03-05T02:00:00Z",
            "connection_point": {"type": "Point", "coordinates": [110.350956, 20.020452]},
            "spare_capacity": 1200.0,
            "works": "",
            "ready_by": None,
            "reason": "",
            "valid_until": None,
        },
        {
            "plot": "P-13",
            "revision": 1,
            "utility": "water",
            "open": True,
            "code": None,
            "version": None,
            "answered_at": None,
            "connection_point": None,
            "spare_capacity": None,
            "works": "",
            "ready_by": None,
            "reason": "",
            "valid_until": None,
        },
    ],
}
# As it is answered to a reader of Chinese.
_CODES = answer_fields.codes(str, UTILITIES).model_dump(mode="json")


class KeyHeader(BaseModel):
    model_config = ConfigDict(populate_by_name=True)  # APIFlask reads headers by the field's name

    idempotency_key: str = Field(
        "",
        alias="Idempotency-Key",
        description="names this batch, 1 to 100 ASCII characters; a new one for every new content",
        examples=["2026-03-05-0001"],
    )


@api.post("/answers")
@api.input(KeyHeader, location="headers", arg_name="headers")
@api.input(AnswersIn, arg_name="body", example=_EXAMPLE)
@api.output(AnswersOut, status_code=201, example=_RECORDED)
@api.doc(
    summary="Answer plots of a push",
    description=(
        "All answers of a batch are recorded or none. `Idempotency-Key` is required: the same key with the same content answers"
        " 200 with `same` and records nothing; with other content it answers 409. A batch that is refused with 422 uses no key"
        " up. A correction is a new batch: it becomes the next version, the old one stays."
    ),
    security="key",
    responses={200: "The same batch had come before.", 409: "The key had other content before."},
)
@only(Role.ENTERPRISE)
def answers(headers: KeyHeader, body: AnswersIn) -> ResponseReturnValue:
    push = answer_batches.push_of(database(), body.push)
    batch = Incoming(push.id, "api", headers.idempotency_key, body.digest(), body.said())
    try:
        kept, new = answer_batches.take(
            database(), batch,
            check=settings().check, region=settings().region, gate=settings().gate,
            account_id=None, now=now(),
        )  # fmt: skip
    except Invalid as refused:
        told = tuple(replace(p, where=where(p)) for p in refused.problems)
        raise Invalid(told, refused.detail, **refused.params) from refused
    owed = sum(line.open for line in answer_batches.asked_lines(database(), push))
    outcome = AnswersOut(
        push=str(body.push),
        outcome="recorded" if new else "same",
        answers=[MadeOut(**made) for made in kept.result],
        open=owed,
    )
    return outcome.model_dump(mode="json"), 201 if new else 200


class AskedQuery(BaseModel):
    push: uuid.UUID = Field(description="`push` of the event", examples=[_PUSH])


class AskedOut(BaseModel):
    """One plot and utility that the push asks about, and the newest answer of the asking enterprise."""

    plot: str
    revision: int = Field(description="of the plot; an answer holds for one revision")
    utility: str
    open: bool = Field(description="an answer is owed for the plot as it is now")
    code: str | None
    version: int | None
    answered_at: datetime | None
    connection_point: dict[str, object] | None
    spare_capacity: float | None
    works: str
    ready_by: date | None
    reason: str
    valid_until: date | None


class StandingOut(BaseModel):
    push: str
    due_on: date
    due_provisional: bool
    answered_at: datetime | None = Field(description="when the last open plot was answered")
    asked: list[AskedOut]


@api.get("/answers")
@api.input(AskedQuery, location="query", arg_name="query")
@api.output(StandingOut, example=_STANDING)
@api.doc(
    summary="What a push asks about, and how it stands answered",
    security="key",
)
@only(Role.ENTERPRISE)
def standing(query: AskedQuery) -> ResponseReturnValue:
    push = answer_batches.push_of(database(), query.push)
    body = StandingOut(
        push=str(push.uid),
        due_on=push.due_on,
        due_provisional=push.due_provisional,
        answered_at=push.answered_at,
        asked=[_asked(line) for line in answer_batches.asked_lines(database(), push)],
    )
    return body.model_dump(mode="json")


def _asked(line: answer_batches.AskedLine) -> AskedOut:
    said: Answer | None = line.answer
    at = said.connection_point if said else None
    return AskedOut(
        plot=line.plot.code,
        revision=line.plot.revision,
        utility=line.utility,
        open=line.open,
        code=said.verdict if said else None,
        version=said.version if said else None,
        answered_at=said.answered_at if said else None,
        connection_point=to_geojson(at) if at is not None else None,
        spare_capacity=said.spare_capacity if said else None,
        works=said.works if said else "",
        ready_by=said.ready_by if said else None,
        reason=said.reason if said else "",
        valid_until=said.valid_until if said else None,
    )


class ContactOut(BaseModel):
    push: str
    answered_at: datetime


@api.post("/pushes/<uuid:uid>/contacted")
@api.output(ContactOut, example={"push": _PUSH, "answered_at": "2026-03-03T02:00:00Z"})
@api.doc(
    summary="Report that the owner of a pushed project was contacted",
    description="Answers the push of a project, once; repeating it changes nothing. A push of a plan answers 409.",
    security="key",
    responses={409: "It is a supply plan, whose plots are answered one by one."},
)
@only(Role.ENTERPRISE)
def contacted(uid: uuid.UUID) -> ResponseReturnValue:
    push = answer_batches.push_of(database(), uid)
    push = answering.contacted(database(), push.id, now())
    return ContactOut(push=str(uid), answered_at=push.answered_at or now()).model_dump(mode="json")


@api.get("/codes")
@api.output(CodesOut, example=_CODES)
@api.doc(summary="The closed list of answer codes", description="Names follow `Accept-Language`.")
@public
def codes() -> ResponseReturnValue:
    return answer_fields.codes(sentence, UTILITIES).model_dump(mode="json")
