"""The record of promises: how many an enterprise kept, kept late, missed or still has before it, against the day first promised.

A date that was moved does not change what was promised first, so nobody improves a record by replanning.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from statistics import median

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload

from landready.db import as_engine
from landready.organisations import Organisation
from landready.works import Commitment, CommitmentState


class Outcome(StrEnum):
    """What a promise counts as, by the day first promised."""

    KEPT = "kept"
    LATE = "late"
    MISSED = "missed"  # the day is past and nothing is done, moved or not
    OPEN = "open"
    UNPROVEN = "unproven"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Promise:
    """What a record looks at of one promise that nothing has replaced."""

    first_on: date
    due_on: date
    state: CommitmentState
    done_on: date | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """Counts by outcome, and the median slip in days of all promises that were kept, missed or moved (None: there is none)."""

    counts: Mapping[Outcome, int]
    median_slip: float | None

    @property
    def total(self) -> int:
        return sum(self.counts.values())


NOTHING = Record(Counter(), None)


def outcome(promise: Promise, today: date) -> Outcome:
    """Say what a promise counts as on `today`. Pure."""
    match promise.state:
        case CommitmentState.KEPT:
            assert promise.done_on is not None  # noqa: S101 - the database demands it
            return Outcome.KEPT if promise.done_on <= promise.first_on else Outcome.LATE
        case CommitmentState.OPEN:
            return Outcome.MISSED if promise.first_on < today else Outcome.OPEN
        case _:
            return Outcome(promise.state.value)


def slip_days(promise: Promise, today: date) -> int | None:
    """Days from the day first promised to the day done, or else to the day now promised, or to `today` when that is past too.

    None: nothing has moved yet, or there is no day to compare with. Early counts as 0.
    """
    if promise.state is CommitmentState.KEPT:
        reached = promise.done_on
    elif promise.state is CommitmentState.OPEN:
        reached = max(promise.due_on, today)
        if reached == promise.first_on:
            return None
    else:
        return None
    return max(0, (reached - promise.first_on).days) if reached else None


def record(promises: Iterable[Promise], today: date) -> Record:
    """Count promises. Pure."""
    promises = list(promises)
    slips = [days for p in promises if (days := slip_days(p, today)) is not None]
    counts = Counter(outcome(p, today) for p in promises)
    return Record(counts, float(median(slips)) if slips else None)


def records(session: Session, enterprise_ids: Collection[int], today: date) -> dict[int, Record]:
    """Return the record of each enterprise over all its plots; public, whoever asks."""
    found: dict[int, list[Promise]] = defaultdict(list)
    with as_engine(session):
        for c in session.scalars(
            _counting().where(Commitment.enterprise_id.in_(list(enterprise_ids)))
        ):
            found[c.enterprise_id].append(_promise(c))
    return {id_: record(found[id_], today) for id_ in enterprise_ids}


def records_by_city(session: Session, today: date) -> dict[str, Record]:
    """Return the record of each city whose promises the asker may see, in code order."""
    found: dict[str, list[Promise]] = defaultdict(list)
    rows = session.execute(
        _counting()
        .join(Organisation, Organisation.id == Commitment.office_id)
        .add_columns(Organisation.city)
    )
    for commitment, city in rows:
        found[city].append(_promise(commitment))
    return {city: record(found[city], today) for city in sorted(found)}


def next_promises(
    session: Session, enterprise_ids: Collection[int], *, limit: int = 5
) -> Sequence[Commitment]:
    """Return the open promises of enterprises that the asker may see, the nearest first."""
    return session.scalars(
        select(Commitment)
        .where(
            Commitment.enterprise_id.in_(list(enterprise_ids)),
            Commitment.state == CommitmentState.OPEN,
        )
        .options(joinedload(Commitment.plot), joinedload(Commitment.works))
        .order_by(Commitment.due_on, Commitment.id)
        .limit(limit)
    ).all()


def promises_for(session: Session, plot_id: int) -> dict[tuple[str, int], Commitment]:
    """By utility and enterprise, the open promise for a plot; public as the answer is."""
    with as_engine(session):
        rows = session.scalars(
            select(Commitment).where(
                Commitment.plot_id == plot_id, Commitment.state == CommitmentState.OPEN
            )
        ).all()
    return {(c.utility, c.enterprise_id): c for c in rows}


def _counting() -> Select[Commitment]:
    return select(Commitment).where(Commitment.state != CommitmentState.SUPERSEDED)


def _promise(c: Commitment) -> Promise:
    return Promise(c.first_on, c.due_on, CommitmentState(c.state), c.done_on)
