"""Where to deliver, what is owed there, and every attempt that was made."""

import uuid
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    exists,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from landready import tenancy
from landready.db import Actor, Base, Id, Role


class Endpoint(Base):
    """A system of an enterprise that receives signed webhooks. One enterprise may have several."""

    __tablename__ = "endpoint"
    id: Mapped[Id]
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    url: Mapped[str] = mapped_column(String(500))
    # whsec_…; shown once to the enterprise.
    secret: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str] = mapped_column(String(300), default="")


class Delivery(Base):
    """One event owed to one endpoint, paid once: unique (endpoint, event)."""

    __tablename__ = "delivery"
    id: Mapped[Id]
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoint.id"))
    event_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("outbox_event.id"))
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    push_id: Mapped[int | None] = mapped_column(ForeignKey("push.id"), index=True)
    state: Mapped[str] = mapped_column(String(10), default="owed")
    # Of the present schedule; an attempt whose outcome was lost with its worker does not count.
    attempts_made: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    # Fencing: a late worker whose lease was taken over may not write its result.
    lease_token: Mapped[uuid.UUID | None]
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        CheckConstraint("state in ('owed','delivered','dead')", name="state"),
        Index("ix_delivery_due", "next_attempt_at", postgresql_where=text("state = 'owed'")),
        # What is due at one endpoint, and how much of it is being sent: so that one does not crowd out the others.
        Index(
            "ix_delivery_turn",
            "endpoint_id",
            "next_attempt_at",
            "id",
            postgresql_where=text("state = 'owed'"),
        ),
        Index(
            "ix_delivery_leased", "endpoint_id", postgresql_where=text("lease_until is not null")
        ),
    )


class Attempt(Base):
    """One try: the row is written before the send, its result after."""

    __tablename__ = "attempt"
    id: Mapped[Id]
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    number: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    # What the receiver answered; else `error` is a push.transport.Fault.
    status: Mapped[int | None]
    error: Mapped[str] = mapped_column(Text, default="")


def _endpoint_rule(actor: Actor) -> ColumnElement[bool]:
    if actor.role is Role.ADMIN:
        return true()
    return tenancy.mine(actor, Role.ENTERPRISE, Endpoint.enterprise_id)


def _attempt_rule(actor: Actor) -> ColumnElement[bool]:
    delivery = Delivery.__table__.alias()
    seen: ColumnElement[bool] = exists().where(
        delivery.c.id == Attempt.delivery_id,
        tenancy.of_office_or_enterprise(delivery.c)(actor),
    )
    return seen


tenancy.register(Endpoint, _endpoint_rule)
tenancy.register(Delivery, tenancy.of_office_or_enterprise(Delivery))
tenancy.register(Attempt, _attempt_rule)
