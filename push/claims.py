"""Take what is due under a lease, and write down what became of it.

A delivery is leased and its attempt recorded in one transaction before anything is sent. Whoever dies in between leaves
a lease that runs out; the next claim closes the lost attempt and sends again: the same id and bytes. A worker that
comes back late finds its token replaced and changes nothing.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Select, bindparam, func, or_, select, true, update
from sqlalchemy.orm import Session, aliased

from geo.problems import N_
from landready.outbox import OutboxEvent
from push.endpoints import disable
from push.models import Attempt, Delivery, Endpoint
from push.schedule import Dead, Delivered, EndpointGone, RetryAt, Step
from push.transport import Answered, Failed, Fault, Outcome

# At most so many at one endpoint at a time, all workers together: a slow receiver holds up its own enterprise alone.
PER_ENDPOINT = 8


@dataclass(frozen=True, slots=True)
class Claim:
    """One delivery to be sent now, by the holder of the token only."""

    delivery_id: int
    attempt_id: int
    endpoint_id: int
    number: int
    token: uuid.UUID
    lease_until: datetime
    event_id: uuid.UUID
    body: bytes
    url: str
    secret: str


def claim(session: Session, limit: int, lease: timedelta, now: datetime) -> list[Claim]:
    """Lease up to `limit` due deliveries and record their attempts. Needs a transaction of the engine."""
    rows = session.execute(_CLAIMABLE, {"now": now, "turns": limit}).all()
    if not rows:
        return []
    _close_lost(session, [row.Delivery.id for row in rows], now)
    until = now + lease
    made = [
        (
            Attempt(
                delivery_id=row.Delivery.id,
                enterprise_id=row.Delivery.enterprise_id,
                number=row.Delivery.attempts_made + 1,
                started_at=now,
            ),
            row,
            uuid.uuid4(),
        )
        for row in rows
    ]
    for attempt, row, token in made:
        session.add(attempt)
        row.Delivery.lease_token, row.Delivery.lease_until = token, until
    session.flush()
    return [
        Claim(
            delivery_id=row.Delivery.id,
            attempt_id=attempt.id,
            endpoint_id=row.Delivery.endpoint_id,
            number=attempt.number,
            token=token,
            lease_until=until,
            event_id=row.Delivery.event_id,
            body=row.body,
            url=row.url,
            secret=row.secret,
        )
        for attempt, row, token in made
    ]


def settle(session: Session, claim: Claim, outcome: Outcome, step: Step, now: datetime) -> bool:
    """Record what became of a claim; False if its lease was taken over in the meantime and nothing was changed."""
    if isinstance(step, EndpointGone):
        disable(session, claim.endpoint_id, N_("接收系统答复 410：不再接收。"), now)
    held = session.execute(
        update(Delivery)
        .where(Delivery.id == claim.delivery_id, Delivery.lease_token == claim.token)
        .values(lease_token=None, lease_until=None, attempts_made=claim.number, **_after(step, now))
        .returning(Delivery.id)
    ).all()
    if not held:
        return False
    session.execute(
        update(Attempt)
        .where(Attempt.id == claim.attempt_id)
        .values(finished_at=now, **_result(outcome))
    )
    return True


def next_due(session: Session) -> datetime | None:
    """When the next delivery that nobody holds is due; None if nothing is owed."""
    return session.scalar(
        select(Delivery.next_attempt_at)
        .where(Delivery.state == "owed", Delivery.lease_until.is_(None))
        .order_by(Delivery.next_attempt_at)
        .limit(1)
    )


def _result(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Answered(status):
            return {"status": status}
        case Failed(fault):
            return {"error": fault.value}


def _after(step: Step, now: datetime) -> dict[str, Any]:
    """What a step changes. A retry leaves the state alone: the endpoint may have been disabled while sending."""
    match step:
        case Delivered():
            return {"state": "delivered", "delivered_at": now}
        case RetryAt(at):
            return {"next_attempt_at": at}
        case Dead() | EndpointGone():
            return {"state": "dead"}


def _due(delivery: Any) -> tuple[ColumnElement[bool], ...]:  # noqa: ANN401 - entity or alias
    now = bindparam("now", type_=DateTime(timezone=True))
    return (
        delivery.state == "owed",
        delivery.next_attempt_at <= now,
        or_(delivery.lease_until.is_(None), delivery.lease_until < now),
    )


def _turns() -> Select[tuple[int]]:
    """Whose turn it is: the oldest due of every endpoint, none with more under way than it may have."""
    waiting, leased = aliased(Delivery), aliased(Delivery)
    order = (waiting.next_attempt_at, waiting.id)
    line = (
        select(
            waiting.id,
            waiting.next_attempt_at,
            func.row_number().over(order_by=order).label("place"),
        )
        .where(waiting.endpoint_id == Endpoint.id, *_due(waiting))
        .order_by(*order)
        .limit(PER_ENDPOINT)
        .correlate(Endpoint)
        .lateral("line")
    )
    under_way = (
        select(func.count())
        .where(leased.endpoint_id == Endpoint.id, leased.lease_until >= bindparam("now"))
        .correlate(Endpoint)
        .scalar_subquery()
    )
    return (
        select(line.c.id)
        .select_from(Endpoint)
        .join(line, true())
        .where(line.c.place + under_way <= PER_ENDPOINT)
        .order_by(line.c.next_attempt_at, line.c.id)
        .limit(bindparam("turns"))
    )


# Built once: it is asked for every few milliseconds.
_CLAIMABLE = (
    select(Delivery, OutboxEvent.body, Endpoint.url, Endpoint.secret)
    .join(OutboxEvent, OutboxEvent.id == Delivery.event_id)
    .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
    .where(Delivery.id.in_(_turns()), *_due(Delivery))
    .order_by(Delivery.next_attempt_at, Delivery.id)
    .with_for_update(of=Delivery, skip_locked=True)
)


def _close_lost(session: Session, deliveries: list[int], now: datetime) -> None:
    """Close attempts whose worker ended before it could say how they went."""
    session.execute(
        update(Attempt)
        .where(Attempt.delivery_id.in_(deliveries), Attempt.finished_at.is_(None))
        .values(finished_at=now, error=Fault.LOST.value)
        .execution_options(synchronize_session=False)
    )
