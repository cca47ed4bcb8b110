"""A promise whose day is past: its plot counts as not ready (landready.readiness), and its listing is suspended by name."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from geo.problems import N_
from landready.clock import today
from landready.db import as_engine
from landready.gate import suspend_lapsed
from landready.listings import Listing
from landready.settings import Gate
from landready.works import Commitment, CommitmentState

MISSED = N_("{enterprise}承诺 {date} 前完成“{works}”，已过期且没有确认完成，自动暂停上架。")


def suspend_missed(session: Session, gate: Gate, now: datetime) -> list[Listing]:
    """Suspend what is on offer on a promise that was missed, with the promise as the reason."""
    with as_engine(session):
        missed = session.scalars(
            select(Commitment)
            .join(Listing, Listing.plot_id == Commitment.plot_id)
            .where(
                Listing.state == "listed",
                Commitment.state == CommitmentState.OPEN,
                Commitment.due_on < today(now),
            )
            .options(joinedload(Commitment.works))
            .order_by(Commitment.due_on, Commitment.id)
        ).all()
        if not missed:
            return []
        suspended = suspend_lapsed(session, gate, now, list({c.plot_id for c in missed}))
        for listing in suspended:
            first = next(c for c in missed if c.plot_id == listing.plot_id)
            listing.state_reason = reason(first)[:500]
        session.flush()
    return suspended


def reason(missed: Commitment) -> str:
    """Say which promise was missed; kept with the listing as it was said."""
    return MISSED.format(
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
