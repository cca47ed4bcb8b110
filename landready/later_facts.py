"""The facts by which answers are scored (landready.accuracy), read from rows each time: nothing of it is stored."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from landready import clock
from landready.accuracy import Connected, Outcome, Record, outcome, record
from landready.annex import State
from landready.answers import Answer, AnswerVerdict
from landready.applications import Application, Item
from landready.disputes import Dispute, DisputeStep, Step
from landready.items import Step as ItemStep
from landready.items import elapsed_days
from landready.settings import Accuracy
from landready.tracker import CONNECTED


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer version and what became of it, at the moment of the fact."""

    answer: Answer
    city: str
    at: datetime
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Fared:
    """How the answers of one enterprise fared in one city."""

    enterprise_id: int
    enterprise: str
    city: str
    record: Record


def fared(
    session: Session,
    terms: Accuracy,
    enterprises: Collection[int] | None = None,
    *,
    city: str = "",
) -> list[Fared]:
    """Return how answers fared, from what the asker may see, by city and enterprise; None: all enterprises, empty: all cities."""
    of_whom: dict[tuple[str, int, str], list[Outcome]] = defaultdict(list)
    for one in scored(session, terms, enterprises):
        if city in ("", one.city):
            said = one.answer
            of_whom[one.city, said.enterprise_id, said.enterprise.name].append(one.outcome)
    return [
        Fared(enterprise_id, name, where, record(found, least=terms.least, last=terms.last))
        for (where, enterprise_id, name), found in sorted(of_whom.items())
    ]


def scored(
    session: Session, terms: Accuracy, enterprises: Collection[int] | None = None
) -> list[Scored]:
    """Return every answer of which a fact speaks, each once, in the order of the facts."""
    refuted = _sustained(session, enterprises)
    items = _connected(session, enterprises)
    stood = _stood(session, items)
    found = {answer.id: Scored(answer, city, at, Outcome.SUSTAINED) for answer, city, at in refuted}
    for item in items:
        answer = stood.get(item.id)
        if answer is None or answer.id in found:
            continue
        at, connected = _fact(item)
        verdict = AnswerVerdict(answer.verdict)
        said = outcome(
            verdict, answer.ready_by, connected, sustained=False, limit=terms.connected_days
        )
        if said is not None:
            found[answer.id] = Scored(answer, item.application.city, at, said)
    return sorted(found.values(), key=lambda one: (one.at, one.answer.id))


def _sustained(
    session: Session, enterprises: Collection[int] | None
) -> Iterable[tuple[Answer, str, datetime]]:
    query = (
        select(DisputeStep.at, Dispute)
        .join(Dispute, Dispute.id == DisputeStep.dispute_id)
        .where(DisputeStep.kind == Step.SUSTAINED)
        .options(joinedload(Dispute.answer), joinedload(Dispute.plot))
        .order_by(DisputeStep.id.desc())
    )
    if enterprises is not None:
        query = query.where(Dispute.enterprise_id.in_(enterprises))
    return [(d.answer, d.plot.city, at) for at, d in session.execute(query)]


def _connected(session: Session, enterprises: Collection[int] | None) -> list[Item]:
    """Connection items that ended in a connection which still stands, the first of each plot first."""
    query = (
        select(Item)
        .join(Item.application)
        .where(
            Item.state.in_([int(state) for state in CONNECTED]),
            Item.utility != "",
            Application.plot_id.is_not(None),
        )
        .options(joinedload(Item.application), selectinload(Item.moves))
        .order_by(Item.state_at, Item.id)
    )
    if enterprises is not None:
        query = query.where(Item.assignee_id.in_(enterprises))
    return list(session.scalars(query))


def _stood(session: Session, items: Iterable[Item]) -> Mapping[int, Answer]:
    """By item, the version that stood when its application came in: what was said afterwards foretold nothing."""
    plots = {item.application.plot_id for item in items}
    said: dict[tuple[int, str, int], list[Answer]] = defaultdict(list)
    for answer in session.scalars(
        select(Answer).where(Answer.plot_id.in_(plots)).order_by(Answer.version)
    ):
        said[answer.plot_id, answer.utility, answer.enterprise_id].append(answer)
    found = {}
    for item in items:
        came = item.application.submitted_at
        versions = said[item.application.plot_id or 0, item.utility, item.assignee_id]
        before = [a for a in versions if came is not None and a.answered_at <= came]
        if before:
            found[item.id] = before[-1]
    return found


def _fact(item: Item) -> tuple[datetime, Connected]:
    steps = [ItemStep(State(move.to_state), move.moved_at) for move in item.moves]
    at = min(step.at for step in steps if step.state in CONNECTED)
    connected = Connected(clock.today(at), elapsed_days(steps, at), item.external_works)
    return at, connected
