"""Clear title (净地): what a planner states of the land itself, plot by plot, each with its document. Nothing is overwritten."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, ForeignKey, String, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Mapped, Session, mapped_column

from geo.problems import N_, Problem
from landready.clock import today as local_date
from landready.db import Base, Id, actor_of
from landready.errors import Conflict, Invalid, NotFound
from landready.listings import Listing
from landready.plans import Plot
from landready.uploads import storable

DOCUMENT, NOTE = 200, 500


class TitleStatement(Base):
    """That the land of a plot is clear, or why it is not; the newest of a plot's revision counts."""

    __tablename__ = "title_statement"
    id: Mapped[Id]
    plot_id: Mapped[int] = mapped_column(ForeignKey("plot.id", ondelete="CASCADE"), index=True)
    plot_revision: Mapped[int]
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    clear: Mapped[bool]
    document: Mapped[str] = mapped_column(String(DOCUMENT))
    document_date: Mapped[date] = mapped_column(Date)
    note: Mapped[str] = mapped_column(String(NOTE), default="")
    stated_at: Mapped[datetime]
    stated_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (
        CheckConstraint("document <> ''", name="document"),
        CheckConstraint("clear or note <> ''", name="note"),
    )


def latest(session: Session, plot_ids: Sequence[int]) -> dict[int, TitleStatement]:
    """Return what was stated last of each plot, as far as the asker may see it."""
    newest = session.scalars(
        select(TitleStatement)
        .ext(distinct_on(TitleStatement.plot_id))
        .where(TitleStatement.plot_id.in_(plot_ids))
        .order_by(TitleStatement.plot_id, TitleStatement.id.desc())
    )
    return {row.plot_id: row for row in newest}


@dataclass(frozen=True, slots=True)
class Cleared:
    """How many plots of a plan stand as clear, of how many, and those whose title may still be stated."""

    plots: int
    clear: int
    open: tuple[int, ...]


def of_plan(session: Session, plan_id: int) -> Cleared:
    """Count the plots of a plan by their title; what is on offer or sold keeps it."""
    rows = session.execute(
        select(Plot.id, Plot.revision).where(Plot.plan_id == plan_id).order_by(Plot.id)
    ).all()
    ids = [row.id for row in rows]
    stated = latest(session, ids)
    kept = set(
        session.scalars(
            select(Listing.plot_id).where(
                Listing.plot_id.in_(ids), Listing.state.in_(("listed", "sold"))
            )
        )
    )
    clear = sum(
        row.id in stated and stated[row.id].clear and stated[row.id].plot_revision == row.revision
        for row in rows
    )
    return Cleared(len(rows), clear, tuple(i for i in ids if i not in kept))


def state(
    session: Session,
    plot_ids: Sequence[int],
    *,
    clear: bool,
    document: str,
    document_date: date | None,
    note: str,
    now: datetime,
) -> int:
    """State of the asker's plots that their land is clear, or why it is not; return of how many.

    Raises:
        NotFound: one is not a plot of the asker's.
        Conflict: one is on offer: suspend its listing first.
        Invalid: the document, its date or the reason is missing.
    """
    asker = actor_of(session)
    document, note = storable(document).strip(), storable(note).strip()
    if found := tuple(_problems(clear, document, document_date, note, local_date(now))):
        raise Invalid(found)
    plots = session.scalars(
        select(Plot)
        .where(Plot.id.in_(plot_ids), Plot.office_id == asker.organisation_id)
        .order_by(Plot.id)
        .with_for_update(of=Plot)
    ).all()
    if len(plots) != len(set(plot_ids)) or not plots:
        raise NotFound
    offered = select(Listing.id).where(
        Listing.plot_id.in_(plot_ids), Listing.state.in_(("listed", "sold"))
    )
    if session.scalar(offered.limit(1)):
        raise Conflict(N_("有地块正在上架或已成交，不能改变净地声明；请先暂停上架。"))
    session.add_all(
        TitleStatement(
            plot_id=plot.id,
            plot_revision=plot.revision,
            office_id=plot.office_id,
            clear=clear,
            document=document,
            document_date=document_date,
            note=note,
            stated_at=now,
            stated_by=asker.account_id,
        )
        for plot in plots
    )
    session.flush()
    return len(plots)


def _problems(
    clear: bool,  # noqa: FBT001 - checked together with its fields
    document: str,
    document_date: date | None,
    note: str,
    today: date,
) -> list[Problem]:
    found: list[tuple[str, str, dict[str, object]]] = []
    if not document:
        found.append(("title_document", N_("请填写净地依据文件的名称和文号。"), {}))
    if len(document) > DOCUMENT or len(note) > NOTE:
        text = N_("文件最多 {document} 个字，说明最多 {note} 个字。")
        found.append(("title_long", text, {"document": DOCUMENT, "note": NOTE}))
    if document_date is None or document_date > today:
        found.append(("title_date", N_("请填写文件日期，不能晚于今天。"), {}))
    if not clear and not note:
        found.append(("title_note", N_("请写明土地权属存在什么问题。"), {}))
    return [Problem(code, "error", text, params) for code, text, params in found]
