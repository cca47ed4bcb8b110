"""How much of what an office pushed each enterprise's own system has, without a word of any other office's pushes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from landready.db import Role, Session, actor_of, as_engine
from landready.errors import NotAllowed
from landready.organisations import Organisation
from landready.outbox import OutboxEvent
from push.models import Delivery, Endpoint, Journal


@dataclass(frozen=True, slots=True)
class Completeness:
    """One enterprise: `events` of the office, the last with number `last`; `acknowledged` of them the enterprise has confirmed.

    `delivered` and `owed` count events at one or several systems. `proven`: up to this number the enterprise named the right
    hash; 0 where it never did. `failing_since`: no system of it takes anything since then.
    """

    enterprise_id: int
    enterprise: str
    events: int
    last: int
    acknowledged: int
    delivered: int
    owed: int
    proven: int
    systems: int
    failing_since: datetime | None


def by_enterprise(session: Session) -> Sequence[Completeness]:
    """Return every enterprise that the asker's office ever pushed something to, by name.

    Raises:
        NotAllowed: the asker is no office.
    """
    actor = actor_of(session)
    if actor.role is not Role.OFFICE:
        raise NotAllowed
    with as_engine(session):
        systems = {
            enterprise_id: (count, failing)
            for enterprise_id, count, failing in session.execute(
                select(Endpoint.enterprise_id, func.count(), func.min(Endpoint.failing_since))
                .where(Endpoint.disabled_at.is_(None))
                .group_by(Endpoint.enterprise_id)
            )
        }
        states = {
            (enterprise_id, state): count
            for enterprise_id, state, count in session.execute(
                select(
                    Delivery.enterprise_id,
                    Delivery.state,
                    func.count(Delivery.event_id.distinct()),
                )
                .where(Delivery.office_id == actor.organisation_id)
                .group_by(Delivery.enterprise_id, Delivery.state)
            )
        }
        acknowledged = func.count().filter(OutboxEvent.number <= Journal.acknowledged_number)
        rows = session.execute(
            select(
                OutboxEvent.enterprise_id,
                Organisation.name,
                func.count(),
                func.max(OutboxEvent.number),
                acknowledged,
                func.max(Journal.proven_number),
            )
            .join(Organisation, Organisation.id == OutboxEvent.enterprise_id)
            .join(Journal, Journal.enterprise_id == OutboxEvent.enterprise_id)
            .where(OutboxEvent.office_id == actor.organisation_id, OutboxEvent.number.is_not(None))
            .group_by(OutboxEvent.enterprise_id, Organisation.name)
            .order_by(Organisation.name, OutboxEvent.enterprise_id)
        ).all()
    return [
        Completeness(
            enterprise_id=enterprise_id,
            enterprise=name,
            events=events,
            last=last or 0,
            acknowledged=confirmed,
            delivered=states.get((enterprise_id, "delivered"), 0),
            owed=states.get((enterprise_id, "owed"), 0),
            proven=proven,
            systems=systems.get(enterprise_id, (0, None))[0],
            failing_since=systems.get(enterprise_id, (0, None))[1],
        )
        for enterprise_id, name, events, last, confirmed, proven in rows
    ]
