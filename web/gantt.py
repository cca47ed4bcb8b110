"""Where works stand on a page that runs from left to right: days become percent of the width."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from geo.problems import N_
from landready.timeline import Line

# Where works stand, and what became of a promise.
PROGRESS = {
    "done": N_("按期完工"),
    "done_late": N_("延期完工"),
    "missed": N_("承诺逾期"),
    "near": N_("临近承诺日期"),
    "slipped": N_("已延期"),
    "planned": N_("按计划"),
}
PROMISES = {
    "kept": N_("按期兑现"),
    "late": N_("延期兑现"),
    "missed": N_("首次承诺逾期"),
    "open": N_("未到期"),
    "unproven": N_("改答已具备但无依据"),
    "withdrawn": N_("收回承诺"),
}
# So far back, and so far ahead at the most; what lies beyond is cut off at the edge.
_BACK, _AHEAD = timedelta(days=183), timedelta(days=3 * 366)
# Percent of the width from which on no name of a month fits in.
_FIT = 94


@dataclass(frozen=True, slots=True)
class Month:
    """The beginning of a month; `labelled` where there is room for its name, first of all in January."""

    day: date
    left: float
    labelled: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """`days` from `first` on, over the whole width."""

    first: date
    days: int
    today: date
    months: Sequence[Month]

    def at(self, day: date) -> float:
        """Percent from the left edge."""
        return min(100.0, max(0.0, round(100 * (day - self.first).days / self.days, 3)))

    def width(self, start: date, end: date) -> float:
        return round(max(0.8, self.at(end) - self.at(start)), 3)

    @property
    def last(self) -> date:
        return self.first + timedelta(days=self.days)

    def holds(self, day: date) -> bool:
        return self.first <= day <= self.last


def chart(lines: Iterable[Line], today: date) -> Chart:
    """Return the span that holds these works and today, in whole months and with room to move an end to the right."""
    spans = [(line.works.starts_on, line.last) for line in lines]
    begins = max(min([today, *(start for start, _ in spans)]), today - _BACK)
    ends = min(max([today, *(end for _, end in spans)]), today + _AHEAD)
    first, last = begins.replace(day=1), _next(_next(_next(ends)))
    months = [first]
    while (month := _next(months[-1])) < last:
        months.append(month)
    step = 1 if len(months) <= 14 else 2 if len(months) <= 26 else 3
    days = (last - first).days
    return Chart(
        first,
        days,
        today,
        [
            Month(m, left, (m.month - 1) % step == 0 and left < _FIT)
            for m in months
            for left in [round(100 * (m - first).days / days, 3)]
        ],
    )


def by_enterprise(lines: Sequence[Line]) -> list[tuple[int, list[Line]]]:
    """Group lines that come in the order of their enterprises."""
    grouped = groupby(lines, key=lambda line: line.works.enterprise_id)
    return [(enterprise_id, list(group)) for enterprise_id, group in grouped]


def _next(month: date) -> date:
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)
