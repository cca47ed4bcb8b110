"""The clocks of a push: until when it is to be acknowledged and answered, how that was reckoned, and when they stand still.

The law lets a period rest for a stated reason (行政许可法 第四十五条 names hearings, inspections and expert reviews; a typhoon
stops everything). A pause has a first and a last day, so that every deadline is a date at any moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import CheckConstraint, Date, ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from geo.problems import N_, Problem
from landready import clock
from landready.db import Base, Id, Role, actor_of, as_engine
from landready.errors import Conflict, Invalid, NotAllowed, NotFound
from landready.pushes import Push

_REASON_LENGTH = 200
# A longer pause is a decision that a person repeats.
LONGEST = timedelta(days=90)


class ClockPause(Base):
    """Days that do not count for one push: the office says why."""

    __tablename__ = "clock_pause"
    id: Mapped[Id]
    push_id: Mapped[int] = mapped_column(ForeignKey("push.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    first: Mapped[date] = mapped_column(Date)
    last: Mapped[date] = mapped_column(Date)
    reason: Mapped[str] = mapped_column(String(_REASON_LENGTH))
    made_at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (
        CheckConstraint("last >= first", name="days"),
        CheckConstraint("reason <> ''", name="reason"),
    )

    @property
    def days(self) -> clock.Pause:
        return clock.Pause(self.first, self.last, self.reason)


@dataclass(frozen=True, slots=True)
class Deadline:
    """One clock of a push: `acknowledge`, `answer` or `contact`. `met_at` is None while it runs."""

    name: str
    due_on: date
    provisional: bool
    met_at: datetime | None
    explained: tuple[clock.Note, ...]

    def late(self, today: date) -> bool:
        """Was it, or is it, met after its day?"""
        return (clock.today(self.met_at) if self.met_at else today) > self.due_on


@dataclass(frozen=True, slots=True)
class PushClocks:
    """The clocks of a push and what they rest on."""

    push: Push
    deadlines: tuple[Deadline, ...]
    pauses: Sequence[ClockPause]


def clocks_of(session: Session, push_id: int) -> PushClocks:
    """Return the clocks of a push that the asker may see, each with its reckoning.

    Raises:
        NotFound: it is not the asker's.
    """
    push = session.scalar(select(Push).where(Push.id == push_id))
    if push is None:
        raise NotFound
    pauses = _pauses(session, push_id)
    answer = "answer" if push.kind == "plan" else "contact"
    found = [_deadline(push, answer, push.due_on, push.answered_at, pauses)]
    if push.acknowledge_by:
        known = push.opened_at or push.answered_at
        found.insert(0, _deadline(push, "acknowledge", push.acknowledge_by, known, pauses))
    return PushClocks(push, tuple(found), pauses)


def pause(
    session: Session,
    push_id: int,
    *,
    first: date | None,
    last: date | None,
    reason: str,
    account_id: int | None,
    now: datetime,
) -> Push:
    """Let the clocks of an unanswered push rest from `first` to `last`; its deadlines move by the working days in between.

    Raises:
        NotFound: it is not a push of the asking office.
        NotAllowed: the asker is no office.
        Conflict: it is answered.
        Invalid: the days or the reason cannot be used.
    """
    push = _own(session, push_id)
    found = tuple(_faults(push, first, last, reason.strip()))
    if found or first is None or last is None:
        raise Invalid(found)
    old = [p.days for p in _pauses(session, push_id)]
    session.add(
        ClockPause(
            push_id=push.id,
            enterprise_id=push.enterprise_id,
            office_id=push.office_id,
            first=first,
            last=last,
            reason=reason.strip(),
            made_at=now,
            made_by=account_id,
        )
    )
    session.flush()
    return _reckon(session, push, old)


def resume(session: Session, pause_id: int, now: datetime) -> Push:
    """End a pause today: the clocks run again from tomorrow on.

    Raises:
        NotFound, NotAllowed: not a pause of the asking office.
        Conflict: it is over, or the push is answered.
    """
    kept = session.scalar(select(ClockPause).where(ClockPause.id == pause_id))
    if kept is None:
        raise NotFound
    push = _own(session, kept.push_id)
    day = clock.today(now)
    if not kept.first <= day < kept.last:
        raise Conflict(N_("这次暂停不在进行中，没有改变。"))
    old = [p.days for p in _pauses(session, push.id)]
    kept.last = day
    session.flush()
    return _reckon(session, push, old)


def _own(session: Session, push_id: int) -> Push:
    """The asking office's push, locked by the product itself: an office reads its pushes and writes none."""
    actor = actor_of(session)
    push = session.scalar(select(Push).where(Push.id == push_id))
    if push is None:
        raise NotFound
    if actor.role is not Role.OFFICE or push.office_id != actor.organisation_id:
        raise NotAllowed
    with as_engine(session):
        session.refresh(push, with_for_update={"of": Push})
    if push.answered_at:
        raise Conflict(N_("这次推送已经答复，期限不再变动。"))
    return push


def _reckon(session: Session, push: Push, old: Sequence[clock.Pause]) -> Push:
    """Move the deadlines of a push from what its old pauses made of them to what its pauses now make."""
    new = [p.days for p in _pauses(session, push.id)]
    start = clock.today(push.pushed_at)

    def moved(day: date) -> clock.Due:
        length = max(clock.working_days(start, day, pauses=old), 1)
        return clock.due(start, length, pauses=new)

    with as_engine(session):
        due = moved(push.due_on)
        if push.acknowledge_by and not push.opened_at:
            push.acknowledge_by = moved(push.acknowledge_by).day
        push.due_on, push.due_provisional = due.day, due.provisional
        session.flush()
    return push


def _pauses(session: Session, push_id: int) -> Sequence[ClockPause]:
    return session.scalars(
        select(ClockPause).where(ClockPause.push_id == push_id).order_by(ClockPause.id)
    ).all()


def _deadline(
    push: Push, name: str, due_on: date, met_at: datetime | None, pauses: Sequence[ClockPause]
) -> Deadline:
    start, still = clock.today(push.pushed_at), [p.days for p in pauses]
    length = max(clock.working_days(start, due_on, pauses=still), 1)
    reckoned = clock.due(start, length, pauses=still)
    return Deadline(name, due_on, reckoned.provisional, met_at, reckoned.explained)


def _faults(push: Push, first: date | None, last: date | None, reason: str) -> list[Problem]:
    found = []
    if first is None or last is None or last < first:
        text = N_("请填写暂停的第一天和最后一天，最后一天不早于第一天。")
        found.append(Problem("days_unusable", "error", text, where="days"))
    elif first < clock.today(push.pushed_at):
        text = N_("暂停不能早于推送日期 {day}。")
        params = {"day": clock.today(push.pushed_at)}
        found.append(Problem("days_early", "error", text, params, where="days"))
    elif last - first > LONGEST:
        text = N_("一次暂停最多 {limit} 天；到期仍需暂停的，请再登记一次。")
        found.append(Problem("days_long", "error", text, {"limit": LONGEST.days}, where="days"))
    if not 0 < len(reason) <= _REASON_LENGTH:
        text = N_("请写明暂停的理由，不超过 {limit} 个字。")
        found.append(Problem("reason_unusable", "error", text, {"limit": _REASON_LENGTH}, where="reason"))  # fmt: skip
    return found
