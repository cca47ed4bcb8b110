"""When to try again, and when to stop. Pure: the same words in, the same date out.

Source of the schedule, of "2xx only" and of 410: Standard Webhooks specification, "Deliverability and reliability".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from push.transport import Answered, Failed, Fault, Outcome

_JITTER = 0.2
_LONGEST_WAIT_ASKED = 2  # times the scheduled wait
# So many failures one after the other open an endpoint's breaker; then one probe is sent after each rest.
FAILING = 5
_FIRST_REST_S, _LONGEST_REST_S = 5, 60
# A connection that was refused faster than this is tried once more at once (Svix: the receiver was just restarting).
FAST_S = 1.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """Received: any 2xx."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    at: datetime


@dataclass(frozen=True, slots=True)
class Dead:
    """The last attempt of the schedule failed."""


@dataclass(frozen=True, slots=True)
class EndpointGone:
    """410: the receiver wants no more webhooks at this address."""


Step = Delivered | RetryAt | Dead | EndpointGone


def next_step(
    attempt: int, outcome: Outcome, now: datetime, jitter: float, schedule_s: Sequence[int]
) -> Step:
    """Decide what follows attempt number `attempt` (from 1) that ended at `now`.

    `jitter` in [-1, 1] spreads the wait over ±20 %. A Retry-After is honoured between once and twice the wait.
    A 3xx is a failure like any other: nothing is ever sent to where it points.
    """
    if isinstance(outcome, Answered):
        if HTTPStatus.OK <= outcome.status < HTTPStatus.MULTIPLE_CHOICES:
            return Delivered()
        if outcome.status == HTTPStatus.GONE:
            return EndpointGone()
    if attempt >= len(schedule_s):
        return Dead()
    wait = float(schedule_s[attempt])
    asked = _asked(outcome, now)
    if asked is None:
        return RetryAt(now + timedelta(seconds=wait * (1 + _JITTER * jitter)))
    return RetryAt(now + timedelta(seconds=min(max(asked, wait), wait * _LONGEST_WAIT_ASKED)))


def rest(failures: int) -> timedelta | None:
    """How long an endpoint with so many failures one after the other is left alone; None: not at all.

    The rest is short beside the waits of the schedule from the fifth attempt on, so it moves no attempt of a single
    delivery out of its window by more than a minute; it spares a dead receiver the thousands that wait behind it.
    """
    if failures < FAILING:
        return None
    doubled = _FIRST_REST_S * 2 ** min(failures - FAILING, 10)
    return timedelta(seconds=min(doubled, _LONGEST_REST_S))


def span(schedule_s: Sequence[int]) -> timedelta:
    """The time after which the last attempt of a schedule is over, however late its jitter put each."""
    return timedelta(seconds=sum(schedule_s) * (1 + _JITTER))


def again_at_once(outcome: Outcome, took_s: float) -> bool:
    """Whether a connection that could not be made is tried a second time within the same attempt."""
    return outcome == Failed(Fault.NO_CONNECTION) and took_s < FAST_S


def _asked(outcome: Outcome, now: datetime) -> float | None:
    """Seconds of a Retry-After header (a number or a date, RFC 9110 §10.2.3), or None where there is none to read."""
    if not isinstance(outcome, Answered) or not outcome.retry_after:
        return None
    text = outcome.retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
