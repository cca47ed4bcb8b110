"""What may be paused and what is late: the rules alone, without rows."""

from datetime import UTC, date, datetime, timedelta

import pytest

from landready.deadlines import Deadline, _faults
from landready.pushes import Push

PUSH = Push(pushed_at=datetime(2026, 3, 2, 1, tzinfo=UTC))
START = date(2026, 3, 2)
DAYS = "请填写暂停的第一天和最后一天，最后一天不早于第一天。"
EARLY = "暂停不能早于开始计时的日期 2026-03-02。"
LONG = "一次暂停最多 90 天；到期仍需暂停的，请再登记一次。"
REASON = "请写明暂停的理由，不超过 200 个字。"


@pytest.mark.parametrize(
    ("first", "last", "reason", "told"),
    [
        (START, START, "雨", []),
        (START, START + timedelta(90), "台" * 200, []),
        (None, START, "台风", [("days_unusable", "days", DAYS)]),
        (START, None, "台风", [("days_unusable", "days", DAYS)]),
        (START, START - timedelta(1), "台风", [("days_unusable", "days", DAYS)]),
        (START - timedelta(1), START, "台风", [("days_early", "days", EARLY)]),
        (START, START + timedelta(91), "台风", [("days_long", "days", LONG)]),
        (START, START, "", [("reason_unusable", "reason", REASON)]),
        (START, START, "台" * 201, [("reason_unusable", "reason", REASON)]),
        (
            None,
            None,
            "",
            [("days_unusable", "days", DAYS), ("reason_unusable", "reason", REASON)],
        ),
    ],
)
def test_pause_needs_days_within_the_clock_and_a_reason(first, last, reason, told):
    found = _faults(PUSH, first, last, reason)
    assert [(p.code, p.where, p.message) for p in found] == told
    assert {p.severity for p in found} <= {"error"}


@pytest.mark.parametrize(
    ("met_at", "today", "late"),
    [
        (None, START, False),
        (None, START + timedelta(1), True),
        (datetime(2026, 3, 2, 15, 59, tzinfo=UTC), START + timedelta(9), False),
        (datetime(2026, 3, 2, 16, 0, tzinfo=UTC), START, True),
    ],
)
def test_deadline_is_late_after_its_day_in_shanghai(met_at, today, late):
    assert Deadline("answer", START, False, met_at, ()).late(today) is late
