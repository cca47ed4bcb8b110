"""Listings in the land supermarket (土地超市); each rests on a certificate (R5, R6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Select,
    String,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from landready.certificates import Certificate
from landready.db import Base, Id, as_engine
from landready.errors import NotFound
from landready.plans import Plot
from landready.quarters import named


class Listing(Base):
    """A plot offered for trading. On offer only with a certificate that carries it; the database refuses any other.

    `earlier_verdict` is what a listing from before there were certificates rested on; those have none until they are resumed.
    """

    __tablename__ = "listing"
    id: Mapped[Id]
    plot_id: Mapped[int] = mapped_column(ForeignKey("plot.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    city: Mapped[str] = mapped_column(String(6), index=True)
    certificate_id: Mapped[int | None] = mapped_column(BigInteger)
    earlier_verdict: Mapped[dict[str, Any] | None]
    state: Mapped[str] = mapped_column(String(20), default="listed")
    state_reason: Mapped[str] = mapped_column(String(500), default="")
    # Where the product itself suspended it: landready.changes.Cause; people's own reasons are words alone.
    cause: Mapped[dict[str, Any] | None]
    listed_at: Mapped[datetime]
    listed_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    changed_at: Mapped[datetime]
    plot: Mapped[Plot] = relationship()
    certificate: Mapped[Certificate | None] = relationship(
        primaryjoin="foreign(Listing.certificate_id) == Certificate.id"
    )
    __table_args__ = (
        CheckConstraint("state <> 'listed' or certificate_id is not null", name="certificate"),
        # A certificate of the same plot, office and city.
        ForeignKeyConstraint(
            ["certificate_id", "plot_id", "office_id", "city"],
            ["certificate.id", "certificate.plot_id", "certificate.office_id", "certificate.city"],
        ),
        CheckConstraint("state in ('listed','suspended','withdrawn','sold')", name="state"),
        # A plot is offered once at a time, and sold once.
        Index(
            "uq_listing_open",
            "plot_id",
            unique=True,
            postgresql_where=text("state in ('listed','suspended','sold')"),
        ),
        Index("ix_listing_changed", "changed_at", "id"),
        UniqueConstraint("id", "plot_id"),
    )


class ListingMove(Base):
    """One step in the life of a listing, written by the database itself (migration 0009) and never changed.

    `from_state` is empty where it began; `moved_by` nobody where the product itself acted. Public but for the person.
    """

    __tablename__ = "listing_move"
    id: Mapped[Id]
    listing_id: Mapped[int] = mapped_column(BigInteger, index=True)
    plot_id: Mapped[int] = mapped_column(BigInteger, index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    from_state: Mapped[str | None] = mapped_column(String(20))
    to_state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(500))
    cause: Mapped[dict[str, Any] | None]
    moved_at: Mapped[datetime]
    moved_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    # When platforms and enterprises were told of it; the only thing that is ever added.
    told_at: Mapped[datetime | None]
    __table_args__ = (
        # Not to the plot: whoever suspends has the turn, for which a planner who holds the plot may be waiting.
        ForeignKeyConstraint(["listing_id", "plot_id"], ["listing.id", "listing.plot_id"]),
        Index("ix_listing_move_untold", "id", postgresql_where=text("told_at is null")),
    )


PAGE = 100
OPEN = ("listed", "suspended")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a visitor of the land supermarket is looking for; empty fields ask for nothing. `quarter` is one of `quarters`."""

    city: str = ""
    use: str = ""
    quarter: str = ""
    min_area_m2: float | None = None
    max_area_m2: float | None = None


def search(session: Session, wish: Wish, page: int = 1) -> tuple[Sequence[Listing], int]:
    """Return one page of the open listings that fit, newest first, and how many fit in all.

    `use` is a code of the 2023 classification or its beginning.
    """
    with as_engine(session):
        fitting = _fitting(session, wish)
        total = session.scalar(select(func.count()).select_from(fitting.subquery())) or 0
        newest = (
            fitting.order_by(Listing.listed_at.desc(), Listing.id.desc())
            .offset((page - 1) * PAGE)
            .limit(PAGE)
        )
        found = session.scalars(
            select(Listing)
            .where(Listing.id.in_(newest))
            .options(joinedload(Listing.plot).joinedload(Plot.office))
            .order_by(Listing.listed_at.desc(), Listing.id.desc())
        ).all()
    return found, total


def open_ids(session: Session, wish: Wish) -> list[int]:
    """Return the ids of every open listing that fits, in their own order."""
    with as_engine(session):
        return list(session.scalars(_fitting(session, wish).order_by(Listing.id)))


def quarters(session: Session) -> Sequence[str]:
    """Return the planned quarters of what is on offer, each once however plans write it (`2027Q2`), other times as written."""
    with as_engine(session):
        return sorted({named(text) or text for text in _written(session)})


def _written(session: Session) -> Sequence[str]:
    """Every planned time of what is on offer, as the plans write them."""
    return session.scalars(
        select(Plot.quarter)
        .join(Listing, Listing.plot_id == Plot.id)
        .where(Listing.state.in_(OPEN), Plot.quarter != "")
        .distinct()
    ).all()


def _fitting(session: Session, wish: Wish) -> Select[int]:
    query = select(Listing.id).join(Listing.plot).where(Listing.state.in_(OPEN))
    if wish.city:
        query = query.where(Listing.city == wish.city)
    if wish.use:
        query = query.where(Plot.use_code.startswith(wish.use, autoescape=True))
    if wish.quarter:
        same = [text for text in _written(session) if (named(text) or text) == wish.quarter]
        query = query.where(Plot.quarter.in_(same))
    if wish.min_area_m2 is not None:
        query = query.where(Plot.area_m2 >= wish.min_area_m2)
    if wish.max_area_m2 is not None:
        query = query.where(Plot.area_m2 <= wish.max_area_m2)
    return query


def moves_of(session: Session, plot_id: int) -> Sequence[ListingMove]:
    """Return every move of every listing of a plot, the newest first; public."""
    return session.scalars(
        select(ListingMove).where(ListingMove.plot_id == plot_id).order_by(ListingMove.id.desc())
    ).all()


def listing_page(session: Session, listing_id: int) -> Listing:
    """Return a listing with its plot and certificate.

    Raises:
        NotFound: no such listing, or one that was withdrawn, whose plot is the office's own again.
    """
    listing = session.scalar(
        select(Listing)
        .join(Listing.plot)
        .where(Listing.id == listing_id)
        .options(joinedload(Listing.plot).joinedload(Plot.office), joinedload(Listing.certificate))
    )
    if listing is None:
        raise NotFound
    return listing
