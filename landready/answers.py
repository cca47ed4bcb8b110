"""Answers (接入情况反馈): what an enterprise says of a plot and a utility, version by version (R4)."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

from geoalchemy2 import Geometry, WKBElement
from sqlalchemy import CheckConstraint, Date, ForeignKey, String, Text, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from landready.db import Base, Id
from landready.organisations import Organisation
from landready.plans import Plot


class AnswerVerdict(StrEnum):
    """The closed list of answers."""

    READY = "ready"
    READY_BY = "ready_by"
    NOT_POSSIBLE = "not_possible"
    NOT_CONCERNED = "not_concerned"


class Answer(Base):
    """One version of an answer; a correction is a new version, the old one stays.

    `connection_point` is a point in EPSG:4490, `spare_capacity` in the unit of the utility.
    """

    __tablename__ = "answer"
    id: Mapped[Id]
    push_id: Mapped[int] = mapped_column(ForeignKey("push.id"), index=True)
    plot_id: Mapped[int] = mapped_column(ForeignKey("plot.id"), index=True)
    plot_revision: Mapped[int]
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    utility: Mapped[str] = mapped_column(String(20))
    version: Mapped[int]
    verdict: Mapped[str] = mapped_column(String(20))
    connection_point: Mapped[WKBElement | None] = mapped_column(
        Geometry("POINT", srid=4490, spatial_index=False)
    )
    spare_capacity: Mapped[float | None]
    works: Mapped[str] = mapped_column(Text, default="")
    ready_by: Mapped[date | None] = mapped_column(Date)
    reason: Mapped[str] = mapped_column(Text, default="")
    valid_until: Mapped[date | None] = mapped_column(Date)
    answered_at: Mapped[datetime]
    answered_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    enterprise: Mapped[Organisation] = relationship(foreign_keys=[enterprise_id], lazy="joined")
    plot: Mapped[Plot] = relationship()
    attachments: Mapped[list["Attachment"]] = relationship()
    __table_args__ = (
        UniqueConstraint("plot_id", "enterprise_id", "utility", "version"),
        CheckConstraint(
            "verdict in ('ready','ready_by','not_possible','not_concerned')", name="verdict"
        ),
        CheckConstraint(
            "verdict not in ('ready','ready_by') or connection_point is not null", name="connection"
        ),
        CheckConstraint(
            "verdict <> 'ready_by' or (ready_by is not null and works <> '')", name="works"
        ),
        CheckConstraint("verdict <> 'not_possible' or reason <> ''", name="reason"),
        CheckConstraint("spare_capacity >= 0", name="spare_capacity"),
    )


class Attachment(Base):
    """A file that came with an answer. Kept through fsspec under a name of our own."""

    __tablename__ = "attachment"
    id: Mapped[Id]
    answer_id: Mapped[int] = mapped_column(ForeignKey("answer.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    filename: Mapped[str] = mapped_column(String(255))
    stored_as: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(80))
    size: Mapped[int]


def latest_answers(session: Session, plot_ids: Sequence[int]) -> Sequence[Answer]:
    """Return the newest version of every (plot, utility, enterprise) that the asker may see."""
    return session.scalars(
        select(Answer)
        .ext(distinct_on(Answer.plot_id, Answer.utility, Answer.enterprise_id))
        .where(Answer.plot_id.in_(plot_ids))
        .order_by(Answer.plot_id, Answer.utility, Answer.enterprise_id, Answer.version.desc())
    ).all()
