"""The gate's verdicts and the listings in the land supermarket (土地超市) that rest on them (R5, R6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, func, select, text, tuple_
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from geo.problems import N_, Problem
from landready.answers import Answer, latest_answers
from landready.db import Base, Id, as_engine
from landready.errors import Invalid, NotFound
from landready.plans import Plot
from landready.utilities import Utility


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


PAGE = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """What a visitor of the land supermarket is looking for; empty fields ask for nothing."""

    city: str = ""
    use: str = ""
    min_area_m2: float | None = None
    max_area_m2: float | None = None


def search(session: Session, wish: Wish, page: int = 1) -> tuple[Sequence[Listing], int]:
    """Return one page of the open listings that fit, newest first, and how many fit in all.

    `use` is a code of the 2023 classification or its beginning.
    """
    query = select(Listing).join(Listing.plot).where(Listing.state.in_(("listed", "suspended")))
    if wish.city:
        query = query.where(Listing.city == wish.city)
    if wish.use:
        query = query.where(Plot.use_code.startswith(wish.use, autoescape=True))
    if wish.min_area_m2 is not None:
        query = query.where(Plot.area_m2 >= wish.min_area_m2)
    if wish.max_area_m2 is not None:
        query = query.where(Plot.area_m2 <= wish.max_area_m2)
    total = session.scalar(query.with_only_columns(func.count(Listing.id))) or 0
    query = (
        query.options(joinedload(Listing.plot).joinedload(Plot.office))
        .order_by(Listing.listed_at.desc(), Listing.id.desc())
        .offset((page - 1) * PAGE)
        .limit(PAGE)
    )
    return session.scalars(query).all(), total


def listing_page(session: Session, listing_id: int) -> tuple[Listing, Sequence[Answer]]:
    """Return a listing with its plot and verdict, and the latest answer of each enterprise, in the plan's order of utilities.

    Raises:
        NotFound: no such listing, or one that was withdrawn, whose plot is the office's own again.
    """
    listing = session.scalar(
        select(Listing)
        .join(Listing.plot)
        .where(Listing.id == listing_id)
        .options(joinedload(Listing.plot).joinedload(Plot.office), joinedload(Listing.verdict))
    )
    if listing is None:
        raise NotFound
    order = list(Utility)
    answers = latest_answers(session, [listing.plot_id])
    return listing, sorted(answers, key=lambda a: order.index(Utility(a.utility)))


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of change; as text it is what the feed calls its cursor."""

    changed_at: datetime
    listing_id: int

    def __str__(self) -> str:
        return f"{self.changed_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{self.listing_id}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read a cursor back.

        Raises:
            Invalid: it is none of ours.
        """
        moment, _, number = text.partition("-")
        try:
            at = datetime.strptime(moment, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
            return cls(at, int(number))
        except (ValueError, OverflowError) as error:
            wrong = Problem(
                "cursor", "error", N_("游标无效，请使用上次应答中的 next。"), where="after"
            )
            raise Invalid((wrong,)) from error


def changes(session: Session, after: Position | None, *, limit: int = 500) -> Sequence[Listing]:
    """Return listings in the order of change, from the beginning or after a position, for the trading platform's feed.

    Withdrawn ones too: whoever was told of an offer must be told of its end, though the plot itself is public no more.
    """
    query = (
        select(Listing)
        .options(joinedload(Listing.plot).joinedload(Plot.office), joinedload(Listing.verdict))
        .order_by(Listing.changed_at, Listing.id)
        .limit(limit)
    )
    if after is not None:
        here = tuple_(Listing.changed_at, Listing.id)
        query = query.where(here > tuple_(after.changed_at, after.listing_id))
    with as_engine(session):
        return session.scalars(query).all()
