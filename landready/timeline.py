"""Works over time (建设时序): what every enterprise builds, from when to when, for which plots; the data of the Gantt page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager, joinedload, selectinload

from landready import clock
from landready.errors import NotFound
from landready.organisations import Organisation
from landready.plans import Plot
from landready.works import Commitment, CommitmentState, Works

# Completed works stay on the page that long.
SHOWN_DAYS = 366


class Progress(StrEnum):
    """Where works stand, for a colour and a word."""

    DONE = "done"
    DONE_LATE = "done_late"
    MISSED = "missed"
    NEAR = "near"  # as near as the first warning
    SLIPPED = "slipped"  # later than first promised
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Line:
    """Works with the promises that count. `first_on` is the earliest day that was promised first."""

    works: Works
    promises: Sequence[Commitment]
    progress: Progress
    first_on: date
    ends_on: date
    done_on: date | None

    @property
    def open(self) -> bool:
        """Is there a promise to keep?"""
        return any(p.state == CommitmentState.OPEN for p in self.promises)

    @property
    def last(self) -> date:
        """The day on which the bar ends."""
        return max(self.ends_on, self.done_on or self.ends_on)


def progress(
    first_on: date, ends_on: date, done_on: date | None, today: date, warn_days: int
) -> Progress:
    """Say where works stand on `today`; near means that at most `warn_days` working days are left. Pure."""
    if done_on:
        return Progress.DONE if done_on <= first_on else Progress.DONE_LATE
    if ends_on < today:
        return Progress.MISSED
    if today >= clock.before(ends_on, warn_days):
        return Progress.NEAR
    return Progress.SLIPPED if ends_on > first_on else Progress.PLANNED


def timeline(
    session: Session,
    now: datetime,
    warn_days: int,
    *,
    plan_id: int | None = None,
    enterprise_id: int | None = None,
    city: str = "",
) -> list[Line]:
    """Return the works that the asker may see, by enterprise and end; completed ones for a year, taken-back ones not at all."""
    query = (
        select(Works)
        .join(Works.commitments)
        .join(Commitment.plot)
        .where(Commitment.state.in_((CommitmentState.OPEN, CommitmentState.KEPT)))
        .options(
            contains_eager(Works.commitments).contains_eager(Commitment.plot),
            selectinload(Works.milestones),
            joinedload(Works.enterprise),
        )
    )
    if plan_id is not None:
        query = query.where(Plot.plan_id == plan_id)
    if enterprise_id is not None:
        query = query.where(Works.enterprise_id == enterprise_id)
    if city:
        query = query.join(Organisation, Organisation.id == Works.office_id).where(
            Organisation.city == city
        )
    found = session.scalars(query.execution_options(populate_existing=True)).unique().all()
    day = clock.today(now)
    lines = [line_of(works, day, warn_days) for works in found]
    kept = [x for x in lines if x.open or (day - x.last).days <= SHOWN_DAYS]
    return sorted(kept, key=lambda x: (x.works.enterprise.name, x.ends_on, x.works.id))


def line_of(works: Works, day: date, warn_days: int) -> Line:
    """Return works as a line; their promises are those loaded with them that nothing has replaced."""
    promises = works.current
    done_on = works.completion.done_on
    first_on = min((p.first_on for p in promises), default=works.ends_on)
    stands = progress(first_on, works.ends_on, done_on, day, warn_days)
    return Line(works, promises, stands, first_on, works.ends_on, done_on)


def works_page(session: Session, works_id: int, now: datetime, warn_days: int) -> Line:
    """Return works that the asker may see.

    Raises:
        NotFound: there are none, or they are another's.
    """
    works = session.scalar(
        select(Works)
        .where(Works.id == works_id)
        .options(selectinload(Works.commitments).joinedload(Commitment.plot))
    )
    if works is None:
        raise NotFound
    return line_of(works, clock.today(now), warn_days)
