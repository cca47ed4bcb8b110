"""Pay what is owed: fan out, claim, send, settle, until nothing is due. Any number of processes may do so at once."""

import logging
import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from landready.db import ENGINE, Engine, transaction
from landready.settings import Push
from push import signing, transport
from push.claims import Claim, claim, settle
from push.fanout import fan_out
from push.schedule import next_step
from push.transport import Outcome

_THREADS = 64
# While something slow is under way, new work is looked for this often.
_LOOK_S = 0.05
_SETTLE_AGAIN_S = 0.5
# PostgreSQL refuses, went away, or is so slow that no connection comes free.
DATABASE_AWAY = (DBAPIError, PoolTimeout)

log = logging.getLogger(__name__)


def deliver(
    engine: Engine, settings: Push, stopping: threading.Event, patience_s: float | None = None
) -> bool:
    """Send everything that is due; return whether nothing was left.

    Ends early, once what is under way has ended, when `stopping` is set or after `patience_s`.

    Raises:
        DBAPIError, TimeoutError: PostgreSQL does not answer (`DATABASE_AWAY`). What was sent by then is settled or will be sent again.
    """
    ends = time.monotonic() + patience_s if patience_s is not None else float("inf")
    under_way: set[Future[None]] = set()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="deliver") as pool:
        while True:
            may_start = not stopping.is_set() and time.monotonic() < ends
            if may_start:
                under_way |= {
                    pool.submit(_attempt, engine, settings, one)
                    for one in _take(engine, settings, _THREADS - len(under_way))
                }
            if not under_way:
                return may_start
            done, under_way = wait(under_way, timeout=_LOOK_S)
            for one in done:
                one.result()


def _take(engine: Engine, settings: Push, limit: int) -> list[Claim]:
    now = _now()
    with transaction(engine, ENGINE) as session:
        fan_out(session, now)
        return claim(session, limit, lease(settings), now) if limit else []


def lease(settings: Push) -> timedelta:
    """How long a claim is held: the time of one attempt, and as long again to write its result."""
    return timedelta(seconds=2 * settings.timeout_s)


def _attempt(engine: Engine, settings: Push, claim: Claim) -> None:
    outcome = _send(settings, claim)
    jitter = random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing
    step = next_step(claim.number, outcome, _now(), jitter, settings.schedule_s)
    log.info("event %s to endpoint %s: %s, %s", claim.event_id, claim.endpoint_id, outcome, step)
    while True:
        try:
            with transaction(engine, ENGINE) as session:
                now = _now()
                if not settle(session, claim, outcome, step, now):
                    log.warning("delivery %s was taken over", claim.delivery_id)
        except DATABASE_AWAY as error:
            # The receiver has it: as long as the lease holds, try to say so instead of sending it twice.
            log.warning("delivery %s cannot be settled: %s", claim.delivery_id, brief(error))
            if _now() > claim.lease_until:
                return
            time.sleep(_SETTLE_AGAIN_S)
        else:
            return


def brief(error: Exception) -> str:
    """The first line of a database error: the statement and its values do not belong in a log."""
    return str(error).split("\n", 1)[0]


def _send(settings: Push, claim: Claim) -> Outcome:
    return transport.post(
        claim.url,
        claim.body,
        signing.headers(claim.secret, claim.event_id, claim.body, _now()),
        timeout_s=settings.timeout_s,
        allow=settings.allow_networks,
    )


def _now() -> datetime:
    return datetime.now(UTC)
