"""1,000,000 random deadlines against an independent calendar: the chinesecalendar package, on the years that are announced.

`make deadlines`, or `python bench/deadlines.py COUNT SEED`. Each case is a start, a number of working days and up to three
pauses; the oracle knows only the list of working days of the other calendar and looks the day up in it.
"""

import random
import sys
import time
from bisect import bisect_right
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta

import chinese_calendar

from landready import clock

FIRST, LAST = date(min(clock.ANNOUNCED.years), 1, 1), date(max(clock.ANNOUNCED.years), 12, 31)
SPAN = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
WORKED = [day for day in SPAN if chinese_calendar.is_workday(day)]


def wrong(count: int, seed: int) -> tuple[int, int, list[str]]:
    """Try `count` deadlines; how many were tried within the announced years, how many differ, and the first of those."""
    chance = random.Random(seed)
    tried, differ, told = 0, 0, []
    while tried < count:
        start, days = chance.choice(SPAN), chance.randint(1, 60)
        pauses = []
        if chance.random() < 0.3:
            for _ in range(chance.randint(1, 3)):
                first = start + timedelta(days=chance.randint(-10, 90))
                last = first + timedelta(days=chance.randint(0, 20))
                pauses.append(clock.Pause(first, last, "x"))
        expected = _oracle(start, days, [(p.first, p.last) for p in pauses])
        if expected is None:
            continue
        tried += 1
        found = clock.due(start, days, pauses=pauses)
        if found.day != expected or found.provisional:
            differ += 1
            told.append(f"{start} + {days} {pauses}: {found.day}, not {expected}")
    return tried, differ, told[:5]


def _oracle(start: date, days: int, pauses: list[tuple[date, date]]) -> date | None:
    """The day by looking it up in the list of worked days; None past the announced years."""
    at = bisect_right(WORKED, start)
    if not pauses:
        return WORKED[at + days - 1] if at + days <= len(WORKED) else None
    for day in WORKED[at:]:
        days -= not any(first <= day <= last for first, last in pauses)
        if not days:
            return day
    return None


def main() -> None:
    """Print how many deadlines were tried and how many differ; exit 1 if one does."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    parts, begun = 2, time.monotonic()
    with ProcessPoolExecutor(parts) as pool:
        found = list(
            pool.map(wrong, [-(-count // parts)] * parts, range(seed * parts, seed * parts + parts))
        )
    tried, differ = (sum(column) for column in list(zip(*found, strict=True))[:2])
    print(f"deadlines: {tried:,} tried, {differ} differ, {FIRST} to {LAST}, {time.monotonic() - begun:.0f} s")  # fmt: skip
    for line in [line for *_, lines in found for line in lines]:
        print(line)
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
