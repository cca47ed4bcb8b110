"""The journal of one enterprise: everything it was ever told, by number without gaps; pulled, acknowledged, compared.

Numbers are given when a transaction commits, under the journal's lock (migration 0005): whoever has read up to N and asks
for what comes after N misses nothing, whatever is still under way elsewhere.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, cast, func, literal, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by

from geo.problems import N_, Problem
from landready.db import Role, Session, actor_of, as_engine
from landready.errors import Conflict, Invalid, NotAllowed
from landready.outbox import OutboxEvent
from push.models import Delivery, Journal

# One answer of the pull API holds no more than this many bytes of bodies, but always one event.
_BYTES_AT_ONCE = 8_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it was signed and sent: `body` is exact, `sha256` is its hash in hex."""

    number: int
    id: str
    type: str
    created_at: datetime
    sha256: str
    body: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an enterprise is: numbers of the last event, of the last acknowledged and of the last proven one (0: none)."""

    last: int
    acknowledged: int
    acknowledged_at: datetime | None
    proven: int
    proven_at: datetime | None


@dataclass(frozen=True, slots=True)
class Range:
    """What lies between two numbers, both included: `ids_sha256` is the hex SHA-256 over each id and a line feed, in order."""

    first: int
    last: int
    count: int
    ids_sha256: str


def standing(session: Session) -> Standing:
    """Return how far the asker's enterprise is.

    Raises:
        NotAllowed: the asker is no enterprise.
    """
    _enterprise(session)
    row = session.scalar(select(Journal).where(Journal.enterprise_id == _enterprise(session)))
    if row is None:
        return Standing(0, 0, None, 0, None)
    return Standing(
        row.last_number,
        row.acknowledged_number,
        row.acknowledged_at,
        row.proven_number,
        row.proven_at,
    )


def entries(session: Session, after: int, limit: int) -> Sequence[Entry]:
    """Return up to `limit` events of the asker's enterprise with a number above `after`, in order.

    Raises:
        NotAllowed: the asker is no enterprise.
    """
    sizes = session.execute(
        select(OutboxEvent.number, func.length(OutboxEvent.body))
        .where(OutboxEvent.enterprise_id == _enterprise(session), OutboxEvent.number > after)
        .order_by(OutboxEvent.number)
        .limit(limit)
    ).all()
    numbers: list[int | None] = []
    size = 0
    for number, length in sizes:
        size += length
        if numbers and size > _BYTES_AT_ONCE:
            break
        numbers.append(number)
    found = session.scalars(
        select(OutboxEvent)
        .where(OutboxEvent.enterprise_id == _enterprise(session), OutboxEvent.number.in_(numbers))
        .order_by(OutboxEvent.number)
    )
    return [
        Entry(x.number or 0, str(x.id), x.type, x.created_at, x.body_sha256, x.body.decode())
        for x in found
    ]


def acknowledge(session: Session, number: int, ids_sha256: str | None, now: datetime) -> Standing:
    """Note that the enterprise has everything up to `number`; what webhooks still owed of it is settled with that.

    With `ids_sha256`, the hash over the ids of 1 to `number`, it is proven and not only said. A number below the one
    acknowledged before changes nothing, so repeating is safe.

    Raises:
        NotAllowed: the asker is no enterprise.
        Invalid: there is no such number yet.
        Conflict: the hash is another; nothing is noted. Compare ranges (`reconcile`) to find what is missing.
    """
    enterprise_id = _enterprise(session)
    # Deliveries before the journal, which every commit of an event wants: so nobody waits in a circle.
    now_at = standing(session)
    if number > now_at.last:
        raise unknown_number(number, now_at.last)
    if ids_sha256 is not None:
        ours = reconcile(session, 1, number)
        if ours.ids_sha256 != ids_sha256.lower():
            raise Conflict(
                N_("编号 1 至 {number} 的标识摘要不一致，没有记为已收到；本系统共 {count} 条。"),
                number=number,
                count=ours.count,
            )
    _settle_deliveries(session, enterprise_id, number, now)
    session.execute(
        update(Journal)
        .where(Journal.enterprise_id == enterprise_id, Journal.acknowledged_number < number)
        .values(acknowledged_number=number, acknowledged_at=now)
        .execution_options(synchronize_session=False)
    )
    if ids_sha256 is not None:
        session.execute(
            update(Journal)
            .where(Journal.enterprise_id == enterprise_id, Journal.proven_number < number)
            .values(proven_number=number, proven_at=now)
            .execution_options(synchronize_session=False)
        )
    session.expire_all()
    return standing(session)


def unknown_number(number: int, last: int) -> Invalid:
    """Return the refusal of a number that no event has yet."""
    text = N_("编号 {number} 还不存在，目前最大编号是 {last}。")
    params = {"number": number, "last": last}
    return Invalid((Problem("number_unknown", "error", text, params, where="number"),))


def reconcile(session: Session, first: int, last: int) -> Range:
    """Return count and hash of what lies between two numbers, for the asker's enterprise to compare with its own.

    Raises:
        NotAllowed: the asker is no enterprise.
        Invalid: `first` lies after `last`.
    """
    if first > last + 1:
        text = N_("起始编号不能大于截止编号。")
        raise Invalid((Problem("range_empty", "error", text, where="from"),))
    lines = cast(OutboxEvent.id, Text).concat("\n")
    joined = func.string_agg(lines, aggregate_order_by(literal(""), OutboxEvent.number))
    count, hashed = session.execute(
        select(
            func.count(),
            func.encode(func.sha256(func.convert_to(joined, "UTF8")), "hex"),
        ).where(
            OutboxEvent.enterprise_id == _enterprise(session),
            OutboxEvent.number.between(first, last),
        )
    ).one()
    return Range(first, last, count, hashed or hashlib.sha256(b"").hexdigest())


def _settle_deliveries(session: Session, enterprise_id: int, number: int, now: datetime) -> None:
    """Close what webhooks owe of events that the enterprise has; what is being sent right now ends as it ends."""
    taken = select(OutboxEvent.id).where(
        OutboxEvent.enterprise_id == enterprise_id, OutboxEvent.number <= number
    )
    with as_engine(session):
        session.execute(
            update(Delivery)
            .where(
                Delivery.event_id.in_(taken),
                Delivery.enterprise_id == enterprise_id,
                Delivery.state.in_(("owed", "dead")),
                (Delivery.lease_until.is_(None) | (Delivery.lease_until < now)),
            )
            .values(state="pulled")
            .execution_options(synchronize_session=False)
        )


def _enterprise(session: Session) -> int:
    actor = actor_of(session)
    if actor.role is not Role.ENTERPRISE or actor.organisation_id is None:
        raise NotAllowed
    return actor.organisation_id
