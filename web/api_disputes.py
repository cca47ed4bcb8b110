"""/api/v1/disputes: an enterprise's own system answers what is held against its answers (R20)."""

import uuid
from typing import Literal

from apiflask import APIBlueprint
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field

from landready import disputing
from landready.db import Role
from landready.dispute_rules import LONGEST
from landready.disputes import DisputeState, dispute_of
from web.auth import only
from web.session import database, now

api = APIBlueprint("api_disputes", __name__, url_prefix="/api/v1", tag="disputes")


_EXAMPLE = {"response": "upheld", "reason": "DN300 was put into service on 2026-02-11."}
_RECORDED = {
    "dispute": "7b0c2f0a-3a43-4f4d-8a75-0f6d5b0a9e21",
    "outcome": "recorded",
    "response": "upheld",
    "version": 1,
    "state": "answered",
}


class ResponseIn(BaseModel):
    """`upheld` needs a reason. `corrected` names the newest version of the answer, which was sent to `/answers` before."""

    model_config = ConfigDict(extra="forbid")
    response: Literal["upheld", "corrected"]
    reason: str = Field("", max_length=LONGEST)


class ResponseOut(BaseModel):
    """`outcome` is `same` when this very response had come before; nothing was recorded twice."""

    dispute: str
    outcome: Literal["recorded", "same"]
    response: str
    version: int = Field(description="of the answer that now stands")
    state: DisputeState


@api.post("/disputes/<uuid:uid>/answer")
@api.input(ResponseIn, arg_name="body", example=_EXAMPLE)
@api.output(ResponseOut, status_code=201, example=_RECORDED)
@api.doc(
    summary="Answer a dispute about an answer",
    description=(
        "`dispute` of the event `dispute.opened`. A correction goes to `POST /api/v1/answers` first, as a new version; then it is"
        " named here with `corrected`. The same response again answers 200 with `same`; another one answers 409."
    ),
    security="key",
    responses={
        200: "The same response had come before.",
        409: "Answered or decided already, or no version is newer than the one in dispute.",
    },
)
@only(Role.ENTERPRISE)
def answer(uid: uuid.UUID, body: ResponseIn) -> ResponseReturnValue:
    dispute = disputing.by_uid(database(), uid)
    reason = body.reason.replace("\x00", "").strip()
    same = [s for s in dispute.steps if (s.kind, s.text) == (body.response, reason)]
    if not same:
        act = disputing.correct if body.response == "corrected" else disputing.uphold
        act(database(), dispute.id, reason, now())
        dispute = dispute_of(database(), dispute.id)
    stands = next((s.answer for s in dispute.steps if s.answer is not None), dispute.answer)
    made = ResponseOut(
        dispute=str(uid),
        outcome="same" if same else "recorded",
        response=body.response,
        version=stands.version,
        state=DisputeState(dispute.state),
    )
    return made.model_dump(mode="json"), 200 if same else 201
