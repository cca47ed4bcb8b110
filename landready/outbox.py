"""The outbox: what must be told to the outside, written in the transaction of the fact itself."""

import hashlib
import json
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from landready.db import Base, as_engine


class OutboxEvent(Base):
    """One message to one receiver, an enterprise or a trading platform. `body` is frozen at the commit: the bytes stored are the bytes signed and sent.

    At the commit the database gives it the enterprise's next number and writes that into the body (migration 0005): numbers
    have no gaps, and who sees one has seen or can see every smaller one. Only `endpoint.test` has none.
    """

    __tablename__ = "outbox_event"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    push_id: Mapped[int | None] = mapped_column(ForeignKey("push.id"), index=True)
    type: Mapped[str] = mapped_column(String(40))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    body_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    number: Mapped[int | None] = mapped_column(BigInteger)
    # Set by push once a delivery exists for each endpoint concerned.
    fanned_out_at: Mapped[datetime | None]
    __table_args__ = (
        Index(
            "ix_outbox_event_waiting", "created_at", postgresql_where=text("fanned_out_at is null")
        ),
        Index(
            "ix_outbox_event_unnumbered", "enterprise_id", postgresql_where=text("number is null")
        ),
        Index("uq_outbox_event_number", "enterprise_id", "number", unique=True),
    )


def record(
    session: Session,
    *,
    enterprise_id: int,
    office_id: int,
    push_id: int | None,
    type_: str,
    data: dict[str, Any],
    now: datetime,
) -> uuid.UUID:
    """Write one event for one receiver in the caller's transaction and return its id (the webhook-id).

    Its number is known after the commit only.
    """
    event_id = uuid.uuid4()
    body = body_of(event_id, type_, data, now)
    with as_engine(session):
        session.add(
            OutboxEvent(
                id=event_id,
                enterprise_id=enterprise_id,
                office_id=office_id,
                push_id=push_id,
                type=type_,
                body=body,
                body_sha256=hashlib.sha256(body).hexdigest(),
                created_at=now,
            )
        )
    session.info["told"] = True  # whoever commits rings push's doorbell afterwards
    return event_id


def body_of(
    event_id: uuid.UUID, type_: str, data: dict[str, Any], now: datetime, number: int | None = None
) -> bytes:
    """Return the bytes of an event. The product leaves the number to the database, which writes it in as here (migration 0005)."""
    envelope = {"id": str(event_id), "type": type_, "timestamp": now.isoformat(), "data": data}
    text = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if number is not None:
        text = f'{{"number":{number},{text[1:]}'
    return text.encode()
