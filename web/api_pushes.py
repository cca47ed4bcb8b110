"""/api/v1/pushes and /api/v1/reconcile: an enterprise pulls its journal, says how far it is, compares, and asks again."""

from datetime import UTC, datetime
from typing import Annotated

from apiflask import APIBlueprint
from flask.typing import ResponseReturnValue
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from landready.db import Role, actor_of
from push import journal, replay
from web.auth import only
from web.session import database, now

api = APIBlueprint("api_pushes", __name__, url_prefix="/api/v1", tag="pushes")

# PostgreSQL's bigint
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]
_SHA256 = "c65a21e5a2f9b3f7d2a7ad9fbf3d9c1c1f0b2b9f5f4c36a0ad1b6b1e8f1c2d3e"
_STANDING = {
    "last": 17,
    "acknowledged": 17,
    "acknowledged_at": "2026-03-02T02:00:05Z",
    "proven": 17,
    "proven_at": "2026-03-02T02:00:05Z",
}


class PullQuery(BaseModel):
    after: Number | None = Field(
        None, description="the greatest number you have; left out: the one you acknowledged last"
    )
    limit: int = Field(100, ge=1, le=500)


class PushOut(BaseModel):
    """One event. `body` is exactly what a webhook of it carries: hand it to the same code, without a signature to check."""

    number: int
    id: str = Field(description="the webhook-id")
    type: str
    created_at: datetime
    sha256: str = Field(description="of the UTF-8 bytes of `body`, hex")
    body: str


class StandingOut(BaseModel):
    """Numbers begin at 1 and have no gaps; 0 means none."""

    last: int = Field(description="the greatest number there is")
    acknowledged: int
    acknowledged_at: datetime | None
    proven: int = Field(description="up to here you named the right hash over all ids")
    proven_at: datetime | None


class PullOut(BaseModel):
    pushes: list[PushOut]
    next: int = Field(description="Send this as `after` to go on, now or later.")
    more: bool = Field(description="there is something after `next` already")
    standing: StandingOut


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
    last = found[-1].number if found else after
    body = PullOut(
        pushes=[
            PushOut(
                number=x.number,
                id=x.id,
                type=x.type,
                created_at=x.created_at,
                sha256=x.sha256,
                body=x.body,
            )
            for x in found
        ],
        next=last,
        more=last < standing.last,
        standing=_standing(standing),
    )
    return body.model_dump(mode="json")


class AckIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: Number = Field(description="you have stored everything up to here")
    ids_sha256: str | None = Field(
        None,
        pattern="^[0-9a-fA-F]{64}$",
        description="hex SHA-256 over the ids 1 to `number` in order, each followed by a line feed",
    )


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
    return _standing(noted).model_dump(mode="json")


class RangeQuery(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    first: Number = Field(1, alias="from")
    last: Number | None = Field(None, alias="to", description="left out: the last there is")


class RangeOut(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    first: int = Field(alias="from")
    last: int = Field(alias="to")
    count: int = Field(description="`to` - `from` + 1 where all of them exist")
    ids_sha256: str = Field(
        description="hex SHA-256 over the ids in the order of their numbers, each followed by a line feed"
    )
    standing: StandingOut


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
    told = {"from": found.first, "to": found.last, "count": found.count}
    body = RangeOut.model_validate(
        {**told, "ids_sha256": found.ids_sha256, "standing": _standing(standing)}
    )
    return body.model_dump(mode="json", by_alias=True)


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


def _standing(x: journal.Standing) -> StandingOut:
    return StandingOut(
        last=x.last,
        acknowledged=x.acknowledged,
        acknowledged_at=x.acknowledged_at,
        proven=x.proven,
        proven_at=x.proven_at,
    )
