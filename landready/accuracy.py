"""How answers fared: each is scored once, by what became of it. Pure rules with a stated definition.

An answer is scored when a fact speaks: its plot's project was connected by the enterprise that answered, or a dispute about
that version was sustained. What nobody acted on says nothing of it and is not counted.

*Confirmed*: "ready" and connected within `connected_days` working days of handling, without works beyond the connection; or
"ready by D" and connected by D, or within those days of handling where the application came too late for D. *Refuted*: slower
than that; external works were needed after all; connected although "not possible" or "not concerned"; a dispute sustained.
Days of handling are those of landready.items: corrections and special procedures of the applicant do not count.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from landready.answers import AnswerVerdict

# Of a two-sided 95 % interval.
_Z = 1.959964


class Outcome(StrEnum):
    """What a later fact made of an answer."""

    AS_SAID = "as_said"
    BY_DATE = "by_date"
    SLOW = "slow"
    LATE = "late"
    WORKS = "works"
    ANYWAY = "anyway"
    SUSTAINED = "sustained"

    @property
    def confirmed(self) -> bool:
        return self in (Outcome.AS_SAID, Outcome.BY_DATE)


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection that was made: on which day, after how many working days of handling, and whether outside works were needed."""

    on: date
    handled_days: int
    external_works: bool


def outcome(
    verdict: AnswerVerdict,
    ready_by: date | None,
    connected: Connected | None,
    *,
    sustained: bool,
    limit: int,
) -> Outcome | None:
    """Score one answer version; None: no fact speaks of it. `limit`: working days of handling a ready plot may take."""
    if sustained:
        return Outcome.SUSTAINED
    if connected is None:
        return None
    in_time = connected.handled_days <= limit
    match verdict:
        case AnswerVerdict.READY if connected.external_works:
            return Outcome.WORKS
        case AnswerVerdict.READY:
            return Outcome.AS_SAID if in_time else Outcome.SLOW
        case AnswerVerdict.READY_BY:
            kept = ready_by is not None and connected.on <= ready_by
            return Outcome.BY_DATE if kept or in_time else Outcome.LATE
        case _:
            return Outcome.ANYWAY


@dataclass(frozen=True, slots=True)
class Record:
    """`n` scored answers, the newest of an enterprise in a city. Below `least` of them there is no share: too few to tell."""

    n: int
    confirmed: int
    outcomes: Mapping[Outcome, int]
    least: int

    @property
    def enough(self) -> bool:
        return self.n >= self.least

    @property
    def share(self) -> float | None:
        return self.confirmed / self.n if self.enough else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's score interval of the share, 95 %."""
        return wilson(self.confirmed, self.n) if self.enough else None


def record(outcomes: Sequence[Outcome], *, least: int, last: int) -> Record:
    """Sum up the newest `last` outcomes of a list from oldest to newest."""
    kept = outcomes[-last:]
    return Record(len(kept), sum(o.confirmed for o in kept), Counter(kept), least)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return Wilson's score interval for a share (E. B. Wilson 1927), without continuity correction.

    Raises:
        ValueError: `n` is not positive.
    """
    if n < 1:
        raise ValueError("nothing was counted")
    p, z2 = successes / n, _Z * _Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
