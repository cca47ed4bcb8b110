"""Send again: one event, all since a number or all since a moment, by the enterprise or by the office that pushed.

What is sent again has the same id and bytes, so a receiver that has it knows it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, literal, or_, select
from sqlalchemy.dialects.postgresql import insert

from geo.problems import N_
from landready.db import Role, Session, actor_of, as_engine
from landready.errors import Conflict, NotAllowed, NotFound
from landready.outbox import OutboxEvent
from push.channels import preferred
from push.models import Delivery, Endpoint


@dataclass(frozen=True, slots=True)
class One:
    """The event with this number."""

    number: int


@dataclass(frozen=True, slots=True)
class After:
    """Every event with a greater number; 0: all."""

    number: int


@dataclass(frozen=True, slots=True)
class Since:
    """Every event of this moment or later."""

    moment: datetime


Wanted = One | After | Since


def replay(session: Session, enterprise_id: int, wanted: Wanted, now: datetime) -> int:
    """Owe events anew on the channel the enterprise is told on, from the start of the schedule; return how many deliveries.

    An office sends again what came from itself; what is being sent at this moment is left alone. Also reaches endpoints that
    were added after an event.

    Raises:
        NotAllowed: the asker is neither this enterprise nor an office.
        NotFound: there is no such event (of the asker's).
        Conflict: the enterprise has no enabled endpoint; it can pull.
    """
    actor = actor_of(session)
    conditions: list[ColumnElement[bool]] = [
        OutboxEvent.enterprise_id == enterprise_id,
        _meant(wanted),
    ]
    if actor.role is Role.OFFICE:
        conditions.append(OutboxEvent.office_id == actor.organisation_id)
    elif actor.role is not Role.ENTERPRISE or actor.organisation_id != enterprise_id:
        raise NotAllowed
    with as_engine(session):
        if not session.scalar(select(select(OutboxEvent.id).where(*conditions).exists())):
            raise NotFound
        # The endpoints first, as in fan-out: nothing may become owed to one that is being disabled.
        enabled = session.scalars(
            select(Endpoint)
            .where(Endpoint.enterprise_id == enterprise_id, Endpoint.disabled_at.is_(None))
            .order_by(Endpoint.id)
            .with_for_update(read=True)
        ).all()
        endpoints = [one.id for one in preferred(session, enabled)]
        if not endpoints:
            raise Conflict(N_("没有在用的接收系统；可以用接口拉取。"))
        owed = _owe(session, endpoints, conditions, now)
    session.info["told"] = True
    return owed


def _meant(wanted: Wanted) -> ColumnElement[bool]:
    match wanted:
        case One(number):
            return OutboxEvent.number == number
        case After(number):
            return OutboxEvent.number > number
        case Since(moment):
            return (OutboxEvent.created_at >= moment) & OutboxEvent.number.is_not(None)


def _owe(
    session: Session,
    endpoints: Sequence[int],
    conditions: Sequence[ColumnElement[bool]],
    now: datetime,
) -> int:
    anew = {"state": "owed", "attempts_made": 0, "owed_since": now, "next_attempt_at": now}
    columns = ("event_id", "enterprise_id", "office_id", "push_id", "endpoint_id", "created_at")
    events = (
        select(
            OutboxEvent.id,
            OutboxEvent.enterprise_id,
            OutboxEvent.office_id,
            OutboxEvent.push_id,
            Endpoint.id,
            literal(now),
            *(literal(value) for value in anew.values()),
        )
        .join(Endpoint, Endpoint.enterprise_id == OutboxEvent.enterprise_id)
        .where(Endpoint.id.in_(endpoints), *conditions)
        .order_by(OutboxEvent.number)
    )
    statement = insert(Delivery).from_select([*columns, *anew], events)
    rows = session.execute(
        statement.on_conflict_do_update(
            index_elements=[Delivery.endpoint_id, Delivery.event_id],
            set_={**anew, "delivered_at": None},
            where=or_(Delivery.lease_until.is_(None), Delivery.lease_until <= now),
        ).returning(Delivery.id)
    )
    return len(rows.all())
