"""A promise whose day is past: its plot counts as not ready (landready.readiness), and its listing is suspended by name."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from landready.changes import Cause, cause
from landready.clock import today
from landready.listings import Listing
from landready.works import Commitment, CommitmentState


def causes(session: Session, now: datetime) -> dict[int, Cause]:
    """Return, by plot on offer, the first promise that was missed, as the cause of a suspension. Needs the engine."""
    missed = session.scalars(
        select(Commitment)
        .join(Listing, Listing.plot_id == Commitment.plot_id)
        .where(
            Listing.state == "listed",
            Commitment.state == CommitmentState.OPEN,
            Commitment.due_on < today(now),
        )
        .options(joinedload(Commitment.works))
        .order_by(Commitment.due_on.desc(), Commitment.id.desc())
    )
    return {one.plot_id: _cause(one) for one in missed}


def _cause(missed: Commitment) -> Cause:
    return cause(
        "promise_missed",
        missed.utility,
        enterprise=missed.works.enterprise.name,
        date=missed.due_on.isoformat(),
        works=missed.works.title,
    )


def missed_of(session: Session, now: datetime) -> Sequence[Commitment]:
    """Return the missed promises that the asker may see, the oldest first."""
    return session.scalars(
        select(Commitment)
        .where(Commitment.state == CommitmentState.OPEN, Commitment.due_on < today(now))
        .options(joinedload(Commitment.works), joinedload(Commitment.plot))
        .order_by(Commitment.due_on, Commitment.id)
    ).all()
