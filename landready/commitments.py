"""The commitment ledger follows the answers: each "ready by D" makes a commitment, each correction supersedes it (R4).

Called in the transaction of the answers, whatever way they came in: the form, many at once, a sheet, the API or a link.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from geo.problems import N_
from landready.answers import Answer, AnswerVerdict
from landready.clock import today
from landready.db import actor_of
from landready.errors import Conflict, NotFound
from landready.layers import Facility
from landready.pushes import Push
from landready.reservations import Reservation
from landready.works import (
    COMPLETION,
    FACILITY,
    TITLE,
    Commitment,
    CommitmentState,
    Milestone,
    Works,
)

Key = tuple[int, str]
_BECOMES = {
    AnswerVerdict.READY_BY: CommitmentState.SUPERSEDED,
    AnswerVerdict.READY: CommitmentState.UNPROVEN,
    AnswerVerdict.NOT_POSSIBLE: CommitmentState.WITHDRAWN,
    AnswerVerdict.NOT_CONCERNED: CommitmentState.WITHDRAWN,
}


def follow(session: Session, made: Sequence[Answer], now: datetime) -> None:
    """Close the promises that new answers of one enterprise replace, and make those that they give.

    A promise that replaces another keeps its first day and stays in its works while the works still end on one day.
    """
    before = _open(session, made)
    promising = [a for a in made if a.verdict == AnswerVerdict.READY_BY]
    moving = _moving(session, promising, before)
    for answer in made:
        if (old := before.get((answer.plot_id, answer.utility))) is not None:
            old.state, old.closed_at = _BECOMES[AnswerVerdict(answer.verdict)], now
    session.flush()
    facilities = _facilities(session, promising)
    for answer in promising:
        assert answer.ready_by is not None  # noqa: S101 - the database demands it
        old = before.get((answer.plot_id, answer.utility))
        works = _works_of(session, answer, answer.ready_by, old, moving, facilities, now)
        session.add(
            Commitment(
                answer_id=answer.id,
                works_id=works.id,
                plot_id=answer.plot_id,
                enterprise_id=answer.enterprise_id,
                office_id=answer.office_id,
                utility=answer.utility,
                first_on=old.first_on if old else answer.ready_by,
                due_on=answer.ready_by,
                made_at=now,
            )
        )
    session.flush()


def own_works(session: Session, works_id: int, *, lock: bool = False) -> Works:
    """Return works of the asker's enterprise.

    Raises:
        NotFound: they are not the asker's.
    """
    query = select(Works).where(
        Works.id == works_id, Works.enterprise_id == actor_of(session).organisation_id
    )
    if lock:
        _hold_pushes(session, works_id)
        query = query.with_for_update(of=Works).execution_options(populate_existing=True)
    works = session.scalar(query)
    if works is None:
        raise NotFound
    return works


def open_promises(session: Session, works_id: int) -> Sequence[Commitment]:
    """Return the promises that works still have to keep, by plot."""
    return session.scalars(
        select(Commitment)
        .where(Commitment.works_id == works_id, Commitment.state == CommitmentState.OPEN)
        .order_by(Commitment.plot_id)
    ).all()


def may_join(session: Session, works: Works) -> Sequence[Works]:
    """Return the other works that these could be joined with: of the same enterprise, office, utility and end."""
    return session.scalars(
        select(Works)
        .join(Works.milestones)
        .where(
            Works.id != works.id,
            Works.enterprise_id == works.enterprise_id,
            Works.office_id == works.office_id,
            Works.utility == works.utility,
            Milestone.completes,
            Milestone.done_on.is_(None),
            Milestone.planned_on == works.ends_on,
            Works.commitments.any(Commitment.state == CommitmentState.OPEN),
        )
        .options(selectinload(Works.commitments).joinedload(Commitment.plot))
        .order_by(Works.id)
    ).all()


def join(session: Session, works_id: int, other_id: int) -> Works:
    """Let works serve the plots of other works too; no promise changes by that.

    Raises:
        NotFound: the works are not the asker's.
        Conflict: the other ones differ in office, utility or end, are completed, or are nobody's.
    """
    works = own_works(session, works_id)
    _hold_pushes(session, works_id, other_id)
    session.execute(
        select(Works.id)
        .where(Works.id.in_((works_id, other_id)), Works.enterprise_id == works.enterprise_id)
        .order_by(Works.id)
        .with_for_update(of=Works)
    )
    if other_id not in {w.id for w in may_join(session, works)}:
        raise Conflict(
            N_("只能合并同一部门、同一服务、完工日期相同且没有完工的工程。请先改成同一天。")
        )
    for promise in open_promises(session, other_id):
        promise.works_id = works_id
    session.flush()
    session.expire_all()
    return works


def separate(session: Session, works_id: int, plot_id: int, now: datetime) -> Works:
    """Give one plot of joined works a works project of its own, with the same end.

    Raises:
        NotFound: the works are not the asker's.
        Conflict: they serve no such plot, or it alone.
    """
    works = own_works(session, works_id, lock=True)
    promises = open_promises(session, works_id)
    found = next((c for c in promises if c.plot_id == plot_id), None)
    if found is None or len(promises) == 1:
        raise Conflict(N_("这项工程不服务这个地块，或者只服务这一个地块。"))
    answer = session.get_one(Answer, found.answer_id)
    made = _new(session, answer, found.due_on, works.facility, now)
    made.starts_on = works.starts_on
    found.works_id = made.id
    session.flush()
    session.expire_all()
    return made


def _hold_pushes(session: Session, *works_ids: int) -> None:
    """Lock the pushes that works keep promises to, before the works: who answers holds its push, then promises and works."""
    answered = (
        select(Answer.push_id)
        .join(Commitment, Commitment.answer_id == Answer.id)
        .where(Commitment.works_id.in_(works_ids), Commitment.state == CommitmentState.OPEN)
    )
    session.execute(
        select(Push.id)
        .where(Push.id.in_(answered), Push.enterprise_id == actor_of(session).organisation_id)
        .order_by(Push.id)
        .with_for_update(of=Push, key_share=True)
    )


def _open(session: Session, made: Sequence[Answer]) -> dict[Key, Commitment]:
    """The open promises for the plots and utilities of these answers."""
    rows = session.scalars(
        select(Commitment)
        .where(
            Commitment.enterprise_id.in_({a.enterprise_id for a in made}),
            Commitment.plot_id.in_({a.plot_id for a in made}),
            Commitment.state == CommitmentState.OPEN,
        )
        .order_by(Commitment.id)
        .with_for_update(of=Commitment)
    )
    return {(c.plot_id, c.utility): c for c in rows}


def _moving(
    session: Session, promising: Sequence[Answer], before: Mapping[Key, Commitment]
) -> set[int]:
    """Works all of whose open promises are replaced at once by one same day: they move as a whole."""
    days: dict[int, set[date | None]] = defaultdict(set)
    replaced: dict[int, set[int]] = defaultdict(set)
    for answer in promising:
        if (old := before.get((answer.plot_id, answer.utility))) is not None:
            days[old.works_id].add(answer.ready_by)
            replaced[old.works_id].add(old.id)
    open_ = session.execute(
        select(Commitment.works_id, Commitment.id).where(
            Commitment.works_id.in_(days), Commitment.state == CommitmentState.OPEN
        )
    )
    held: dict[int, set[int]] = defaultdict(set)
    for works_id, commitment_id in open_:
        held[works_id].add(commitment_id)
    return {w for w, ds in days.items() if len(ds) == 1 and replaced[w] == held[w]}


def _works_of(
    session: Session,
    answer: Answer,
    due_on: date,
    old: Commitment | None,
    moving: set[int],
    facilities: Mapping[int, str],
    now: datetime,
) -> Works:
    """The works that an answer's promise rests on: those of the promise before it, else works of its own."""
    facility = facilities.get(answer.id, "")
    if old is None:
        return _new(session, answer, due_on, facility, now)
    works = session.get_one(Works, old.works_id)
    if works.id in moving:
        _move(works, due_on)
        if works.title == _title(session.get_one(Answer, old.answer_id)):
            works.title = _title(answer)
        return works
    return works if works.ends_on == due_on else _new(session, answer, due_on, facility, now)


def _move(works: Works, due_on: date) -> None:
    """Let works end on another day; nothing of them is planned after it."""
    works.starts_on = min(works.starts_on, due_on)
    for step in works.milestones:
        if step.done_on is None:
            step.planned_on = due_on if step.completes else min(step.planned_on, due_on)


def _new(session: Session, answer: Answer, due_on: date, facility: str, now: datetime) -> Works:
    both = {"enterprise_id": answer.enterprise_id, "office_id": answer.office_id}
    works = Works(
        utility=answer.utility,
        title=_title(answer),
        facility=facility[:FACILITY],
        starts_on=today(now),
        made_at=now,
        made_by=answer.answered_by,
        milestones=[Milestone(title=COMPLETION, planned_on=due_on, completes=True, **both)],
        **both,
    )
    session.add(works)
    session.flush()
    return works


def _title(answer: Answer) -> str:
    """The works as the answer describes them, without the full stop of a sentence."""
    return answer.works[:TITLE].rstrip("。.") or answer.works[:TITLE]


def _facilities(session: Session, made: Sequence[Answer]) -> dict[int, str]:
    """By answer, the name of the facility at which it reserves."""
    rows = session.execute(
        select(Reservation.answer_id, Facility.name)
        .join(Facility, Facility.id == Reservation.facility_id)
        .where(Reservation.answer_id.in_([a.id for a in made]))
    )
    return {answer_id: name for answer_id, name in rows}  # noqa: C416 - rows are no pairs to mypy
