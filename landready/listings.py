"""The gate's verdicts and the listings in the land supermarket (土地超市) that rest on them (R5, R6)."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from landready.db import Base, Id
from landready.plans import Plot


class GateRule(Base):
    """Which utility blocks a listing. Written from config.toml by the owner role only; the trigger reads it."""

    __tablename__ = "gate_rule"
    utility: Mapped[str] = mapped_column(String(20), primary_key=True)
    effect: Mapped[str] = mapped_column(String(10))
    source: Mapped[str] = mapped_column(String(300))
    since: Mapped[date] = mapped_column(Date)
    version: Mapped[str] = mapped_column(String(40))
    horizon_days: Mapped[int]
    __table_args__ = (CheckConstraint("effect in ('block','warn')", name="effect"),)


class Verdict(Base):
    """What the gate said of one plot revision at one moment, with the facts it rested on."""

    __tablename__ = "verdict"
    id: Mapped[Id]
    plot_id: Mapped[int] = mapped_column(ForeignKey("plot.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    plot_revision: Mapped[int]
    ready: Mapped[bool]
    blockers: Mapped[list[Any]]
    warnings: Mapped[list[Any]]
    inputs: Mapped[dict[str, Any]]
    rule_version: Mapped[str] = mapped_column(String(40))
    evaluated_at: Mapped[datetime]
    valid_until: Mapped[datetime]


class Listing(Base):
    """A plot offered for trading. Exists only with a positive verdict; the database refuses any other."""

    __tablename__ = "listing"
    id: Mapped[Id]
    plot_id: Mapped[int] = mapped_column(ForeignKey("plot.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    city: Mapped[str] = mapped_column(String(6), index=True)
    verdict_id: Mapped[int] = mapped_column(ForeignKey("verdict.id"))
    state: Mapped[str] = mapped_column(String(20), default="listed")
    state_reason: Mapped[str] = mapped_column(String(500), default="")
    listed_at: Mapped[datetime]
    listed_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    changed_at: Mapped[datetime]
    plot: Mapped[Plot] = relationship()
    verdict: Mapped[Verdict] = relationship()
    __table_args__ = (
        CheckConstraint("state in ('listed','suspended','withdrawn','sold')", name="state"),
        # A plot is offered once at a time.
        Index(
            "uq_listing_open",
            "plot_id",
            unique=True,
            postgresql_where=text("state in ('listed','suspended')"),
        ),
    )
