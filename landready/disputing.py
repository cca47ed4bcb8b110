"""Disputing: challenge an answer, answer the challenge, decide it. Each is recorded for good, with who and when."""

import uuid
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from geo.problems import N_, Problem
from landready import clock, dispute_events
from landready.answers import Answer
from landready.applications import Application
from landready.db import Actor, Role, actor_of, as_engine
from landready.dispute_rules import DisputeDraft, faults, reason_faults
from landready.disputes import (
    DECISIONS,
    Dispute,
    DisputeState,
    DisputeStep,
    Step,
    dispute_of,
)
from landready.errors import Conflict, Invalid, NotFound
from landready.pushes import PushPlot
from landready.settings import Check, Clocks, Region
from landready.shapes import loaded, stored


def challenged(session: Session, answer_id: int) -> tuple[Answer, str]:
    """Return an answer of a plot that concerns the asker, and why it cannot be challenged by them; empty: it can.

    Raises:
        NotFound: there is none, or the plot is neither the office's own, nor under an application of the owner, nor one that
            the enterprise was asked about.
    """
    answer = session.scalar(
        select(Answer).where(Answer.id == answer_id).options(joinedload(Answer.plot))
    )
    if answer is None or not _concerned(session, answer):
        raise NotFound
    if answer.enterprise_id == actor_of(session).organisation_id:
        return answer, N_("这是本单位自己的答复；有误请直接更正，不用提出异议。")
    if _newest(session, answer).id != answer.id:
        return answer, N_("企业已经更正了这项答复，请看最新的一版。")
    if own_dispute(session, answer_id) is not None:
        return answer, N_("您的单位对这项答复已有未了结的异议。")
    return answer, ""


def own_dispute(session: Session, answer_id: int) -> int | None:
    """Return the id of the asker's undecided dispute of an answer."""
    return session.scalar(
        select(Dispute.id).where(
            Dispute.answer_id == answer_id,
            Dispute.challenger_id == actor_of(session).organisation_id,
            Dispute.state != DisputeState.DECIDED,
        )
    )


def challenge(
    session: Session,
    answer_id: int,
    draft: DisputeDraft,
    *,
    check: Check,
    region: Region,
    clocks: Clocks,
    now: datetime,
) -> Dispute:
    """Open a dispute about the newest version of an answer and tell the enterprise; its clock runs from today.

    Raises:
        NotFound: as `challenged`.
        Conflict: it is the asker's own answer, no longer the newest, or in dispute by the asker already.
        Invalid: with every fault of the draft.
    """
    answer, obstacle = challenged(session, answer_id)
    if obstacle:
        raise Conflict(obstacle)
    plot = loaded([answer.plot.geom])[0]
    if found := tuple(faults(draft, plot, check, region)):
        raise Invalid(found, N_("异议没有提出，请按提示补充。"))
    asker = actor_of(session)
    due = clock.due(clock.today(now), clocks.dispute_days)
    shape = draft.shape
    dispute = Dispute(
        answer_id=answer.id,
        push_id=answer.push_id,
        plot_id=answer.plot_id,
        enterprise_id=answer.enterprise_id,
        office_id=answer.office_id,
        utility=answer.utility,
        challenger_id=asker.organisation_id,
        ground=draft.ground,
        reason=draft.reason,
        mark=stored([shape])[0] if shape is not None else None,
        opened_at=now,
        opened_by=asker.account_id,
        due_on=due.day,
        due_provisional=due.provisional,
    )
    try:
        with session.begin_nested():
            session.add(dispute)
    except IntegrityError as error:  # a colleague at the same moment
        raise Conflict(N_("您的单位对这项答复已有未了结的异议。")) from error
    dispute_events.opened(session, dispute)
    return dispute


def uphold(session: Session, dispute_id: int, reason: str, now: datetime) -> DisputeStep:
    """Let the enterprise stand by its answer, with a reason.

    Raises:
        NotFound: no dispute about an answer of the asker's.
        Conflict: answered or decided already.
        Invalid: no usable reason.
    """
    dispute = _against_asker(session, dispute_id)
    return _step(session, dispute, Step.UPHELD, _words(reason), now)


def correct(session: Session, dispute_id: int, reason: str, now: datetime) -> DisputeStep:
    """Name the newest version of the enterprise's answer as its correction; it was recorded as every answer is.

    Raises:
        NotFound: no dispute about an answer of the asker's.
        Conflict: answered or decided already, or no version is newer than the one in dispute.
        Invalid: the words are too long; none are needed, the new version speaks.
    """
    dispute = _against_asker(session, dispute_id)
    newer = newer_version(session, dispute)
    if newer is None:
        text = N_("还没有更正后的答复：请先答复新的一版，再登记为对异议的更正。")
        raise Conflict(text)
    return _step(session, dispute, Step.CORRECTED, _words(reason, needed=False), now, newer.id)


def newer_version(session: Session, dispute: Dispute) -> Answer | None:
    """Return the newest version of the answer in dispute, if it is not the one in dispute itself."""
    newest = _newest(session, dispute.answer)
    return None if newest.id == dispute.answer_id else newest


def decide(
    session: Session, dispute_id: int, decision: str, reason: str, now: datetime
) -> DisputeStep:
    """Let the supervisor decide, once the enterprise answered or its day is over.

    Raises:
        NotFound: no such dispute for the asker.
        Conflict: decided already, or the enterprise still has time; the asker is no supervisor.
        Invalid: no such decision, or no usable reason.
    """
    dispute = dispute_of(session, dispute_id)
    if actor_of(session).role is not Role.SUPERVISOR:
        raise Conflict(N_("异议由监督单位裁定。"))
    found = list(reason_faults(reason.strip()))
    if decision not in DECISIONS:
        found.insert(0, Problem("decision", "error", N_("请选择裁定结果。"), where="decision"))
    if found:
        raise Invalid(tuple(found))
    if dispute.state == DisputeState.OPEN and clock.today(now) <= dispute.due_on:
        text = N_("企业答复异议的期限是 {day}；答复之后，或者期限过后，才能裁定。")
        raise Conflict(text, day=dispute.due_on)
    return _decided(session, dispute, Step(decision), _words(reason), now)


def settle(session: Session, dispute_id: int, reason: str, now: datetime) -> DisputeStep:
    """Let the challenger drop the dispute: the answer, or its correction, convinced them.

    Raises:
        NotFound: no such dispute for the asker.
        Conflict: decided already, or the asker did not open it.
        Invalid: no usable reason.
    """
    dispute = dispute_of(session, dispute_id)
    if dispute.challenger_id != actor_of(session).organisation_id:
        raise Conflict(N_("只有提出异议的单位可以撤回异议。"))
    return _decided(session, dispute, Step.SETTLED, _words(reason), now)


def by_uid(session: Session, uid: uuid.UUID) -> Dispute:
    """Return a dispute about an answer of the asker's by the name it has outside.

    Raises:
        NotFound: there is none.
    """
    found = session.scalar(
        select(Dispute.id).where(
            Dispute.uid == uid, Dispute.enterprise_id == actor_of(session).organisation_id
        )
    )
    if found is None:
        raise NotFound
    return dispute_of(session, found)


def _concerned(session: Session, answer: Answer) -> bool:
    """Is the asker somebody whom the plot of an answer concerns? A plot that is merely public concerns nobody."""
    asker: Actor = actor_of(session)
    mine = asker.organisation_id
    match asker.role:
        case Role.OFFICE:
            return answer.office_id == mine
        case Role.OWNER:
            its = exists().where(
                Application.plot_id == answer.plot_id, Application.owner_id == mine
            )
        case Role.ENTERPRISE:
            its = exists().where(PushPlot.plot_id == answer.plot_id, PushPlot.enterprise_id == mine)
        case _:
            return False
    return bool(session.scalar(select(its)))


def _newest(session: Session, answer: Answer) -> Answer:
    """The newest version of the answer that this is a version of."""
    return session.scalars(
        select(Answer)
        .where(
            Answer.plot_id == answer.plot_id,
            Answer.utility == answer.utility,
            Answer.enterprise_id == answer.enterprise_id,
        )
        .order_by(Answer.version.desc())
        .limit(1)
    ).one()


def _against_asker(session: Session, dispute_id: int) -> Dispute:
    dispute = dispute_of(session, dispute_id)
    if dispute.enterprise_id != actor_of(session).organisation_id:
        raise NotFound
    if dispute.state != DisputeState.OPEN:
        raise Conflict(N_("这项异议已经答复或裁定，记录不再改变。"))
    return dispute


def _step(
    session: Session,
    dispute: Dispute,
    kind: Step,
    words: str,
    now: datetime,
    answer_id: int | None = None,
) -> DisputeStep:
    """Write one step; the database moves the state with it, and refuses what comes too late. Others wait on the row."""
    with as_engine(session):
        session.refresh(dispute, ["state"], with_for_update=True)
    late = dispute.state == DisputeState.DECIDED or (
        kind not in DECISIONS and dispute.state != DisputeState.OPEN
    )
    if late:
        raise Conflict(N_("这项异议已经答复或裁定，记录不再改变。"))
    asker = actor_of(session)
    step = DisputeStep(
        dispute_id=dispute.id,
        kind=kind.value,
        text=words,
        answer_id=answer_id,
        at=now,
        organisation_id=asker.organisation_id,
        account_id=asker.account_id,
    )
    session.add(step)
    session.flush()
    session.refresh(dispute, ["state"])
    return step


def _decided(
    session: Session, dispute: Dispute, kind: Step, words: str, now: datetime
) -> DisputeStep:
    step = _step(session, dispute, kind, words, now)
    dispute_events.decided(session, dispute, step)
    return step


def _words(text: str, *, needed: bool = True) -> str:
    text = text.strip()
    found = tuple(reason_faults(text)) if needed or text else ()
    if found:
        raise Invalid(found)
    return text
