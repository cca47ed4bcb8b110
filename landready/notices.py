"""When which notice of a deadline stands: rules over days, without rows (landready.reminders keeps and tells them)."""

from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum

from landready import clock
from landready.settings import Clocks


class Notice(StrEnum):
    """What is told of a deadline."""

    BEFORE = "before"
    LATE = "late"
    ESCALATED = "escalated"


def owed(
    due_on: date, today: date, terms: Clocks, calendar: clock.Calendar = clock.ANNOUNCED
) -> Iterator[tuple[Notice, date]]:
    """Say which notices of a running clock stand on `today`, and for which day each is. Pure.

    One reminder from the day on which `remind_days` working days are left; a late notice for each working day after the last
    one, of which only today's is told; the escalation once `escalate_days` working days have passed.
    """
    if not calendar.is_working(today):
        return
    if today <= due_on:
        from_day = clock.before(due_on, terms.remind_days, calendar)
        if today >= from_day:
            yield Notice.BEFORE, from_day
        return
    yield Notice.LATE, today
    escalation = clock.due(due_on, terms.escalate_days, calendar).day
    if today >= escalation:
        yield Notice.ESCALATED, escalation


def owed_works(
    due_on: date, today: date, terms: Clocks, calendar: clock.Calendar = clock.ANNOUNCED
) -> Iterator[tuple[Notice, date]]:
    """Say which notices of works committed to a day stand on `today`, and for which day each is. Pure.

    A warning from each day on which one of `promise_days` working days are left, of those passed by only the last; after the
    day the miss, told once; the escalation once `escalate_days` working days have passed.
    """
    if not calendar.is_working(today):
        return
    if today <= due_on:
        passed = [clock.before(due_on, days, calendar) for days in terms.promise_days]
        if reached := [day for day in passed if day <= today]:
            yield Notice.BEFORE, max(reached)
        return
    yield Notice.LATE, due_on + clock.ONE_DAY
    escalation = clock.due(due_on, terms.escalate_days, calendar).day
    if today >= escalation:
        yield Notice.ESCALATED, escalation


def may_tell(terms: Clocks, now: datetime) -> bool:
    """Has the hour come, in Shanghai, from which on people are told?"""
    return now.astimezone(clock.SHANGHAI).hour >= terms.notices_from
