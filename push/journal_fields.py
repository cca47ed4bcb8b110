"""What an enterprise's system says and hears about its journal: the models of /api/v1/pushes and /api/v1/reconcile.

The API and the conformance kit read and write with the same ones.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from push import journal

# PostgreSQL's bigint
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]


class PullQuery(BaseModel):
    after: Number | None = Field(
        None,
        description="the greatest number you have; left out: the one you acknowledged last",
        examples=[16],
    )
    limit: int = Field(100, ge=1, le=500, examples=[100])


class PushOut(BaseModel):
    """One event. `body` is exactly what a webhook of it carries: hand it to the same code, without a signature to check."""

    number: int
    id: str = Field(description="the webhook-id")
    type: str
    created_at: datetime
    sha256: str = Field(description="of the UTF-8 bytes of `body`, hex")
    body: str

    @classmethod
    def of(cls, x: journal.Entry) -> "PushOut":
        return cls(
            number=x.number,
            id=x.id,
            type=x.type,
            created_at=x.created_at,
            sha256=x.sha256,
            body=x.body,
        )


class StandingOut(BaseModel):
    """Numbers begin at 1 and have no gaps; 0 means none."""

    last: int = Field(description="the greatest number there is")
    acknowledged: int
    acknowledged_at: datetime | None
    proven: int = Field(description="up to here you named the right hash over all ids")
    proven_at: datetime | None

    @classmethod
    def of(cls, x: journal.Standing) -> "StandingOut":
        return cls(
            last=x.last,
            acknowledged=x.acknowledged,
            acknowledged_at=x.acknowledged_at,
            proven=x.proven,
            proven_at=x.proven_at,
        )


class PullOut(BaseModel):
    pushes: list[PushOut]
    next: int = Field(description="Send this as `after` to go on, now or later.")
    more: bool = Field(description="there is something after `next` already")
    standing: StandingOut

    @classmethod
    def of(
        cls, found: Sequence[journal.Entry], after: int, standing: journal.Standing
    ) -> "PullOut":
        last = found[-1].number if found else after
        return cls(
            pushes=[PushOut.of(x) for x in found],
            next=last,
            more=last < standing.last,
            standing=StandingOut.of(standing),
        )


class AckIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: Number = Field(description="you have stored everything up to here")
    ids_sha256: str | None = Field(
        None,
        pattern="^[0-9a-fA-F]{64}$",
        description="hex SHA-256 over the ids 1 to `number` in order, each followed by a line feed",
    )


class RangeQuery(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    first: Number = Field(1, alias="from", examples=[1])
    last: Number | None = Field(
        None, alias="to", description="left out: the last there is", examples=[17]
    )


class RangeOut(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    first: int = Field(alias="from")
    last: int = Field(alias="to")
    count: int = Field(description="`to` - `from` + 1 where all of them exist")
    ids_sha256: str = Field(
        description="hex SHA-256 over the ids in the order of their numbers, each followed by a line feed"
    )
    standing: StandingOut

    @classmethod
    def of(cls, found: journal.Range, standing: journal.Standing) -> "RangeOut":
        told = {"from": found.first, "to": found.last, "count": found.count}
        return cls.model_validate(
            {**told, "ids_sha256": found.ids_sha256, "standing": StandingOut.of(standing)}
        )
