"""Replanning works (建设时序): what another end would do to readiness and listings, shown before it is saved (R4).

What is shown is what would happen: the change is made, judged and undone inside the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready.answer_rules import AnswerDraft
from landready.answers import Answer
from landready.clock import today
from landready.commitments import open_promises, own_works
from landready.completion import answer_again, draft_again
from landready.db import as_engine, undone
from landready.errors import Conflict, Invalid
from landready.gate import readiness_of
from landready.listings import Listing
from landready.plans import Plot
from landready.readiness import Readiness
from landready.settings import Gate, Settings
from landready.works import REASON, Commitment, Works


@dataclass(frozen=True, slots=True)
class Effect:
    """What another day does to one plot: may it be listed today, before and after, and from which day on once it may not.

    `listing` is the state of its open listing before and after; empty: it has none.
    """

    plot: Plot
    due_on: date
    moved_to: date
    listable: tuple[bool, bool]
    listing: tuple[str, str]
    listable_from: date | None

    @property
    def suspended(self) -> bool:
        return self.listing[0] == "listed" and self.listing[1] == "suspended"


def effects(
    session: Session, settings: Settings, works_id: int, ends_on: date | None, now: datetime
) -> list[Effect]:
    """Return what another end of works would do to each plot they serve; nothing is changed.

    Raises:
        NotFound, Conflict, Invalid: as `replan`, but for the reason.
    """
    works, ends_on = _movable(session, works_id, ends_on)
    promises = open_promises(session, works.id)
    plots = [promise.plot for promise in promises]
    ids = [plot.id for plot in plots]
    before, offered = readiness_of(session, ids, settings.gate, now), _listings(session, ids)
    days = [promise.due_on for promise in promises]
    with undone(session):
        _move(session, settings, promises, ends_on, "", None, now)
        after, then = readiness_of(session, ids, settings.gate, now), _listings(session, ids)
    return [
        Effect(
            plot,
            due_on,
            ends_on,
            (before[id_].may_list, after[id_].may_list),
            (offered.get(id_, ""), then.get(id_, "")),
            _from(after[id_], ends_on, settings.gate),
        )
        for id_, plot, due_on in zip(ids, plots, days, strict=True)
    ]


def replan(
    session: Session,
    settings: Settings,
    works_id: int,
    ends_on: date | None,
    reason: str,
    *,
    account_id: int | None,
    now: datetime,
) -> list[Answer]:
    """Move the end of works: a new version of the answer for each plot they serve, all or none. The first promise stays.

    Raises:
        NotFound: the works are not the asker's.
        Conflict: they are completed, have no promise to keep, or end on that day already.
        Invalid: the reason is missing, or the day is not in the future or before their beginning.
    """
    works, ends_on = _movable(session, works_id, ends_on)
    reason = reason.replace("\x00", "").strip()
    if not 0 < len(reason) <= REASON:
        text = N_("请写明改期的原因（不超过 {limit} 字），部门看得到。")
        raise Invalid((Problem("reason_missing", "error", text, {"limit": REASON}),))
    promises = open_promises(session, works.id)
    return _move(session, settings, promises, ends_on, reason, account_id, now)


def _movable(session: Session, works_id: int, ends_on: date | None) -> tuple[Works, date]:
    works = own_works(session, works_id, lock=True)
    if works.completion.done_on:
        raise Conflict(N_("工程已经完工，不能再修改。"))
    if not open_promises(session, works_id):
        raise Conflict(N_("工程已经没有需要兑现的承诺。"))
    if ends_on is None:
        text = N_("请填写新的完工日期，写作 2026-12-31 的样子。")
        raise Invalid((Problem("ends_on_missing", "error", text),))
    if ends_on == works.ends_on:
        raise Conflict(N_("完工日期没有变化。"))
    if ends_on < works.starts_on:
        text = N_("完工日期不能早于工程的开始日期 {start}。")
        when = {"start": works.starts_on.isoformat()}
        raise Invalid((Problem("ends_on_early", "error", text, when),))
    return works, ends_on


def _move(
    session: Session,
    settings: Settings,
    promises: Sequence[Commitment],
    ends_on: date,
    reason: str,
    account_id: int | None,
    now: datetime,
) -> list[Answer]:
    answers = [session.get_one(Answer, promise.answer_id) for promise in promises]
    later = [_later(draft_again(session, answer), ends_on, today(now)) for answer in answers]
    made = answer_again(session, settings, zip(answers, later, strict=True), account_id, now)
    for promise in session.scalars(
        select(Commitment).where(Commitment.answer_id.in_([answer.id for answer in made]))
    ):
        promise.reason = reason
    session.flush()
    return made


def _later(draft: AnswerDraft, ends_on: date, day: date) -> AnswerDraft:
    """The same answer by another day. Its validity is moved with a later day, else it would end before the works do."""
    until = draft.valid_until
    if until and draft.ready_by and ends_on > draft.ready_by:
        until = max(until, day) + (ends_on - draft.ready_by)
    return replace(draft, ready_by=ends_on, valid_until=until)


def _listings(session: Session, plot_ids: Sequence[int]) -> dict[int, str]:
    with as_engine(session):
        rows = session.execute(
            select(Listing.plot_id, Listing.state).where(
                Listing.plot_id.in_(plot_ids), Listing.state.in_(("listed", "suspended"))
            )
        ).all()
    return {plot_id: state for plot_id, state in rows}  # noqa: C416 - rows are no pairs to mypy


def _from(found: Readiness, ends_on: date, gate: Gate) -> date | None:
    """The day from which the plot may be listed, where nothing but the horizon stands against it."""
    if found.blockers and all(b.code == "too_far" for b in found.blockers):
        return ends_on - timedelta(days=gate.commitment_horizon_days)
    return None


def moves_of(session: Session, works_id: int) -> Sequence[Commitment]:
    """Return the promises of works that moved a date and say why, the newest first; those of joined plots come together."""
    return session.scalars(
        select(Commitment)
        .where(Commitment.works_id == works_id, Commitment.reason != "")
        .order_by(Commitment.id.desc())
    ).all()
