"""Completing works: a milestone is done with evidence and on a day; the last one makes new answers "ready" (R4).

Evidence is a file, or the number and date of a document. Nothing becomes ready silently: it is a new version of the enterprise's
own answer, recorded like every other.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from geo.problems import N_, Problem
from landready import answering, attachments
from landready.answer_rules import AnswerDraft, as_recorded
from landready.answers import Answer, AnswerVerdict
from landready.clock import today
from landready.commitments import open_promises, own_works
from landready.db import actor_of
from landready.errors import Conflict, Invalid, NotFound
from landready.plans import Plot
from landready.reservations import Reservation
from landready.settings import Settings
from landready.works import (
    DOCUMENT,
    FACILITY,
    MILESTONE,
    TITLE,
    CommitmentState,
    Milestone,
    Works,
)

File = tuple[str, BinaryIO]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What proves that a milestone was reached on `done_on`: a file (name and content), or a document."""

    done_on: date | None
    document_no: str = ""
    document_on: date | None = None
    file: File | None = None


def plan_milestone(session: Session, works_id: int, title: str, planned_on: date | None) -> Works:
    """Add a step to works.

    Raises:
        NotFound: the works are not the asker's.
        Conflict: they are completed.
        Invalid: no title, or no day from their beginning to their end.
    """
    works = _unfinished(session, works_id)
    title = title.replace("\x00", "").strip()
    if not 0 < len(title) <= MILESTONE:
        text = N_("请写明节点名称（不超过 {limit} 字）。")
        raise Invalid((Problem("milestone_title", "error", text, {"limit": MILESTONE}),))
    if planned_on is None or not works.starts_on <= planned_on <= works.ends_on:
        text = N_("节点日期应在工程的开始日期 {start} 和完工日期 {end} 之间。")
        when = {"start": works.starts_on.isoformat(), "end": works.ends_on.isoformat()}
        raise Invalid((Problem("milestone_day", "error", text, when),))
    both = {"enterprise_id": works.enterprise_id, "office_id": works.office_id}
    session.add(Milestone(works_id=works.id, title=title, planned_on=planned_on, **both))
    session.flush()
    session.expire(works, ["milestones"])
    return works


def describe(
    session: Session, works_id: int, title: str, facility: str, starts_on: date | None
) -> Works:
    """Say what works are called, at which facility they are, and when they begin; their end is moved by replanning only.

    Raises:
        NotFound: the works are not the asker's.
        Conflict: they are completed.
        Invalid: no title, a text too long, or no day before their end.
    """
    works = _unfinished(session, works_id)
    title, facility = (t.replace("\x00", "").strip() for t in (title, facility))
    if not 0 < len(title) <= TITLE or len(facility) > FACILITY:
        text = N_("请写明工程名称；名称和设施都不超过 {limit} 字。")
        raise Invalid((Problem("works_title", "error", text, {"limit": TITLE}),))
    if starts_on is None or starts_on > works.ends_on:
        text = N_("开始日期应不晚于完工日期 {end}。")
        when = {"end": works.ends_on.isoformat()}
        raise Invalid((Problem("works_start", "error", text, when),))
    works.title, works.facility, works.starts_on = title, facility, starts_on
    session.flush()
    return works


def reach(
    session: Session,
    settings: Settings,
    milestone_id: int,
    evidence: Evidence,
    *,
    account_id: int | None,
    now: datetime,
) -> Milestone:
    """Record that a milestone was reached; with the completion every promise of the works is kept and its plots become "ready".

    Raises:
        NotFound: it is not the asker's.
        Conflict: it was reached before, or the works have no promise to keep any more.
        Invalid: day or evidence is missing, or an answer cannot be given; nothing is recorded.
    """
    step = own_milestone(session, milestone_id)
    works = _unfinished(session, step.works_id)
    session.refresh(step)
    promises = open_promises(session, works.id)
    if step.done_on or not promises:
        raise Conflict(N_("这个节点已经登记完成，或者工程已经没有需要兑现的承诺。"))
    _refuse(evidence, works.starts_on, today(now))
    answers = [session.get_one(Answer, promise.answer_id) for promise in promises]
    if not step.completes:
        _prove(session, settings, step, evidence, answers, account_id, now)
        return step
    # Kept first: a promise that an answer replaces counts as unproven.
    drafts = [_ready(session, answer, today(now)) for answer in answers]
    proof = _prove(session, settings, step, evidence, answers, account_id, now)
    for promise in promises:
        promise.state, promise.closed_at = CommitmentState.KEPT, now
        promise.done_on = evidence.done_on
    session.flush()
    made = answer_again(session, settings, zip(answers, drafts, strict=True), account_id, now)
    if proof:
        attachments.repeat(session, proof, made)
    return step


def own_milestone(session: Session, milestone_id: int) -> Milestone:
    """Return a milestone of the asker's enterprise.

    Raises:
        NotFound: it is not the asker's.
    """
    step = session.scalar(
        select(Milestone).where(
            Milestone.id == milestone_id,
            Milestone.enterprise_id == actor_of(session).organisation_id,
        )
    )
    if step is None:
        raise NotFound
    return step


def _unfinished(session: Session, works_id: int) -> Works:
    works = own_works(session, works_id, lock=True)
    if works.completion.done_on:
        raise Conflict(N_("工程已经完工，不能再修改。"))
    return works


def _refuse(evidence: Evidence, start: date, day: date) -> None:
    found = []
    if evidence.done_on is None or evidence.done_on > day:
        text = N_("请填写完成日期，不能晚于今天。")
        found.append(Problem("done_on", "error", text))
    elif evidence.done_on < start:
        text = N_("完成日期不能早于工程的开始日期 {start}；确实更早开工的，请先修改开始日期。")
        found.append(Problem("done_on", "error", text, {"start": start.isoformat()}))
    document = bool(evidence.document_no and evidence.document_on)
    if not (evidence.file or document):
        text = N_("请上传证明材料，或填写文件编号和日期；没有依据不能登记完成。")
        found.append(Problem("evidence_missing", "error", text))
    if len(evidence.document_no) > DOCUMENT:
        text = N_("文件编号不超过 {limit} 字。")
        found.append(Problem("document_long", "error", text, {"limit": DOCUMENT}))
    if evidence.document_on and evidence.document_on > day:
        found.append(Problem("document_on", "error", N_("文件日期不能晚于今天。")))
    if evidence.file:
        attachments.inspect(*evidence.file)
    if found:
        raise Invalid(tuple(found), N_("没有登记完成，请按提示补充。"))


def _prove(
    session: Session,
    settings: Settings,
    step: Milestone,
    evidence: Evidence,
    answers: list[Answer],
    account_id: int | None,
    now: datetime,
) -> int | None:
    """Write the evidence down and return the id of its file, which is kept with the answers that promised."""
    if evidence.file:
        kept = attachments.attach(session, settings, answers, *evidence.file)
        step.attachment_id = kept[0].id
    step.document_no, step.document_on = evidence.document_no, evidence.document_on
    step.done_on, step.done_at, step.done_by = evidence.done_on, now, account_id
    session.flush()
    return step.attachment_id


def _ready(session: Session, answer: Answer, day: date) -> AnswerDraft:
    """The same answer as "ready"; a validity that has run out does not end what is built."""
    draft = draft_again(session, answer)
    lasts = draft.valid_until if draft.valid_until and draft.valid_until > day else None
    return replace(draft, verdict=AnswerVerdict.READY, valid_until=lasts)


def draft_again(session: Session, answer: Answer) -> AnswerDraft:
    """Return an answer as a draft that says the same again.

    Raises:
        Conflict: the plot has changed since.
    """
    if session.get_one(Plot, answer.plot_id).revision != answer.plot_revision:
        raise Conflict(N_("有地块在答复之后修改过，请先重新答复。"))
    over = session.scalar(select(Reservation.exception).where(Reservation.answer_id == answer.id))
    return replace(as_recorded(answer), over=over or "")


def answer_again(
    session: Session,
    settings: Settings,
    changed: Iterable[tuple[Answer, AnswerDraft]],
    account_id: int | None,
    now: datetime,
) -> list[Answer]:
    """Record what answers say from now on as their next versions, all or none.

    Raises:
        NotFound, Invalid: as `answering.answer_pushes`.
    """
    said: dict[int, list[AnswerDraft]] = defaultdict(list)
    for answer, draft in changed:
        said[answer.push_id].append(draft)
    return answering.answer_pushes(
        session,
        said,
        check=settings.check,
        region=settings.region,
        gate=settings.gate,
        account_id=account_id,
        now=now,
    )
