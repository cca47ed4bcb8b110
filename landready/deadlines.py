"""The clocks of a push and of a dispute: until when each is to be answered, how that was reckoned, and when they stand still.

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
from landready.disputes import Dispute, DisputeState, dispute_of
from landready.errors import Conflict, Invalid, NotAllowed, NotFound
from landready.pushes import Push

_REASON_LENGTH = 200
# A longer pause is a decision that a person repeats.
LONGEST = timedelta(days=90)
# What has a clock that the office may let rest.
Subject = Push | Dispute


class ClockPause(Base):
    """Days that do not count for one push or one dispute: the office says why."""

    __tablename__ = "clock_pause"
    id: Mapped[Id]
    push_id: Mapped[int | None] = mapped_column(ForeignKey("push.id"), index=True)
    dispute_id: Mapped[int | None] = mapped_column(ForeignKey("dispute.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    first: Mapped[date] = mapped_column(Date)
    last: Mapped[date] = mapped_column(Date)
    reason: Mapped[str] = mapped_column(String(_REASON_LENGTH))
    made_at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    __table_args__ = (
        CheckConstraint("num_nonnulls(push_id, dispute_id) = 1", name="subject"),
        CheckConstraint("last >= first", name="days"),
        CheckConstraint("reason <> ''", name="reason"),
    )

    @property
    def days(self) -> clock.Pause:
        return clock.Pause(self.first, self.last, self.reason)


@dataclass(frozen=True, slots=True)
class Deadline:
    """One clock: `acknowledge`, `answer` or `contact` of a push, or `dispute`. `met_at` is None while it runs."""

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


@dataclass(frozen=True, slots=True)
class DisputeClock:
    """The clock of a dispute and what it rests on."""

    deadline: Deadline
    pauses: Sequence[ClockPause]


def clocks_of(session: Session, push_id: int) -> PushClocks:
    """Return the clocks of a push that the asker may see, each with its reckoning.

    Raises:
        NotFound: it is not the asker's.
    """
    push = push_of(session, push_id)
    pauses = _pauses(session, push)
    answer = "answer" if push.kind == "plan" else "contact"
    found = [_deadline(push, answer, push.due_on, push.answered_at, pauses)]
    if push.acknowledge_by:
        known = push.opened_at or push.answered_at
        found.insert(0, _deadline(push, "acknowledge", push.acknowledge_by, known, pauses))
    return PushClocks(push, tuple(found), pauses)


def clock_of(session: Session, dispute: Dispute) -> DisputeClock:
    """Return the clock of a dispute that the asker sees, pauses and all, whichever party asks."""
    with as_engine(session):
        pauses = _pauses(session, dispute)
    met = dispute.steps[0].at if dispute.steps else None
    return DisputeClock(_deadline(dispute, "dispute", dispute.due_on, met, pauses), pauses)


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
    push = push_of(session, push_id)
    _rest(session, push, first, last, reason.strip(), account_id, now)
    return push


def pause_dispute(
    session: Session,
    dispute_id: int,
    *,
    first: date | None,
    last: date | None,
    reason: str,
    account_id: int | None,
    now: datetime,
) -> Dispute:
    """Let the clock of an unanswered dispute rest, as `pause` does that of a push.

    Raises:
        NotFound, NotAllowed, Conflict, Invalid: as `pause`.
    """
    dispute = dispute_of(session, dispute_id)
    _rest(session, dispute, first, last, reason.strip(), account_id, now)
    return dispute


def _rest(
    session: Session,
    subject: Subject,
    first: date | None,
    last: date | None,
    reason: str,
    account_id: int | None,
    now: datetime,
) -> None:
    _take(session, subject)
    found = tuple(_faults(subject, first, last, reason))
    if found or first is None or last is None:
        raise Invalid(found)
    old = [p.days for p in _pauses(session, subject)]
    session.add(
        ClockPause(
            push_id=subject.id if isinstance(subject, Push) else None,
            dispute_id=subject.id if isinstance(subject, Dispute) else None,
            enterprise_id=subject.enterprise_id,
            office_id=subject.office_id,
            first=first,
            last=last,
            reason=reason,
            made_at=now,
            made_by=account_id,
        )
    )
    session.flush()
    _reckon(session, subject, old)


def resume(session: Session, pause_id: int, now: datetime) -> Subject:
    """End a pause today: the clocks run again from tomorrow on.

    Raises:
        NotFound, NotAllowed: not a pause of the asking office.
        Conflict: it is over, or what it was for is answered.
    """
    kept = session.scalar(select(ClockPause).where(ClockPause.id == pause_id))
    if kept is None:
        raise NotFound
    subject: Subject
    if kept.push_id is not None:
        subject = session.get_one(Push, kept.push_id)
    else:
        subject = session.get_one(Dispute, kept.dispute_id)
    _take(session, subject)
    day = clock.today(now)
    if not kept.first <= day < kept.last:
        raise Conflict(N_("这次暂停不在进行中，没有改变。"))
    old = [p.days for p in _pauses(session, subject)]
    kept.last = day
    session.flush()
    _reckon(session, subject, old)
    return subject


def push_of(session: Session, push_id: int) -> Push:
    """Return a push that the asker may see.

    Raises:
        NotFound: it is not the asker's.
    """
    push = session.scalar(select(Push).where(Push.id == push_id))
    if push is None:
        raise NotFound
    return push


def _take(session: Session, subject: Subject) -> None:
    """Lock what is the asking office's, by the product itself: an office reads its pushes and disputes and writes none."""
    actor = actor_of(session)
    if actor.role is not Role.OFFICE or subject.office_id != actor.organisation_id:
        raise NotAllowed
    with as_engine(session):
        session.refresh(subject, with_for_update={"of": type(subject), "key_share": True})
    if isinstance(subject, Push) and subject.answered_at:
        raise Conflict(N_("这次推送已经答复，期限不再变动。"))
    if isinstance(subject, Dispute) and subject.state != DisputeState.OPEN:
        raise Conflict(N_("这项异议已经答复或裁定，期限不再变动。"))


def _reckon(session: Session, subject: Subject, old: Sequence[clock.Pause]) -> None:
    """Move the deadlines from what the old pauses made of them to what the pauses now make."""
    new = [p.days for p in _pauses(session, subject)]
    start = _start(subject)

    def moved(day: date) -> clock.Due:
        length = max(clock.working_days(start, day, pauses=old), 1)
        return clock.due(start, length, pauses=new)

    with as_engine(session):
        due = moved(subject.due_on)
        if isinstance(subject, Push) and subject.acknowledge_by and not subject.opened_at:
            subject.acknowledge_by = moved(subject.acknowledge_by).day
        subject.due_on, subject.due_provisional = due.day, due.provisional
        session.flush()


def _start(subject: Subject) -> date:
    return clock.today(subject.pushed_at if isinstance(subject, Push) else subject.opened_at)


def _pauses(session: Session, subject: Subject) -> Sequence[ClockPause]:
    column = ClockPause.push_id if isinstance(subject, Push) else ClockPause.dispute_id
    return session.scalars(
        select(ClockPause).where(column == subject.id).order_by(ClockPause.id)
    ).all()


def _deadline(
    subject: Subject, name: str, due_on: date, met_at: datetime | None, pauses: Sequence[ClockPause]
) -> Deadline:
    start, still = _start(subject), [p.days for p in pauses]
    length = max(clock.working_days(start, due_on, pauses=still), 1)
    reckoned = clock.due(start, length, pauses=still)
    return Deadline(name, due_on, reckoned.provisional, met_at, reckoned.explained)


def _faults(subject: Subject, first: date | None, last: date | None, reason: str) -> list[Problem]:
    found = []
    if first is None or last is None or last < first:
        text = N_("请填写暂停的第一天和最后一天，最后一天不早于第一天。")
        found.append(Problem("days_unusable", "error", text, where="days"))
    elif first < _start(subject):
        text = N_("暂停不能早于开始计时的日期 {day}。")
        found.append(Problem("days_early", "error", text, {"day": _start(subject)}, where="days"))
    elif last - first > LONGEST:
        text = N_("一次暂停最多 {limit} 天；到期仍需暂停的，请再登记一次。")
        found.append(Problem("days_long", "error", text, {"limit": LONGEST.days}, where="days"))
    if not 0 < len(reason) <= _REASON_LENGTH:
        text = N_("请写明暂停的理由，不超过 {limit} 个字。")
        found.append(Problem("reason_unusable", "error", text, {"limit": _REASON_LENGTH}, where="reason"))  # fmt: skip
    return found
