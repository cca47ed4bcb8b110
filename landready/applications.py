"""Joint applications (联合报装申请): seeded from a permit, confirmed by the owner, tracked item by item (R9, R14)."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from landready.db import Base, Id
from landready.organisations import Organisation
from landready.permits import Permit


class Application(Base):
    """The one application of a project. Draft until the owner submits it."""

    __tablename__ = "application"
    id: Mapped[Id]
    permit_id: Mapped[int] = mapped_column(ForeignKey("permit.id"), unique=True)
    plot_id: Mapped[int | None] = mapped_column(ForeignKey("plot.id"), index=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    city: Mapped[str] = mapped_column(String(6))
    state: Mapped[str] = mapped_column(String(20), default="draft")
    seeded_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    submitted_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    permit: Mapped[Permit] = relationship(lazy="joined")
    owner: Mapped[Organisation] = relationship(foreign_keys=[owner_id], lazy="joined")
    fields: Mapped[list["ApplicationField"]] = relationship(order_by="ApplicationField.id")
    items: Mapped[list["Item"]] = relationship(order_by="(Item.annex_no, Item.id)")
    __table_args__ = (
        CheckConstraint("state in ('draft','submitted')", name="state"),
        CheckConstraint("(state = 'submitted') = (submitted_at is not null)", name="submitted"),
    )


class ApplicationField(Base):
    """One value of the form with where it came from. A correction stands beside the original, never over it."""

    __tablename__ = "application_field"
    id: Mapped[Id]
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    value: Mapped[str] = mapped_column(Text)
    # permit, plot, answer or registry, and which record of it.
    source: Mapped[str] = mapped_column(String(20))
    source_ref: Mapped[str] = mapped_column(String(120), default="")
    source_at: Mapped[datetime | None]
    corrected: Mapped[str | None] = mapped_column(Text)
    corrected_at: Mapped[datetime | None]
    corrected_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (UniqueConstraint("application_id", "name"),)


class Item(Base):
    """One item (事项) of annex 2 that the application needs, handled by one enterprise or department."""

    __tablename__ = "item"
    id: Mapped[Id]
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    annex_no: Mapped[int] = mapped_column(SmallInteger)
    utility: Mapped[str] = mapped_column(String(20), default="")
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    assignee_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    # Why it is needed: the connection itself, or the words of the owner or officer who added it.
    reason: Mapped[str] = mapped_column(String(300), default="")
    # What of the computed connection lines the product proposed it for (landready.proposed_items.Basis); empty: people added it.
    basis: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'::jsonb"))
    # National status code BLZT (landready/data/approval_status_codes.csv); empty until submitted.
    state: Mapped[int | None] = mapped_column(SmallInteger)
    state_at: Mapped[datetime | None]
    # With external works the first design is due ten working days after submission: 五(十)1.
    external_works: Mapped[bool] = mapped_column(default=False)
    first_design_due: Mapped[date | None] = mapped_column(Date)
    due_provisional: Mapped[bool] = mapped_column(default=False)
    first_design_at: Mapped[datetime | None]
    first_design_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    assignee: Mapped[Organisation] = relationship(foreign_keys=[assignee_id], lazy="joined")
    application: Mapped[Application] = relationship(back_populates="items")
    moves: Mapped[list["ItemMove"]] = relationship(order_by="ItemMove.id")
    __table_args__ = (
        UniqueConstraint("application_id", "annex_no", "assignee_id"),
        CheckConstraint("annex_no between 1 and 11", name="annex_no"),
        CheckConstraint("state between 1 and 15", name="state"),
    )


class ItemMove(Base):
    """One step of an item; the owner sees every one at once."""

    __tablename__ = "item_move"
    id: Mapped[Id]
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), index=True)
    from_state: Mapped[int | None] = mapped_column(SmallInteger)
    to_state: Mapped[int] = mapped_column(SmallInteger)
    note: Mapped[str] = mapped_column(Text, default="")
    moved_at: Mapped[datetime]
    moved_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    mover_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    mover: Mapped[Organisation | None] = relationship()
