"""On which facility a plot leans while nothing is reserved for it, from its newest checks and the answers that were given."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.orm import Session

from landready.answers import Answer, AnswerVerdict
from landready.checks import Check, NearFacility
from landready.db import as_engine
from landready.layers import Facility
from landready.listings import Listing
from landready.pushes import PushPlot

Pair = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Near:
    """A facility in the newest check of a plot, by rank."""

    root: int
    enterprise_id: int
    distance_m: float


def root() -> ColumnElement[int]:
    """The id under which a facility is known through all versions of its layer."""
    return func.coalesce(Facility.same_as, Facility.id)


def among(column: Any, ids: Iterable[int]) -> ColumnElement[bool]:  # noqa: ANN401 - mapped column
    """One array: a plan's checks are more than a statement may have parameters."""
    among: ColumnElement[bool] = column == any_(literal(list(ids), ARRAY(BigInteger)))
    return among


def roots(session: Session, facility_ids: Collection[int]) -> dict[int, int]:
    """Return the lasting id of each row of `facility`."""
    with as_engine(session):
        rows = session.execute(select(Facility.id, root()).where(among(Facility.id, facility_ids)))
        return dict(rows.all())


def leans_on(
    session: Session, plot_ids: Sequence[int], reserved: Collection[Pair]
) -> dict[Pair, int]:
    """The facility on which each plot leans for a utility while nothing is reserved for it.

    The nearest of an enterprise that said yes, else of one that was asked and has not said no. Land that was taken off the
    market leans on nothing.
    """
    asked: dict[Pair, set[int]] = defaultdict(set)
    for row in session.execute(
        select(PushPlot.plot_id, PushPlot.utility, PushPlot.enterprise_id).where(
            among(PushPlot.plot_id, plot_ids)
        )
    ):
        asked[row.plot_id, row.utility].add(row.enterprise_id)
    said = {
        (a.plot_id, a.utility, a.enterprise_id): a.verdict
        for a in session.execute(
            select(Answer.plot_id, Answer.utility, Answer.enterprise_id, Answer.verdict)
            .ext(distinct_on(Answer.plot_id, Answer.utility, Answer.enterprise_id))
            .where(among(Answer.plot_id, plot_ids))
            .order_by(Answer.plot_id, Answer.utility, Answer.enterprise_id, Answer.version.desc())
        )
    }
    off = set(_withdrawn(session, plot_ids))
    found: dict[Pair, int] = {}
    for pair, choice in near(session, plot_ids).items():
        if pair in reserved or pair[0] in off:
            continue
        choices = [
            (_willing(said.get((*pair, one.enterprise_id))), number, one.root)
            for number, one in enumerate(choice)
            if one.enterprise_id in asked[pair]
        ]
        best = min((c for c in choices if c[0] < _NO), default=None)
        if best:
            found[pair] = best[2]
    return found


_NO = 2


def _willing(verdict: str | None) -> int:
    if verdict in (AnswerVerdict.READY, AnswerVerdict.READY_BY):
        return 0
    return 1 if verdict is None else _NO


def _withdrawn(session: Session, plot_ids: Sequence[int]) -> Iterable[int]:
    newest = session.execute(
        select(Listing.plot_id, Listing.state)
        .ext(distinct_on(Listing.plot_id))
        .where(among(Listing.plot_id, plot_ids))
        .order_by(Listing.plot_id, Listing.id.desc())
    )
    return (row.plot_id for row in newest if row.state == "withdrawn")


def near(session: Session, plot_ids: Sequence[int]) -> dict[Pair, list[Near]]:
    """The facilities in the newest check of each plot and utility, nearest first.

    In three plain steps: as one statement PostgreSQL takes the newest checks for a single row and goes through all of them
    again for each facility.
    """
    newest = session.execute(
        select(Check.id, Check.plot_id, Check.utility)
        .where(among(Check.plot_id, plot_ids))
        .ext(distinct_on(Check.plot_id, Check.utility))
        .order_by(Check.plot_id, Check.utility, Check.measured_at.desc(), Check.id.desc())
    )
    pairs = {row.id: (row.plot_id, row.utility) for row in newest}
    rows = session.execute(
        select(
            NearFacility.check_id, NearFacility.facility_id,
            NearFacility.enterprise_id, NearFacility.distance_m,
        )
        .where(among(NearFacility.check_id, pairs))
        .order_by(NearFacility.check_id, NearFacility.rank)
    ).all()  # fmt: skip
    lasting = roots(session, {row.facility_id for row in rows})
    found: dict[Pair, list[Near]] = defaultdict(list)
    for row in rows:
        one = Near(lasting[row.facility_id], row.enterprise_id, row.distance_m)
        found[pairs[row.check_id]].append(one)
    return found
