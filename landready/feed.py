"""The order of change of listings, in which the trading platform's feed is read: no change passed by, none told twice (R6).

The database takes the time of a change inside the turn of listings (migration 0001), so a later position commits later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready.db import as_engine
from landready.errors import Invalid
from landready.listings import Listing


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of change; as text it is what the feed calls its cursor."""

    changed_at: datetime
    listing_id: int

    def __str__(self) -> str:
        return f"{self.changed_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{self.listing_id}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read a cursor back.

        Raises:
            Invalid: it is none of ours.
        """
        moment, _, number = text.partition("-")
        try:
            at = datetime.strptime(moment, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
            return cls(at, int(number))
        except (ValueError, OverflowError) as error:
            wrong = Problem(
                "cursor", "error", N_("游标无效，请使用上次应答中的 next。"), where="after"
            )
            raise Invalid((wrong,)) from error


def changes(session: Session, after: Position | None, *, limit: int = 500) -> Sequence[Position]:
    """Return where listings stand in the order of change, from the beginning or after a position.

    Withdrawn ones too: whoever was told of an offer must be told of its end, though the plot itself is public no more.
    """
    query = select(Listing.changed_at, Listing.id).order_by(Listing.changed_at, Listing.id)
    if after is not None:
        here = tuple_(Listing.changed_at, Listing.id)
        query = query.where(here > tuple_(after.changed_at, after.listing_id))
    with as_engine(session):
        return [Position(at, number) for at, number in session.execute(query.limit(limit))]
