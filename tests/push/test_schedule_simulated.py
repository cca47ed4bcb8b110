"""Ten thousand endpoints on a clock of the test's own: every attempt falls into its window, and the last is the last."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from landready.settings import load
from push.schedule import (
    FAILING,
    Dead,
    Delivered,
    EndpointGone,
    RetryAt,
    again_at_once,
    next_step,
    rest,
    span,
)
from push.transport import Answered, Failed, Fault

START = datetime(2026, 3, 2, 2, tzinfo=UTC)
ENDPOINTS = 10_000
SCHEDULE = load(env={}).push.schedule_s
LONGEST_REST = timedelta(seconds=60)
FAULTS = [one for one in Fault if one is not Fault.LOST]


def answer(dice: random.Random, base: float) -> Answered | Failed:
    """What an endpoint says at one attempt: mostly trouble, so that most come far."""
    kind = dice.random()
    if kind < 0.06:
        return Answered(dice.randrange(200, 300))
    if kind < 0.065:
        return Answered(410)
    if kind < 0.35:
        return Failed(dice.choice(FAULTS))
    if kind < 0.65:
        return Answered(dice.choice([100, 199, 301, 302, 307, 400, 403, 404, 422, 500, 502]))
    return Answered(dice.choice([429, 503, 504]), str(int(base * dice.uniform(0, 4))))


def simulate(dice: random.Random) -> tuple[list[str], timedelta, type]:
    """One delivery at one endpoint until it ends: the windows it broke, how long it took, and how it ended."""
    now, failures, broken, made = START, 0, [], 0
    while True:
        made += 1
        base = SCHEDULE[made] if made < len(SCHEDULE) else 0
        outcome = answer(dice, base)
        ended = now + timedelta(seconds=dice.uniform(0, 15))
        step = next_step(made, outcome, ended, dice.uniform(-1, 1), SCHEDULE)
        if not isinstance(step, RetryAt):
            return broken, ended - START, type(step)
        asked = isinstance(outcome, Answered) and outcome.retry_after
        low, high = (base, 2 * base) if asked else (0.8 * base, 1.2 * base)
        wait = (step.at - ended).total_seconds()
        if not low - 1e-6 <= wait <= high + 1e-6:
            broken.append(f"attempt {made + 1} after {wait} s of {base} s")
        failures += 1
        pause = rest(failures) or timedelta()
        now = max(step.at, ended + pause)
        if now - step.at > LONGEST_REST:
            broken.append(f"attempt {made + 1} held up by {now - step.at}")
        now += timedelta(seconds=dice.uniform(0, 15))  # the sweep comes round


def test_every_attempt_of_ten_thousand_endpoints_is_in_its_window():
    dice = random.Random(20260302)
    ends: Counter[type] = Counter()
    longest = timedelta()
    for _ in range(ENDPOINTS):
        broken, took, how = simulate(dice)
        assert broken == []
        ends[how] += 1
        longest = max(longest, took)
    assert ends.total() == ENDPOINTS
    assert ends[Dead] > ENDPOINTS / 3, "few came to the end of the schedule: nothing was proven"
    assert ends[Delivered] > ENDPOINTS / 10
    assert ends[EndpointGone] > 0
    # Retry-After may double each wait; and ten attempts of 15 s and as many rounds of the sweep.
    assert longest <= 2 * timedelta(seconds=sum(SCHEDULE)) + timedelta(minutes=15)


def test_a_rest_grows_to_a_minute_and_begins_with_the_fifth_failure():
    rests = [rest(n) for n in range(100)]
    assert rests[:FAILING] == [None] * FAILING
    seconds = [r.total_seconds() for r in rests[FAILING:] if r]
    assert seconds[:5] == [5, 10, 20, 40, 60]
    assert all(a <= b <= 60 for a, b in pairwise(seconds))


def test_the_span_of_a_schedule_holds_its_last_attempt():
    assert span(SCHEDULE) == timedelta(hours=75, minutes=35, seconds=5) * 1.2


@pytest.mark.parametrize(
    ("outcome", "took_s", "again"),
    [
        (Failed(Fault.NO_CONNECTION), 0.01, True),
        (Failed(Fault.NO_CONNECTION), 0.999, True),
        (Failed(Fault.NO_CONNECTION), 1.0, False),
        (Failed(Fault.TIMEOUT), 0.01, False),
        (Failed(Fault.BROKEN), 0.01, False),  # it may have arrived
        (Failed(Fault.REFUSED_ADDRESS), 0.01, False),
        (Failed(Fault.TLS), 0.01, False),
        (Answered(503), 0.01, False),
        (Answered(204), 0.01, False),
    ],
)
def test_only_a_connection_that_was_refused_fast_is_tried_again_at_once(outcome, took_s, again):
    assert again_at_once(outcome, took_s) is again
