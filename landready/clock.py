"""Working days of the Chinese calendar, adjusted working weekends included, and the deadlines counted with them.

Days of the law are working days (行政许可法 第八十二条). The calendar is what the State Council announced for each year; a year
without an announcement has plain weekends and every date counted through it is provisional. A notice may also move the last
days of the December before it (2018-12-31 was such a day): those are taken as the older notice has them.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

from geo.problems import N_

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOLIDAYS = Path(__file__).parent / "data" / "holidays.csv"
# Names as the notices write them, here so that they are translated; a test compares them with the file.
NAMES = (
    N_("元旦"),
    N_("春节"),
    N_("清明节"),
    N_("劳动节"),
    N_("端午节"),
    N_("中秋节"),
    N_("国庆节"),
    N_("国庆节、中秋节"),
)
ONE_DAY = timedelta(days=1)
# Nobody plans a hundred years ahead: a year was mistyped.
_FARTHEST = timedelta(days=36_525)
TOO_FAR = N_("日期 {day} 在一百年以后，请核对年份。")
# Seconds by which the clocks of a machine and of the database may differ; no certificate may be issued a minute ahead.
APART_S = 30


@dataclass(frozen=True)
class Calendar:
    """Announced days off and announced working weekends, each with the holiday it belongs to."""

    off: Mapping[date, str]
    work: Mapping[date, str]

    @cached_property
    def years(self) -> frozenset[int]:
        """The years that have an announcement."""
        return frozenset(day.year for day in (*self.off, *self.work))

    def announced(self, day: date) -> bool:
        return day.year in self.years

    def is_working(self, day: date) -> bool:
        """Is `day` worked? In a year without announcement: is it Monday to Friday?"""
        return day in self.work or (day.weekday() < 5 and day not in self.off)


def too_far(day: date, today: date) -> bool:
    """Is `day` so far ahead that its year must be wrong? `TOO_FAR` says so."""
    return day - today > _FARTHEST


@dataclass(frozen=True, slots=True)
class Note:
    """One step of a reckoning: a Chinese sentence marked by `N_` with named `{placeholders}` that `params` fill."""

    text: str
    params: Mapping[str, object] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The sentence in Chinese, filled in."""
        return self.text.format(**self.params)


@dataclass(frozen=True, slots=True)
class Pause:
    """Days on which a clock stands still, `first` and `last` among them, and why."""

    first: date
    last: date
    reason: str

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Due:
    """The last day of a period, whether a later announcement may move it, and how it was reckoned."""

    day: date
    provisional: bool
    explained: tuple[Note, ...]


def load(path: Path = HOLIDAYS) -> Calendar:
    """Read a calendar from a CSV with the columns date (ISO), name, kind (off|work)."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [(date.fromisoformat(r["date"]), r["name"], r["kind"]) for r in csv.DictReader(file)]
    return Calendar(
        off={day: name for day, name, kind in rows if kind == "off"},
        work={day: name for day, name, kind in rows if kind == "work"},
    )


ANNOUNCED = load()


def today(now: datetime) -> date:
    """Return the date in Asia/Shanghai at the aware moment `now`."""
    if now.tzinfo is None:
        raise ValueError("a moment without a time zone has no date")
    return now.astimezone(SHANGHAI).date()


def next_day(now: datetime) -> datetime:
    """Return the moment at which the day of `today` ends."""
    return datetime.combine(today(now) + ONE_DAY, time(), SHANGHAI)


def due(
    start: date, days: int, calendar: Calendar = ANNOUNCED, pauses: Sequence[Pause] = ()
) -> Due:
    """Return the `days`-th working day after `start` that lies in no pause; `start` itself is not counted.

    Raises:
        ValueError: `days` is less than one.
    """
    if days < 1:
        raise ValueError(f"a period has at least one working day, not {days}")
    passed = []
    day, left = start, days
    while left:
        day += ONE_DAY
        passed.append(day)
        left -= _counts(day, calendar, pauses)
    unknown = sorted({d.year for d in passed if not calendar.announced(d)})
    notes = [
        Note(
            N_("从 {start} 的次日起算，第 {days} 个工作日是 {day}。"),
            {"start": start, "days": days, "day": day},
        ),
        *_skipped(passed, calendar, pauses),
        *(
            Note(
                N_("{year} 年放假安排尚未公布，暂按周六、周日休息推算，公布后可能变动。"),
                {"year": year},
            )
            for year in unknown
        ),
    ]
    return Due(day, bool(unknown), tuple(notes))


def working_days(
    start: date, end: date, calendar: Calendar = ANNOUNCED, pauses: Sequence[Pause] = ()
) -> int:
    """Count the working days after `start` up to and including `end`, pauses left out; 0 when `end` is not after `start`."""
    return sum(_counts(day, calendar, pauses) for day in _days(start + ONE_DAY, end))


def before(end: date, days: int, calendar: Calendar = ANNOUNCED) -> date:
    """Return the day from which on `days` working days are left until the end of `end`, `end` itself counted.

    Raises:
        ValueError: `days` is less than one.
    """
    if days < 1:
        raise ValueError(f"a period has at least one working day, not {days}")
    day, left = end, days
    while left := left - calendar.is_working(day):
        day -= ONE_DAY
    return day


def _counts(day: date, calendar: Calendar, pauses: Sequence[Pause]) -> bool:
    return calendar.is_working(day) and not any(day in pause for pause in pauses)


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += ONE_DAY


def _skipped(
    passed: list[date], calendar: Calendar, pauses: Sequence[Pause] = ()
) -> Iterator[Note]:
    """Say which days were not counted and which weekends were."""
    reasons = [(day, *_why(day, calendar, pauses)) for day in passed]
    for (kind, name), group in groupby(reasons, lambda r: (r[1], r[2])):
        span = [day for day, *_ in group]
        named = {"first": span[0], "last": span[-1], "name": name}
        if kind == "off":
            yield Note(N_("{first} 至 {last} {name}放假，不计入。"), named)
        elif kind == "pause":
            yield Note(N_("{first} 至 {last} 暂停计时（{name}），不计入。"), named)
        elif kind == "work":
            for day in span:
                yield Note(N_("{day} 因{name}调休上班，计入。"), {"day": day, "name": name})
    if weekend := sum(kind == "weekend" for _, kind, _ in reasons):
        yield Note(N_("另有周末 {count} 天不计入。"), {"count": weekend})


def _why(day: date, calendar: Calendar, pauses: Sequence[Pause]) -> tuple[str, str]:
    """What kind of day it is, and the holiday or the reason that makes it so."""
    for pause in pauses:
        if day in pause:
            return "pause", pause.reason
    if day in calendar.off:
        return "off", calendar.off[day]
    if day in calendar.work:
        return "work", calendar.work[day]
    return ("plain" if calendar.is_working(day) else "weekend"), ""
