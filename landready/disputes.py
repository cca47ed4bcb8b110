"""Disputes (异议): somebody challenges one version of an answer; what is said about it is history, and so is the decision.

A dispute opens and shuts no gate: a claim of one side must neither list a plot nor take it off the market. Only a new version
of the answer, or its lapse, changes readiness.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from geoalchemy2 import Geometry, WKBElement
from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Select,
    String,
    Text,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship, selectinload

from landready.answers import Answer
from landready.db import Base, Id, Role, actor_of, as_engine
from landready.errors import NotFound
from landready.organisations import Organisation
from landready.plans import Plot

# Rows of a list that a person reads at once.
MOST = 200
# A plot, a utility and the enterprise that answered.
Answered = tuple[int, str, int]


class DisputeState(StrEnum):
    """Where a dispute stands; the database moves it with each step, and a decided one stays."""

    OPEN = "open"
    ANSWERED = "answered"
    DECIDED = "decided"


class Step(StrEnum):
    """What the enterprise and those who decide may say of a dispute."""

    UPHELD = "upheld"
    CORRECTED = "corrected"
    SUSTAINED = "sustained"
    REJECTED = "rejected"
    SETTLED = "settled"


DECISIONS = (Step.SUSTAINED, Step.REJECTED, Step.SETTLED)


class Dispute(Base):
    """One challenge of one answer version. `mark` is a point or line in EPSG:4490, where the challenger says it is."""

    __tablename__ = "dispute"
    id: Mapped[Id]
    # The name of this dispute towards the outside.
    uid: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4, unique=True)
    answer_id: Mapped[int] = mapped_column(ForeignKey("answer.id"), index=True)
    push_id: Mapped[int] = mapped_column(ForeignKey("push.id"))
    plot_id: Mapped[int] = mapped_column(ForeignKey("plot.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    utility: Mapped[str] = mapped_column(String(20))
    challenger_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    ground: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text)
    mark: Mapped[WKBElement | None] = mapped_column(
        Geometry("GEOMETRY", srid=4490, spatial_index=False)
    )
    opened_at: Mapped[datetime]
    opened_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    due_on: Mapped[date] = mapped_column(Date)
    due_provisional: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(10), default="open")
    answer: Mapped[Answer] = relationship()
    plot: Mapped[Plot] = relationship()
    enterprise: Mapped[Organisation] = relationship(foreign_keys=[enterprise_id], lazy="joined")
    challenger: Mapped[Organisation] = relationship(foreign_keys=[challenger_id], lazy="joined")
    steps: Mapped[list["DisputeStep"]] = relationship(order_by="DisputeStep.id")
    files: Mapped[list["DisputeFile"]] = relationship(order_by="DisputeFile.id")
    __table_args__ = (
        CheckConstraint("state in ('open','answered','decided')", name="state"),
        CheckConstraint("reason <> ''", name="reason"),
        CheckConstraint("challenger_id <> enterprise_id", name="parties"),
        CheckConstraint("geometrytype(mark) in ('POINT','LINESTRING')", name="mark"),
        Index(
            "uq_dispute_undecided",
            "challenger_id",
            "answer_id",
            unique=True,
            postgresql_where=text("state <> 'decided'"),
        ),
    )

    def late(self, today: date) -> bool:
        """Is the enterprise silent after its day?"""
        return self.state == DisputeState.OPEN and today > self.due_on


class DisputeStep(Base):
    """One thing said of a dispute after it was opened: never changed. A correction names the version that came of it."""

    __tablename__ = "dispute_step"
    id: Mapped[Id]
    dispute_id: Mapped[int] = mapped_column(ForeignKey("dispute.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    text: Mapped[str] = mapped_column(Text)
    answer_id: Mapped[int | None] = mapped_column(ForeignKey("answer.id"))
    at: Mapped[datetime]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    organisation: Mapped[Organisation] = relationship(lazy="joined")
    answer: Mapped[Answer | None] = relationship()
    __table_args__ = (
        CheckConstraint(
            "kind in ('upheld','corrected','sustained','rejected','settled')", name="kind"
        ),
        CheckConstraint("(kind = 'corrected') = (answer_id is not null)", name="correction"),
        CheckConstraint("text <> '' or kind = 'corrected'", name="text"),
    )


class DisputeFile(Base):
    """Evidence of one of the parties; kept through fsspec under a name of our own. `step_id` empty: it came with the dispute."""

    __tablename__ = "dispute_file"
    id: Mapped[Id]
    dispute_id: Mapped[int] = mapped_column(ForeignKey("dispute.id"), index=True)
    step_id: Mapped[int | None] = mapped_column(ForeignKey("dispute_step.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    filename: Mapped[str] = mapped_column(String(255))
    stored_as: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(80))
    size: Mapped[int]


@dataclass(frozen=True, slots=True)
class Lists:
    """The disputes that the asker may see: undecided by due date, decided the newest first."""

    undecided: Sequence[Dispute]
    decided: Sequence[Dispute]


def dispute_of(session: Session, dispute_id: int) -> Dispute:
    """Return a dispute with all that was said.

    Raises:
        NotFound: there is none, or the asker is neither party to it nor office or supervisor of the plot.
    """
    found = session.scalar(
        _whole().where(Dispute.id == dispute_id).execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound
    return found


def disputes_of(session: Session) -> Lists:
    """Return what the asker may see, up to `MOST` of each kind."""
    decided = Dispute.state == DisputeState.DECIDED
    last = (
        select(func.max(DisputeStep.id))
        .where(DisputeStep.dispute_id == Dispute.id)
        .scalar_subquery()
    )
    return Lists(
        session.scalars(
            _whole().where(~decided).order_by(Dispute.due_on, Dispute.id).limit(MOST)
        ).all(),
        session.scalars(_whole().where(decided).order_by(last.desc()).limit(MOST)).all(),
    )


def waiting(session: Session) -> int:
    """Count what waits for the asker: an enterprise's unanswered ones, else whatever is not decided."""
    asker = actor_of(session)
    query = select(func.count(Dispute.id)).where(Dispute.state != DisputeState.DECIDED)
    if asker.role is Role.ENTERPRISE:
        query = query.where(
            Dispute.state == DisputeState.OPEN, Dispute.enterprise_id == asker.organisation_id
        )
    return session.scalar(query) or 0


def disputed(session: Session, plot_ids: Collection[int]) -> frozenset[Answered]:
    """Return which answers of these plots are in dispute; public, whoever asks: by whom is not told."""
    with as_engine(session):
        rows = session.execute(
            select(Dispute.plot_id, Dispute.utility, Dispute.enterprise_id)
            .where(Dispute.plot_id.in_(plot_ids), Dispute.state != DisputeState.DECIDED)
            .distinct()
        )
        return frozenset((plot, utility, enterprise) for plot, utility, enterprise in rows)


def of_plots(session: Session, plot_ids: Collection[int]) -> Sequence[Dispute]:
    """Return the undecided disputes about these plots that the asker may see."""
    return session.scalars(
        select(Dispute)
        .where(Dispute.plot_id.in_(plot_ids), Dispute.state != DisputeState.DECIDED)
        .order_by(Dispute.id)
    ).all()


def against(session: Session, plot_id: int, utility: str) -> Sequence[Dispute]:
    """Return the unanswered disputes about the asking enterprise's own answer for a plot and utility."""
    return session.scalars(
        select(Dispute)
        .where(
            Dispute.plot_id == plot_id,
            Dispute.utility == utility,
            Dispute.enterprise_id == actor_of(session).organisation_id,
            Dispute.state == DisputeState.OPEN,
        )
        .order_by(Dispute.id)
    ).all()


def _whole() -> Select[Dispute]:
    return select(Dispute).options(
        joinedload(Dispute.answer),
        joinedload(Dispute.plot),
        selectinload(Dispute.steps).joinedload(DisputeStep.answer),
        selectinload(Dispute.files),
    )
