"""Take what is due under a lease, and write down what became of it.

A delivery is leased and its attempt recorded in one transaction before anything is sent. Whoever dies in between leaves
a lease that runs out; the next claim closes the lost attempt and sends again: the same id and bytes. A worker that
comes back late finds its token replaced and changes nothing.

The endpoint's row is locked while its deliveries are counted and leased, so that all workers together keep its limit. Who
finds it locked passes by: the holder, or the loop that holds it, looks again by itself.
"""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session, aliased

from geo.problems import N_
from landready.outbox import OutboxEvent
from push.addresses import Network
from push.endpoints import disable
from push.models import Attempt, Delivery, Endpoint, EndpointNetwork
from push.schedule import FAILING, Dead, Delivered, EndpointGone, RetryAt, Step, rest
from push.transport import Answered, Failed, Fault, Outcome

# At most so many at one endpoint at a time, all workers together: a slow receiver holds up its own enterprise alone.
PER_ENDPOINT = 8
# One probe at a time while an endpoint only fails.
_PROBES = 1


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a delivery goes: `secrets` are sealed, the present one first; `networks` the private ones it may lie in."""

    endpoint_id: int
    enterprise_id: int
    url: str
    secrets: tuple[str, ...]
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """One delivery to be sent now, by the holder of the token only."""

    delivery_id: int
    attempt_id: int
    number: int
    token: uuid.UUID
    lease_until: datetime
    event_id: uuid.UUID
    body: bytes
    receiver: Receiver


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a claim, at the moment it ended; `sends` counts connections that were tried."""

    claim: Claim
    outcome: Outcome
    step: Step
    at: datetime
    sends: int = 1


def claim(session: Session, limit: int, lease: timedelta, now: datetime) -> list[Claim]:
    """Lease up to `limit` due deliveries and record their attempts. Needs a transaction of the engine."""
    receivers = _receivers(session, limit, now)
    if not receivers:
        return []
    rows = session.execute(
        _CLAIMABLE, {"now": now, "turns": limit, "endpoints": list(receivers)}
    ).all()
    if not rows:
        return []
    _close_lost(session, [row.id for row in rows], now)
    until = now + lease
    attempts = session.scalars(
        insert(Attempt).returning(Attempt.id, sort_by_parameter_order=True),
        [
            {
                "delivery_id": row.id,
                "enterprise_id": receivers[row.endpoint_id].enterprise_id,
                "number": row.attempts_made + 1,
                "started_at": now,
            }
            for row in rows
        ],
    ).all()
    claims = [
        Claim(
            delivery_id=row.id,
            attempt_id=attempt_id,
            number=row.attempts_made + 1,
            token=uuid.uuid4(),
            lease_until=until,
            event_id=row.event_id,
            body=row.body,
            receiver=receivers[row.endpoint_id],
        )
        for row, attempt_id in zip(rows, attempts, strict=True)
    ]
    session.execute(
        update(Delivery),
        [{"id": x.delivery_id, "lease_token": x.token, "lease_until": until} for x in claims],
    )
    return claims


def settle(session: Session, results: Sequence[Result]) -> set[int]:
    """Record what became of claims; return the deliveries whose lease still held. The others stay as they are."""
    _count_failures(session, results)
    wanted = {one.claim.delivery_id: one for one in results}
    rows = session.execute(
        select(Delivery.id, Delivery.lease_token, Delivery.state, Delivery.next_attempt_at)
        .where(Delivery.id.in_(wanted))
        .order_by(Delivery.id)
        .with_for_update()
    ).all()
    held = [row for row in rows if row.lease_token == wanted[row.id].claim.token]
    if not held:
        return set()
    session.execute(update(Delivery), [_settled(row, wanted[row.id]) for row in held])
    session.execute(update(Attempt), [_ended(wanted[row.id]) for row in held])
    return {row.id for row in held}


def give_up(session: Session, span: timedelta, now: datetime) -> int:
    """Close what a whole schedule, `span`, could not bring to an endpoint that failed all that time; return how many.

    While the breaker is open only a probe is sent, so a delivery may never come to its last attempt by itself.
    """
    failing = select(Endpoint.id).where(
        Endpoint.failures >= FAILING, Endpoint.failing_since < now - span
    )
    closed = session.execute(
        update(Delivery)
        .where(
            Delivery.endpoint_id.in_(failing),
            Delivery.state == "owed",
            Delivery.owed_since < now - span,
            or_(Delivery.lease_until.is_(None), Delivery.lease_until < now),
        )
        .values(state="dead", lease_token=None, lease_until=None)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()
    _close_lost(session, [row.id for row in closed], now)
    return len(closed)


def next_due(session: Session) -> datetime | None:
    """When the next delivery that nobody holds may be sent; None if nothing is owed."""
    first = (
        select(func.min(Delivery.next_attempt_at).label("at"))
        .where(
            Delivery.endpoint_id == Endpoint.id,
            Delivery.state == "owed",
            Delivery.lease_until.is_(None),
        )
        .correlate(Endpoint)
        .lateral("first")
    )
    due: datetime | None = session.scalar(
        select(func.min(func.greatest(first.c.at, Endpoint.resting_until)))
        .select_from(Endpoint)
        .join(first, true())
        .where(first.c.at.is_not(None))
    )
    return due


def _receivers(session: Session, limit: int, now: datetime) -> dict[int, Receiver]:
    """Lock endpoints that something is due at and that do not rest, those that waited longest first."""
    rows = session.execute(_READY, {"now": now, "turns": limit}).all()
    networks: dict[int, list[Network]] = defaultdict(list)
    for endpoint_id, network in session.execute(
        select(EndpointNetwork.endpoint_id, EndpointNetwork.network).where(
            EndpointNetwork.endpoint_id.in_([row.id for row in rows]),
            EndpointNetwork.revoked_at.is_(None),
        )
    ):
        networks[endpoint_id].append(network)
    return {row.id: _receiver(row, networks[row.id], now) for row in rows}


def _receiver(row: Any, networks: Sequence[Network], now: datetime) -> Receiver:  # noqa: ANN401 - a row
    old = row.old_secret if row.old_secret and row.old_secret_until > now else None
    secrets = (row.secret, old) if old else (row.secret,)
    return Receiver(row.id, row.enterprise_id, row.url, secrets, tuple(networks))


def _count_failures(session: Session, results: Sequence[Result]) -> None:
    """Count each endpoint's failures one after the other; a success ends them, a 410 the endpoint."""
    by_endpoint: dict[int, list[Result]] = defaultdict(list)
    for one in sorted(results, key=lambda x: x.at):
        by_endpoint[one.claim.receiver.endpoint_id].append(one)
    failed = {
        endpoint_id
        for endpoint_id, some in by_endpoint.items()
        if not all(isinstance(one.step, Delivered) for one in some)
    }
    recovering = session.scalars(
        select(Endpoint.id).where(Endpoint.id.in_(by_endpoint), Endpoint.failures > 0)
    )
    # Endpoints before deliveries, as everywhere, and in one order: so nobody waits in a circle.
    for endpoint_id in sorted(failed | set(recovering)):
        _count(session, endpoint_id, by_endpoint[endpoint_id])


def _count(session: Session, endpoint_id: int, results: Sequence[Result]) -> None:
    if any(isinstance(one.step, EndpointGone) for one in results):
        disable(session, endpoint_id, N_("接收系统答复 410：不再接收。"), results[-1].at)
    row = session.execute(
        select(Endpoint.failures, Endpoint.failing_since)
        .where(Endpoint.id == endpoint_id)
        .with_for_update(key_share=True)
    ).one()
    failures, since = row.failures, row.failing_since
    for one in results:
        delivered = isinstance(one.step, Delivered)
        failures = 0 if delivered else failures + 1
        since = None if delivered else since or one.at
    pause = rest(failures)
    session.execute(
        update(Endpoint)
        .where(Endpoint.id == endpoint_id)
        .values(
            failures=failures,
            failing_since=since,
            resting_until=results[-1].at + pause if pause else None,
        )
        .execution_options(synchronize_session=False)
    )


def _settled(row: Any, result: Result) -> dict[str, Any]:  # noqa: ANN401 - a row
    """What a step changes. A failure leaves alone what is no longer owed: it was pulled, or its endpoint disabled."""
    changed = {
        "id": row.id,
        "lease_token": None,
        "lease_until": None,
        "attempts_made": result.claim.number,
        "state": row.state,
        "next_attempt_at": row.next_attempt_at,
        "delivered_at": None,
    }
    match result.step:
        case Delivered():
            return {**changed, "state": "delivered", "delivered_at": result.at}
        case RetryAt(at):
            return {**changed, "next_attempt_at": at}
        case Dead() | EndpointGone():
            return {**changed, "state": "dead" if row.state == "owed" else row.state}


def _ended(result: Result) -> dict[str, Any]:
    outcome = result.outcome
    return {
        "id": result.claim.attempt_id,
        "finished_at": result.at,
        "sends": result.sends,
        "status": outcome.status if isinstance(outcome, Answered) else None,
        "error": outcome.fault.value if isinstance(outcome, Failed) else "",
    }


def _due(delivery: Any) -> tuple[ColumnElement[bool], ...]:  # noqa: ANN401 - entity or alias
    now = bindparam("now", type_=DateTime(timezone=True))
    return (
        delivery.state == "owed",
        delivery.next_attempt_at <= now,
        or_(delivery.lease_until.is_(None), delivery.lease_until < now),
    )


def _ready() -> Select[int, int, str, str, str | None, datetime | None]:
    now = bindparam("now", type_=DateTime(timezone=True))
    waiting, oldest = aliased(Delivery), aliased(Delivery)
    columns = (
        Endpoint.id,
        Endpoint.enterprise_id,
        Endpoint.url,
        Endpoint.secret,
        Endpoint.old_secret,
        Endpoint.old_secret_until,
    )
    longest = (
        select(oldest.next_attempt_at)
        .where(oldest.endpoint_id == Endpoint.id, *_due(oldest))
        .order_by(oldest.next_attempt_at)
        .limit(1)
        .correlate(Endpoint)
        .scalar_subquery()
    )
    return (
        select(*columns)
        .where(
            exists().where(waiting.endpoint_id == Endpoint.id, *_due(waiting)),
            or_(Endpoint.resting_until.is_(None), Endpoint.resting_until <= now),
        )
        .order_by(longest)
        .limit(bindparam("turns"))
        .with_for_update(key_share=True, skip_locked=True)
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
    limit = case((Endpoint.failures >= FAILING, _PROBES), else_=PER_ENDPOINT)
    return (
        select(line.c.id)
        .select_from(Endpoint)
        .join(line, true())
        .where(
            Endpoint.id.in_(bindparam("endpoints", expanding=True)),
            line.c.place + under_way <= limit,
        )
        .order_by(line.c.next_attempt_at, line.c.id)
        .limit(bindparam("turns"))
    )


# Built once: they are asked for every few milliseconds.
_READY = _ready()
_CLAIMABLE = (
    select(
        Delivery.id,
        Delivery.endpoint_id,
        Delivery.event_id,
        Delivery.attempts_made,
        OutboxEvent.body,
    )
    .join(OutboxEvent, OutboxEvent.id == Delivery.event_id)
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
