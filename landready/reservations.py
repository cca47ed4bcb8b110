"""Reservations: what a positive answer takes of a facility's spare capacity, first come, first reserved.

`facility_id` names a facility through all versions of its layer: the id of its first row (Facility.same_as).
"""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from landready.answers import Answer
from landready.db import Base, Id
from landready.layers import Facility
from landready.plans import Plot


class Reservation(Base):
    """What one version of an answer holds of one facility, in the unit of the utility; both amounts empty: not known."""

    __tablename__ = "reservation"
    id: Mapped[Id]
    answer_id: Mapped[int] = mapped_column(ForeignKey("answer.id"), unique=True)
    plot_id: Mapped[int] = mapped_column(ForeignKey("plot.id"), index=True)
    plot_revision: Mapped[int]
    utility: Mapped[str] = mapped_column(String(20))
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    facility_id: Mapped[int] = mapped_column(ForeignKey("facility.id"), index=True)
    low: Mapped[float | None]
    high: Mapped[float | None]
    # The place in the queue: the id of the first reservation that this one takes on without asking for more.
    place: Mapped[int | None] = mapped_column(BigInteger)
    reserved_at: Mapped[datetime]
    # The last day; empty once the land is sold or the plot is connected.
    expires_on: Mapped[date | None] = mapped_column(Date)
    state: Mapped[str] = mapped_column(String(10), default="held")
    state_at: Mapped[datetime]
    state_reason: Mapped[str] = mapped_column(String(200), default="")
    # What was known when it was made: stated spare capacity, what others held before it, and why it was made all the same.
    spare: Mapped[float | None]
    before: Mapped[float]
    exception: Mapped[str] = mapped_column(Text, default="")
    answer: Mapped[Answer] = relationship()
    plot: Mapped[Plot] = relationship()
    facility: Mapped[Facility] = relationship()
    __table_args__ = (
        CheckConstraint("state in ('held','sold','connected','released')", name="state"),
        CheckConstraint("(low is null) = (high is null) and low >= 0 and high >= low", name="amount"),
        # Whatever a bug may do: more than was stated free is held only with a recorded reason.
        CheckConstraint("exception <> '' or spare is null or high is null or before + high <= spare", name="fits"),
        # An answer's pair holds one place at a time.
        Index(
            "uq_reservation_open",
            "plot_id",
            "enterprise_id",
            "utility",
            unique=True,
            postgresql_where=text("state in ('held','sold')"),
        ),
    )  # fmt: skip
