"""From outbox events to deliveries: one per enabled endpoint of the channel on which the enterprise is told."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from landready.outbox import OutboxEvent
from push.channels import preferred
from push.models import Delivery, Endpoint

_EVENTS_AT_ONCE = 200


def fan_out(session: Session, now: datetime) -> int:
    """Turn waiting events into deliveries due at once; return how many events that were.

    Safe to repeat and to run beside others: an event is taken by one transaction, and (endpoint, event) is unique.
    An enterprise without an endpoint has the portal's inbox alone.
    """
    events = session.execute(
        select(
            OutboxEvent.id, OutboxEvent.enterprise_id, OutboxEvent.office_id, OutboxEvent.push_id
        )
        .where(OutboxEvent.fanned_out_at.is_(None))
        .order_by(OutboxEvent.created_at, OutboxEvent.number)
        .limit(_EVENTS_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    if not events:
        return 0
    owed = [
        {
            "endpoint_id": endpoint.id,
            "event_id": event.id,
            "enterprise_id": event.enterprise_id,
            "office_id": event.office_id,
            "push_id": event.push_id,
            "owed_since": now,
            "next_attempt_at": now,
            "created_at": now,
        }
        for endpoint in preferred(
            session, _endpoints(session, {event.enterprise_id for event in events})
        )
        for event in events
        if event.enterprise_id == endpoint.enterprise_id
    ]
    if owed:
        session.execute(insert(Delivery).on_conflict_do_nothing(), owed)
    session.execute(
        update(OutboxEvent)
        .where(OutboxEvent.id.in_([event.id for event in events]))
        .values(fanned_out_at=now)
        .execution_options(synchronize_session=False)
    )
    return len(events)


def _endpoints(session: Session, enterprises: set[int]) -> list[Endpoint]:
    """Enabled endpoints, held until the commit: one that is being disabled gets no delivery that nobody would close."""
    return list(
        session.scalars(
            select(Endpoint)
            .where(Endpoint.enterprise_id.in_(enterprises), Endpoint.disabled_at.is_(None))
            .with_for_update(read=True)
        )
    )
