from datetime import UTC, datetime, timedelta

import pytest

from landready.settings import load
from push.schedule import Dead, Delivered, EndpointGone, RetryAt, next_step
from push.transport import Answered, Failed, Fault

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
SCHEDULE = load(env={}).push.schedule_s


def seconds(attempt: int, outcome: object, jitter: float = 0) -> float:
    step = next_step(attempt, outcome, NOW, jitter, SCHEDULE)
    assert isinstance(step, RetryAt)
    return (step.at - NOW).total_seconds()


def test_ten_attempts_take_75_hours_35_minutes_5_seconds():
    waits = [seconds(attempt, Failed(Fault.TIMEOUT)) for attempt in range(1, 10)]
    assert waits == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert timedelta(seconds=sum(waits)) == timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize("outcome", [Answered(500), Answered(302), *map(Failed, Fault)])
def test_after_the_last_attempt_a_person_must_act(outcome):
    assert next_step(10, outcome, NOW, 0, SCHEDULE) == Dead()


@pytest.mark.parametrize("status", range(200, 300))
def test_every_2xx_is_received(status):
    assert next_step(1, Answered(status), NOW, 0, SCHEDULE) == Delivered()


@pytest.mark.parametrize("status", [s for s in range(100, 600) if s // 100 != 2 and s != 410])
def test_every_other_answer_is_tried_again(status):
    assert seconds(1, Answered(status)) == 5


@pytest.mark.parametrize("attempt", [1, 10])
def test_410_disables_the_endpoint(attempt):
    assert next_step(attempt, Answered(410), NOW, 0, SCHEDULE) == EndpointGone()


@pytest.mark.parametrize("attempt", range(1, 10))
def test_jitter_stays_within_a_fifth(attempt):
    wait = seconds(attempt, Answered(500))
    assert seconds(attempt, Answered(500), -1) == pytest.approx(0.8 * wait)
    assert seconds(attempt, Answered(500), 1) == pytest.approx(1.2 * wait)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("400", 400),  # as asked
        ("1", 300),  # not sooner than scheduled
        ("86400", 600),  # not later than twice
        ("9" * 150, 600),
        ("Mon, 02 Mar 2026 02:07:00 GMT", 420),
        ("Mon, 02 Mar 2026 02:07:00 -0000", 420),
        ("Sun, 01 Mar 2026 00:00:00 GMT", 300),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 600),
        ("soon", 300),
        ("-5", 300),
        ("١٢", 300),
        ("Mon, 99 Mar 2026 02:07:00 GMT", 300),
    ],
)
@pytest.mark.parametrize("status", [429, 502, 503, 504, 302, 400])
def test_retry_after_is_honoured_between_once_and_twice_the_wait(header, expected, status):
    assert seconds(2, Answered(status, header)) == expected


def test_retry_after_is_not_jittered_below_what_was_asked():
    assert seconds(2, Answered(503, "400"), -1) == 400
