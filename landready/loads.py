"""What a facility can give and who wants it: "each fits alone, together they do not". Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Kind(StrEnum):
    """How firmly a plot leans on a facility."""

    CONNECTED = "connected"  # its connection was passed: it draws what it needs
    SOLD = "sold"  # reserved, and the land is sold: it does not expire
    HELD = "held"  # reserved by an answer
    LEANING = "leaning"  # pushed, or answered and listed, without a reservation that still holds


class Fit(StrEnum):
    """Does what a plot needs fit what is left when its turn comes?"""

    FITS = "fits"
    ALONE = "alone"  # it would not fit if it were the only one
    TOGETHER = "together"  # alone it would fit, after those before it it does not
    NOT_STATED = "not_stated"  # the enterprise has not said what the facility can give
    UNKNOWN = "unknown"  # nobody knows what the plot needs


@dataclass(frozen=True, slots=True)
class Claim:
    """What one plot wants of a facility, in the unit of its utility; `low` and `high` None: not known.

    `since` is when it was reserved, or pushed; `until` the last day of a reservation. `exception`: why it was reserved although
    it did not fit. `plot_id` and `code` are empty where the asker may not know whose plot it is.
    """

    plot_id: int | None
    code: str
    kind: Kind
    low: float | None
    high: float | None
    since: datetime
    until: date | None = None
    exception: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One claim in its turn: what is wanted up to and with it, as far as it is known, and whether it still fits."""

    claim: Claim
    total_low: float
    total_high: float
    fit: Fit


@dataclass(frozen=True, slots=True)
class Load:
    """All claims on one facility in order: `spare` is what the enterprise stated; None: nothing, which is neither 0 nor enough."""

    spare: float | None
    lines: tuple[Line, ...]

    @property
    def total_low(self) -> float:
        return self.lines[-1].total_low if self.lines else 0.0

    @property
    def total_high(self) -> float:
        return self.lines[-1].total_high if self.lines else 0.0

    @property
    def unknown(self) -> int:
        """How many plots want something that nobody knows: the totals are then at least so much."""
        return sum(line.claim.high is None for line in self.lines)

    @property
    def held(self) -> float:
        """What is reserved, sold or connected, at the upper end."""
        return sum(x.claim.high or 0.0 for x in self.lines if x.claim.kind is not Kind.LEANING)

    @property
    def left(self) -> float | None:
        """What is stated free and not reserved; below zero where more was reserved with a recorded reason."""
        return None if self.spare is None else self.spare - self.held

    @property
    def over(self) -> bool:
        return self.spare is not None and self.total_high > self.spare

    @property
    def surely_over(self) -> bool:
        """Is it over even at the lower end of every range?"""
        return self.spare is not None and self.total_low > self.spare

    @property
    def together(self) -> tuple[Claim, ...]:
        """The plots of which each fits alone and that do not fit together; empty: they do, or one does not even alone."""
        if not self.over or any(line.fit is Fit.ALONE for line in self.lines):
            return ()
        return tuple(line.claim for line in self.lines if line.claim.high)

    @property
    def result(self) -> Fit:
        """The whole in one word."""
        if self.spare is None:
            return Fit.NOT_STATED
        if self.over:
            return Fit.TOGETHER if self.together else Fit.ALONE
        return Fit.UNKNOWN if self.unknown else Fit.FITS


def load(spare: float | None, claims: Iterable[Claim]) -> Load:
    """Add up claims in the order in which they are given: first come, first reserved, then who only leans."""
    lines: list[Line] = []
    low = high = 0.0
    for claim in claims:
        low, high = low + (claim.low or 0.0), high + (claim.high or 0.0)
        lines.append(Line(claim, low, high, _fit(spare, claim, high)))
    return Load(spare, tuple(lines))


def _fit(spare: float | None, claim: Claim, total: float) -> Fit:
    if spare is None:
        return Fit.NOT_STATED
    if claim.high is None:
        return Fit.UNKNOWN
    if claim.high > spare:
        return Fit.ALONE
    return Fit.TOGETHER if total > spare else Fit.FITS


def age_days(stated_at: datetime, now: datetime) -> int:
    """Whole days since a capacity was stated; both moments are aware."""
    return max(0, (now - stated_at).days)


def names(claims: Sequence[Claim], most: int = 10) -> str:
    """The codes of the plots that the asker may know, for a sentence; of many the first."""
    codes = [claim.code for claim in claims if claim.code]
    return "、".join([*codes[:most], "…"] if len(codes) > most else codes)
