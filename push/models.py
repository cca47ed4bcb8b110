"""Where to deliver, what is owed there, every attempt that was made, and how far each enterprise has come."""

import uuid
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    exists,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, CIDR
from sqlalchemy.orm import Mapped, mapped_column

from landready import tenancy
from landready.db import Actor, Base, Id, Role


class Endpoint(Base):
    """A system of an enterprise, or the trading platform's, that receives signed webhooks. One receiver may have several."""

    __tablename__ = "endpoint"
    id: Mapped[Id]
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    url: Mapped[str] = mapped_column(String(500))
    # Sealed by push.vault; whsec_… is shown once to the enterprise. While it is being changed the old one signs too.
    secret: Mapped[str] = mapped_column(Text)
    old_secret: Mapped[str | None] = mapped_column(Text)
    old_secret_until: Mapped[datetime | None]
    # The circuit breaker: failures one after the other since the last success, and until when nothing is sent.
    failures: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None]
    resting_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str] = mapped_column(String(300), default="")


class EndpointNetwork(Base):
    """A private subnet that an administrator lets one endpoint lie in. Without one only public addresses are connected to."""

    __tablename__ = "endpoint_network"
    id: Mapped[Id]
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoint.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    network: Mapped[IPv4Network | IPv6Network] = mapped_column(CIDR)
    approved_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    approved_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Journal(Base):
    """How many numbered events an enterprise has, and how many of them it says, or has proven, to have.

    `last_number` is written by the database alone, when events are committed (migration 0005).
    """

    __tablename__ = "journal"
    enterprise_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("organisation.id"), primary_key=True, autoincrement=False
    )
    last_number: Mapped[int] = mapped_column(BigInteger)
    acknowledged_number: Mapped[int] = mapped_column(BigInteger)
    acknowledged_at: Mapped[datetime | None]
    # Up to here the enterprise named the right hash over the ids of everything since 1.
    proven_number: Mapped[int] = mapped_column(BigInteger)
    proven_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint(
            "0 <= proven_number and proven_number <= acknowledged_number"
            " and acknowledged_number <= last_number",
            name="order",
        ),
    )


class Delivery(Base):
    """One event owed to one endpoint, paid once: unique (endpoint, event).

    `owed`, `delivered`, `dead` (given up, a person must act) or `pulled` (the enterprise fetched and acknowledged it).
    """

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
    # Since when the present schedule runs: the event's fan-out, or the last time it was sent again.
    owed_since: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    # Fencing: a late worker whose lease was taken over may not write its result.
    lease_token: Mapped[uuid.UUID | None]
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        CheckConstraint("state in ('owed','delivered','dead','pulled')", name="state"),
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
    # 2 when the connection was refused at once and tried a second time.
    sends: Mapped[int] = mapped_column(SmallInteger, default=1)


class ChannelWish(Base):
    """What an enterprise wishes: one channel, and others beside it only where it asks for them."""

    __tablename__ = "channel_wish"
    enterprise_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("organisation.id"), primary_key=True, autoincrement=False
    )
    channel: Mapped[str] = mapped_column(String(10))
    also: Mapped[list[str]] = mapped_column(ARRAY(String(10)))
    changed_at: Mapped[datetime]
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (
        CheckConstraint(
            "channel in ('webhook','email','sms','wechat','pull','portal')", name="channel"
        ),
    )


def _endpoint_seen(actor: Actor, model: type[Endpoint | EndpointNetwork]) -> ColumnElement[bool]:
    if actor.role is Role.ADMIN:
        return true()
    return tenancy.mine(actor, Role.ENTERPRISE, model.enterprise_id)


def _attempt_rule(actor: Actor) -> ColumnElement[bool]:
    delivery = Delivery.__table__.alias()
    seen: ColumnElement[bool] = exists().where(
        delivery.c.id == Attempt.delivery_id, tenancy.of_office_or_enterprise(actor, delivery.c)
    )
    return seen


def _rules(actor: Actor) -> tenancy.Rules:
    return {
        Endpoint: _endpoint_seen(actor, Endpoint),
        EndpointNetwork: _endpoint_seen(actor, EndpointNetwork),
        ChannelWish: tenancy.mine(actor, Role.ENTERPRISE, ChannelWish.enterprise_id),
        Journal: tenancy.mine(actor, Role.ENTERPRISE, Journal.enterprise_id),
        Delivery: tenancy.of_office_or_enterprise(actor, Delivery),
        Attempt: _attempt_rule(actor),
    }


tenancy.register(_rules)
