"""Pushes: a plan or a project owed to one enterprise, with the clock of its answer (R2, R8)."""

import uuid
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Date, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from landready.db import Base, Id
from landready.organisations import Organisation
from landready.permits import Permit
from landready.plans import Plot, SupplyPlan


class PushState(StrEnum):
    """What the planner sees of a push; computed from its dates, never stored."""

    SENT = "sent"
    OPENED = "opened"
    ANSWERED = "answered"
    LATE = "late"


class Push(Base):
    """One plan or one project owed to one enterprise. The row itself is the portal's inbox entry."""

    __tablename__ = "push"
    id: Mapped[Id]
    # The name of this push towards the outside: webhook-id and API.
    uid: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4, unique=True)
    kind: Mapped[str] = mapped_column(String(10))
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    plan_id: Mapped[int | None] = mapped_column(ForeignKey("supply_plan.id"), index=True)
    permit_id: Mapped[int | None] = mapped_column(ForeignKey("permit.id"), index=True)
    pushed_at: Mapped[datetime]
    due_on: Mapped[date] = mapped_column(Date)
    # The due date crosses into a year whose holidays are not announced yet.
    due_provisional: Mapped[bool] = mapped_column(default=False)
    # Until when it should have been opened; plans only.
    acknowledge_by: Mapped[date | None] = mapped_column(Date)
    opened_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    enterprise: Mapped[Organisation] = relationship(foreign_keys=[enterprise_id], lazy="joined")
    office: Mapped[Organisation] = relationship(foreign_keys=[office_id], lazy="joined")
    plan: Mapped[SupplyPlan | None] = relationship()
    permit: Mapped[Permit | None] = relationship()
    plots: Mapped[list["PushPlot"]] = relationship(cascade="all, delete-orphan")
    __table_args__ = (
        CheckConstraint("(kind = 'plan') = (plan_id is not null)", name="plan"),
        CheckConstraint("(kind = 'project') = (permit_id is not null)", name="permit"),
        UniqueConstraint("enterprise_id", "plan_id"),
        UniqueConstraint("enterprise_id", "permit_id"),
    )

    def state(self, today: date) -> PushState:
        """Return where this push stands on `today`; late only while an answer is still owed."""
        if self.answered_at:
            return PushState.ANSWERED
        if today > self.due_on:
            return PushState.LATE
        return PushState.OPENED if self.opened_at else PushState.SENT


class PushPlot(Base):
    """A plot that one push asks about, for one utility of the enterprise."""

    __tablename__ = "push_plot"
    id: Mapped[Id]
    push_id: Mapped[int] = mapped_column(ForeignKey("push.id", ondelete="CASCADE"), index=True)
    plot_id: Mapped[int] = mapped_column(ForeignKey("plot.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    utility: Mapped[str] = mapped_column(String(20))
    plot: Mapped[Plot] = relationship()
    push: Mapped[Push] = relationship(back_populates="plots")
    __table_args__ = (UniqueConstraint("push_id", "plot_id", "utility"),)
