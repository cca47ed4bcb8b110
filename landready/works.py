"""Works (建设工程) and the commitments (承诺) that rest on them: what an enterprise builds for which plots, and by when (R4).

An answer "ready by D" is a promise. The first day promised stays with it through every correction; what is done is done with
evidence only, and the database refuses it without.
"""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from geo.problems import N_
from landready.answers import Attachment
from landready.db import Base, Id
from landready.organisations import Organisation
from landready.plans import Plot

# The milestone that every works has: its plots can be connected.
COMPLETION = N_("完工，具备接入条件")
TITLE, MILESTONE, FACILITY, DOCUMENT, REASON = 200, 100, 200, 100, 500


class CommitmentState(StrEnum):
    """What became of a promise."""

    OPEN = "open"
    KEPT = "kept"  # the works were completed, with evidence
    SUPERSEDED = "superseded"  # another version of the answer promises in its stead
    UNPROVEN = "unproven"  # the answer now says "ready" and nothing proves it
    WITHDRAWN = "withdrawn"  # the enterprise took it back


class Works(Base):
    """One works project of an enterprise for plots of one office and utility. Its end is the day of its last milestone."""

    __tablename__ = "works"
    id: Mapped[Id]
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    utility: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(TITLE))
    # The name of the own facility that is extended or connected to.
    facility: Mapped[str] = mapped_column(String(FACILITY), default="")
    starts_on: Mapped[date] = mapped_column(Date)
    made_at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    enterprise: Mapped[Organisation] = relationship(foreign_keys=[enterprise_id], lazy="joined")
    office: Mapped[Organisation] = relationship(foreign_keys=[office_id])
    milestones: Mapped[list["Milestone"]] = relationship(
        back_populates="works", order_by="(Milestone.planned_on, Milestone.id)"
    )
    commitments: Mapped[list["Commitment"]] = relationship(
        back_populates="works", order_by="Commitment.id"
    )
    __table_args__ = (CheckConstraint("title <> ''", name="title"),)

    @property
    def completion(self) -> "Milestone":
        return next(m for m in self.milestones if m.completes)

    @property
    def ends_on(self) -> date:
        return self.completion.planned_on

    @property
    def current(self) -> list["Commitment"]:
        """The promises that count: those that no later version of their answer has replaced."""
        return [c for c in self.commitments if c.state != CommitmentState.SUPERSEDED]


class Milestone(Base):
    """A step of works with its planned day; done with evidence: a file, or a document's number and date."""

    __tablename__ = "milestone"
    id: Mapped[Id]
    works_id: Mapped[int] = mapped_column(ForeignKey("works.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    title: Mapped[str] = mapped_column(String(MILESTONE))
    planned_on: Mapped[date] = mapped_column(Date)
    completes: Mapped[bool] = mapped_column(default=False)
    done_on: Mapped[date | None] = mapped_column(Date)
    done_at: Mapped[datetime | None]
    done_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    attachment_id: Mapped[int | None] = mapped_column(ForeignKey("attachment.id"))
    document_no: Mapped[str] = mapped_column(String(DOCUMENT), default="")
    document_on: Mapped[date | None] = mapped_column(Date)
    works: Mapped[Works] = relationship(back_populates="milestones")
    attachment: Mapped[Attachment | None] = relationship()
    __table_args__ = (
        CheckConstraint("title <> ''", name="title"),
        CheckConstraint(
            "done_on is null or attachment_id is not null"
            " or (document_no <> '' and document_on is not null)",
            name="evidence",
        ),
        CheckConstraint("(done_on is null) = (done_at is null)", name="done"),
        Index(
            "uq_milestone_completes", "works_id", unique=True, postgresql_where=text("completes")
        ),
    )


class Commitment(Base):
    """One version of a promise: that a plot will be ready for a utility by `due_on`; `first_on` is the day first promised."""

    __tablename__ = "commitment"
    id: Mapped[Id]
    answer_id: Mapped[int] = mapped_column(ForeignKey("answer.id"))
    works_id: Mapped[int] = mapped_column(ForeignKey("works.id"), index=True)
    plot_id: Mapped[int] = mapped_column(ForeignKey("plot.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    utility: Mapped[str] = mapped_column(String(20))
    first_on: Mapped[date] = mapped_column(Date)
    due_on: Mapped[date] = mapped_column(Date)
    # Why the date was moved, where it was.
    reason: Mapped[str] = mapped_column(String(REASON), default="")
    made_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(12), default=CommitmentState.OPEN)
    closed_at: Mapped[datetime | None]
    done_on: Mapped[date | None] = mapped_column(Date)
    works: Mapped[Works] = relationship(back_populates="commitments")
    plot: Mapped[Plot] = relationship()
    __table_args__ = (
        UniqueConstraint("answer_id"),
        CheckConstraint(
            "state in ('open','kept','superseded','unproven','withdrawn')", name="state"
        ),
        CheckConstraint("(state = 'kept') = (done_on is not null)", name="done"),
        CheckConstraint("(state = 'open') = (closed_at is null)", name="closed"),
        # A plot has one promise of an enterprise at a time.
        Index(
            "uq_commitment_open",
            "plot_id",
            "enterprise_id",
            "utility",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
    )
