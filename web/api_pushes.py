"""/api/v1/pushes and /api/v1/reconcile: an enterprise pulls its journal, says how far it is, compares, and asks again."""

from datetime import UTC

from apiflask import APIBlueprint
from flask.typing import ResponseReturnValue
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from landready.db import Role, actor_of
from push import journal, replay
from push.journal_fields import (
    AckIn,
    Number,
    PullOut,
    PullQuery,
    RangeOut,
    RangeQuery,
    StandingOut,
)
from web.auth import only
from web.session import database, now

api = APIBlueprint("api_pushes", __name__, url_prefix="/api/v1", tag="pushes")

_SHA256 = "c65a21e5a2f9b3f7d2a7ad9fbf3d9c1c1f0b2b9f5f4c36a0ad1b6b1e8f1c2d3e"
_STANDING = {
    "last": 17,
    "acknowledged": 17,
    "acknowledged_at": "2026-03-02T02:00:05Z",
    "proven": 17,
    "proven_at": "2026-03-02T02:00:05Z",
}


@api.get("/pushes")
@api.input(PullQuery, location="query", arg_name="query")
@api.output(
    PullOut,
    example={
        "pushes": [
            {
                "number": 17,
                "id": "adc510cf-d065-4a5c-a9e7-7c9beb3dc947",
                "type": "item.moved",
                "created_at": "2026-03-02T02:00:00Z",
                "sha256": _SHA256,
                "body": '{"number":17,"data":{"item":1},"id":"adc510cf-d065-4a5c-a9e7-7c9beb3dc947"}',
            }
        ],
        "next": 17,
        "more": False,
        "standing": {**_STANDING, "acknowledged": 16, "proven": 16},
    },
)
@api.doc(
    summary="Pull what this enterprise was pushed, by number",
    description=(
        "Every event of the enterprise in the order of its number, whatever became of its webhook. Numbers are given at the commit:"
        " a number you have read is never followed by a smaller one, so `after` misses nothing. One answer holds about 8 MB at most."
    ),
    security="key",
)
@only(Role.ENTERPRISE)
def pull(query: PullQuery) -> ResponseReturnValue:
    standing = journal.standing(database())
    after = standing.acknowledged if query.after is None else query.after
    found = journal.entries(database(), after, query.limit)
    return PullOut.of(found, after, standing).model_dump(mode="json")


@api.post("/pushes/ack")
@api.input(AckIn, arg_name="ack", example={"number": 17, "ids_sha256": _SHA256})
@api.output(StandingOut, example=_STANDING)
@api.doc(
    summary="Acknowledge everything up to a number",
    description=(
        "Webhooks still owed for it are not sent any more. With `ids_sha256` completeness is proven and noted as such; another hash"
        " answers 409 and notes nothing. A smaller number than before changes nothing: repeating is safe."
    ),
    security="key",
    responses={409: "The hash is another: compare ranges with /reconcile."},
)
@only(Role.ENTERPRISE)
def acknowledge(ack: AckIn) -> ResponseReturnValue:
    noted = journal.acknowledge(database(), ack.number, ack.ids_sha256, now())
    return StandingOut.of(noted).model_dump(mode="json")


@api.get("/reconcile")
@api.input(RangeQuery, location="query", arg_name="query")
@api.output(
    RangeOut,
    example={"from": 1, "to": 17, "count": 17, "ids_sha256": _SHA256, "standing": _STANDING},
)
@api.doc(
    summary="Count and hash of a range of numbers, to compare with your own",
    description="Equal count and hash prove that both sides have the same events. Where they differ, halve the range.",
    security="key",
)
@only(Role.ENTERPRISE)
def reconcile(query: RangeQuery) -> ResponseReturnValue:
    standing = journal.standing(database())
    last = standing.last if query.last is None else query.last
    found = journal.reconcile(database(), query.first, last)
    return RangeOut.of(found, standing).model_dump(mode="json", by_alias=True)


class ReplayIn(BaseModel):
    """Exactly one of the three."""

    model_config = ConfigDict(extra="forbid")

    number: Number | None = Field(None, description="this one event")
    after: Number | None = Field(None, description="every event with a greater number")
    since: AwareDatetime | None = Field(None, description="every event of this moment or later")

    @model_validator(mode="after")
    def _one_wish(self) -> "ReplayIn":
        if sum(x is not None for x in (self.number, self.after, self.since)) != 1:
            raise ValueError("name exactly one of number, after and since")
        return self

    @property
    def wanted(self) -> replay.Wanted:
        if self.number is not None:
            return replay.One(self.number)
        if self.since is not None:
            return replay.Since(self.since.astimezone(UTC))
        return replay.After(self.after or 0)


class ReplayOut(BaseModel):
    deliveries: int = Field(description="how many will be sent, endpoints times events")


@api.post("/pushes/replay")
@api.input(ReplayIn, arg_name="wish", example={"after": 12})
@api.output(ReplayOut, example={"deliveries": 5})
@api.doc(
    summary="Have events sent again as webhooks",
    description="The same ids and bytes, on the channel you are told on, from the start of the schedule. What is being sent is left alone.",
    security="key",
    responses={409: "No endpoint is enabled: pull instead."},
)
@only(Role.ENTERPRISE)
def send_again(wish: ReplayIn) -> ResponseReturnValue:
    enterprise_id = actor_of(database()).organisation_id or 0
    owed = replay.replay(database(), enterprise_id, wish.wanted, now())
    return ReplayOut(deliveries=owed).model_dump(mode="json")
