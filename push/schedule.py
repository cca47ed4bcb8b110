"""When to try again, and when to stop. Pure: the same words in, the same date out.

Source of the schedule, of "2xx only" and of 410: Standard Webhooks specification, "Deliverability and reliability".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from push.transport import Answered, Outcome

_JITTER = 0.2
_LONGEST_WAIT_ASKED = 2  # times the scheduled wait


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
