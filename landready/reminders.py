"""Reminders before a deadline, a notice on every working day after it, and the escalation to the supervisor (R10).

Everything follows from rows and the day: whoever runs this, however often and after whatever interruption, each notice stands
once. What is told goes out as an event of the enterprise, on the channel it prefers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    String,
    Text,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from geo.problems import N_
from landready import clock, outbox
from landready.annex import items as annex_items
from landready.annex import resting_states, terminal_states
from landready.applications import Application, Item
from landready.db import Base, Id, Role, actor_of
from landready.dispute_rules import grounds
from landready.disputes import Dispute, DisputeState
from landready.errors import Conflict, NotAllowed, NotFound
from landready.notices import Notice as Notice
from landready.notices import may_tell as may_tell
from landready.notices import owed as owed
from landready.notices import owed_works as owed_works
from landready.organisations import Organisation
from landready.permits import Permit
from landready.pushes import Push
from landready.settings import Clocks
from landready.works import Commitment, CommitmentState, Milestone, Works

_NOTE_LENGTH = 500


class Reminder(Base):
    """One notice of one deadline on one day; `on_day` is the day it is for, by which a repetition is known."""

    __tablename__ = "reminder"
    id: Mapped[Id]
    push_id: Mapped[int | None] = mapped_column(ForeignKey("push.id"), index=True)
    item_id: Mapped[int | None] = mapped_column(ForeignKey("item.id"), index=True)
    dispute_id: Mapped[int | None] = mapped_column(ForeignKey("dispute.id"), index=True)
    works_id: Mapped[int | None] = mapped_column(ForeignKey("works.id"), index=True)
    enterprise_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    office_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    # acknowledge, answer, contact, first_design, dispute or commitment
    clock: Mapped[str] = mapped_column(String(20))
    notice: Mapped[str] = mapped_column(String(10))
    title: Mapped[str] = mapped_column(String(200))
    due_on: Mapped[date] = mapped_column(Date)
    on_day: Mapped[date] = mapped_column(Date)
    made_at: Mapped[datetime]
    # Of an escalation: whom it names, and what they did about it.
    supervisor_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    handled_at: Mapped[datetime | None]
    handled_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    note: Mapped[str] = mapped_column(Text, default="")
    enterprise: Mapped[Organisation] = relationship(foreign_keys=[enterprise_id], lazy="joined")
    supervisor: Mapped[Organisation | None] = relationship(
        foreign_keys=[supervisor_id], lazy="joined"
    )
    __table_args__ = (
        CheckConstraint("num_nonnulls(push_id, item_id, dispute_id, works_id) = 1", name="subject"),
        CheckConstraint("notice in ('before','late','escalated')", name="notice"),
        Index(
            "uq_reminder_push",
            "push_id",
            "clock",
            "notice",
            "on_day",
            unique=True,
            postgresql_where=text("push_id is not null"),
        ),
        Index(
            "uq_reminder_item",
            "item_id",
            "clock",
            "notice",
            "on_day",
            unique=True,
            postgresql_where=text("item_id is not null"),
        ),
        Index(
            "uq_reminder_dispute",
            "dispute_id",
            "clock",
            "notice",
            "on_day",
            unique=True,
            postgresql_where=text("dispute_id is not null"),
        ),
        Index(
            "uq_reminder_works",
            "works_id",
            "clock",
            "notice",
            "on_day",
            unique=True,
            postgresql_where=text("works_id is not null"),
        ),
    )


@dataclass(frozen=True, slots=True)
class Running:
    """A clock that runs: whose it is, what it is about and its last day."""

    clock: str
    due_on: date
    enterprise_id: int
    office_id: int
    title: str
    push_id: int | None = None
    item_id: int | None = None
    works_id: int | None = None
    uid: str = ""
    dispute_id: int | None = None
    dispute_uid: str = ""


def send(session: Session, terms: Clocks, now: datetime) -> int:
    """Record every notice that stands now and tell the enterprises; return how many were new. Needs the engine.

    Nothing is told before `notices_from` in the morning of Shanghai, nor on a day off.
    """
    if not may_tell(terms, now):
        return 0
    day = clock.today(now)
    made = 0
    for running in _running(session, day, terms):
        rule = owed_works if running.works_id else owed
        for notice, on_day in rule(running.due_on, day, terms):
            made += _tell(session, running, notice, on_day, now)
    return made


def reminders_of(session: Session, push_id: int) -> Sequence[Reminder]:
    """Return the notices of a push that the asker may see, the newest first."""
    return session.scalars(
        select(Reminder).where(Reminder.push_id == push_id).order_by(Reminder.id.desc())
    ).all()


def reminders_of_dispute(session: Session, dispute_id: int) -> Sequence[Reminder]:
    """Return the notices of a dispute that the asker may see, the newest first."""
    return session.scalars(
        select(Reminder).where(Reminder.dispute_id == dispute_id).order_by(Reminder.id.desc())
    ).all()


def notices_of_works(session: Session, works_id: int) -> Sequence[Reminder]:
    """Return the notices of works that the asker may see, the newest first."""
    return session.scalars(
        select(Reminder).where(Reminder.works_id == works_id).order_by(Reminder.id.desc())
    ).all()


def escalations(session: Session, *, handled: bool) -> Sequence[Reminder]:
    """Return the escalations that the asker may see, the oldest open ones first, or the newest handled ones."""
    done = Reminder.handled_at.is_not(None)
    order = Reminder.handled_at.desc() if handled else Reminder.due_on
    return session.scalars(
        select(Reminder)
        .where(Reminder.notice == Notice.ESCALATED, done if handled else ~done)
        .order_by(order, Reminder.id)
        .limit(200)
    ).all()


def handle(
    session: Session, reminder_id: int, note: str, *, account_id: int | None, now: datetime
) -> Reminder:
    """Record what the supervisor whom an escalation names did about it, once.

    Raises:
        NotFound: no such escalation for the asker.
        NotAllowed: it names another supervisor.
        Conflict: it was handled, or nothing is said.
    """
    found = session.scalar(
        select(Reminder).where(Reminder.id == reminder_id, Reminder.notice == Notice.ESCALATED)
    )
    if found is None:
        raise NotFound
    if actor_of(session).organisation_id != found.supervisor_id:
        raise NotAllowed
    note = note.replace("\x00", "").strip()
    if found.handled_at or not 0 < len(note) <= _NOTE_LENGTH:
        raise Conflict(N_("请写明督办情况（不超过 500 字）；已经登记过的不再改变。"))
    found.handled_at, found.handled_by, found.note = now, account_id, note
    session.flush()
    return found


def supervisor_of(session: Session, city: str) -> Organisation | None:
    """Return the supervisor of a city, else of the whole province; the one registered first where there are several."""
    return session.scalar(
        select(Organisation)
        .where(Organisation.kind == Role.SUPERVISOR, Organisation.city.in_((city, "")))
        .order_by(Organisation.city.desc(), Organisation.id)
        .limit(1)
    )


def _running(session: Session, day: date, terms: Clocks) -> list[Running]:
    """Every clock that runs and whose day is near or past."""
    soon = day + timedelta(days=31)
    pushes = session.scalars(
        select(Push)
        .where(
            Push.answered_at.is_(None),
            or_(Push.due_on <= soon, Push.acknowledge_by <= soon),
        )
        .options(joinedload(Push.plan), joinedload(Push.permit))
        .order_by(Push.id)
    ).unique()
    found = [running for push in pushes for running in _of_push(push, day)]
    items = session.execute(
        select(Item, Permit.project_name)
        .join(Application, Application.id == Item.application_id)
        .join(Permit, Permit.id == Application.permit_id)
        .where(
            Item.first_design_at.is_(None),
            Item.first_design_due <= soon,
            Item.state.not_in(terminal_states() | resting_states()),
        )
        .order_by(Item.id)
    )
    for item, project in items:
        if item.assignee.kind == Role.ENTERPRISE and item.first_design_due:
            title = f"{project} · {annex_items()[item.annex_no].name}"
            found.append(
                Running(
                    "first_design",
                    item.first_design_due,
                    item.assignee_id,
                    item.office_id,
                    title[:200],
                    item_id=item.id,
                )
            )
    return found + _disputes(session, soon) + _works(session, max(terms.promise_days), day)


def _disputes(session: Session, soon: date) -> list[Running]:
    """The clocks of the disputes that no enterprise answered yet."""
    rows = session.scalars(
        select(Dispute)
        .where(Dispute.state == DisputeState.OPEN, Dispute.due_on <= soon)
        .options(joinedload(Dispute.plot))
        .order_by(Dispute.id)
    )
    return [
        Running(
            "dispute",
            dispute.due_on,
            dispute.enterprise_id,
            dispute.office_id,
            f"{dispute.plot.name or dispute.plot.code} · {grounds()[dispute.ground].name}"[:200],
            dispute_id=dispute.id,
            dispute_uid=str(dispute.uid),
        )
        for dispute in rows
    ]


def _works(session: Session, warn_days: int, day: date) -> list[Running]:
    """The works whose committed day is near or past and that still have a promise to keep."""
    soon = clock.due(day, warn_days).day
    rows = session.execute(
        select(Works, Milestone.planned_on)
        .join(Milestone, Milestone.works_id == Works.id)
        .where(
            Milestone.completes,
            Milestone.done_on.is_(None),
            Milestone.planned_on <= soon,
            Works.commitments.any(Commitment.state == CommitmentState.OPEN),
        )
        .order_by(Works.id)
    )
    return [
        Running("commitment", ends_on, w.enterprise_id, w.office_id, w.title[:200], works_id=w.id)
        for w, ends_on in rows
    ]


def _of_push(push: Push, day: date) -> Iterator[Running]:
    """The clocks of one push. Once its answer is late, that it was not even opened is not told beside it."""
    if push.plan:
        title, answer = push.plan.title, "answer"
    else:
        title, answer = (push.permit.project_name if push.permit else ""), "contact"
    common = (push.enterprise_id, push.office_id, title[:200], push.id, None, None, str(push.uid))
    if push.acknowledge_by and not push.opened_at and day <= push.due_on:
        yield Running("acknowledge", push.acknowledge_by, *common)
    yield Running(answer, push.due_on, *common)


def _tell(session: Session, running: Running, notice: Notice, on_day: date, now: datetime) -> bool:
    """Write the notice and its event, unless it stands already; whoever runs this at the same time waits here."""
    office = session.get_one(Organisation, running.office_id)
    supervisor = supervisor_of(session, office.city) if notice is Notice.ESCALATED else None
    row = {
        "push_id": running.push_id,
        "item_id": running.item_id,
        "dispute_id": running.dispute_id,
        "works_id": running.works_id,
        "enterprise_id": running.enterprise_id,
        "office_id": running.office_id,
        "clock": running.clock,
        "notice": notice.value,
        "title": running.title,
        "due_on": running.due_on,
        "on_day": on_day,
        "made_at": now,
        "supervisor_id": supervisor.id if supervisor else None,
        "note": "",
    }
    made = session.scalar(
        insert(Reminder).values(row).on_conflict_do_nothing().returning(Reminder.id)
    )
    if made is None:
        return False
    outbox.record(
        session,
        enterprise_id=running.enterprise_id,
        office_id=running.office_id,
        push_id=running.push_id,
        type_=f"deadline.{notice.value}",
        data={
            "push": running.uid or None,
            "item": running.item_id,
            "dispute": running.dispute_uid or None,
            "works": running.works_id,
            "clock": running.clock,
            "title": running.title,
            "due_on": running.due_on.isoformat(),
            "working_days_late": clock.working_days(running.due_on, clock.today(now)),
            "office": {"name": office.name, "phone": office.phone},
            "supervisor": {"name": supervisor.name, "phone": supervisor.phone}
            if supervisor
            else None,
        },
        now=now,
    )
    return True
