"""Pay what is owed: fan out, claim, send, settle, until nothing is due. Any number of processes may do so at once."""

import logging
import random
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from landready.db import ENGINE, Engine, Session, transaction
from landready.settings import Push
from push import people, signing, transport
from push.claims import Claim, Result, claim, settle
from push.fanout import fan_out
from push.schedule import again_at_once, next_step
from push.transport import Failed, Fault, Outcome
from push.vault import CannotOpen, Vault

_THREADS = 64
# While something slow is under way, new work is looked for this often.
_LOOK_S = 0.05
_SETTLE_AGAIN_S = 0.5
# A worker that hangs or is cut off holds rows: after this time PostgreSQL ends its transaction for it.
_IDLE = text("set local idle_in_transaction_session_timeout = '10s'")
# PostgreSQL refuses, went away, or is so slow that no connection comes free.
DATABASE_AWAY = (DBAPIError, PoolTimeout)

log = logging.getLogger(__name__)
Sending = set[Future[Result]]


def deliver(
    engine: Engine,
    settings: Push,
    vault: Vault,
    stopping: threading.Event,
    patience_s: float | None = None,
) -> bool:
    """Send everything that is due; return whether nothing was left.

    Ends early, once what is under way has ended, when `stopping` is set or after `patience_s`.

    Raises:
        DBAPIError, TimeoutError: PostgreSQL does not answer (`DATABASE_AWAY`). What was sent by then is settled or will be sent again.
    """
    ends = time.monotonic() + patience_s if patience_s is not None else float("inf")
    under_way: Sending = set()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="deliver") as pool:
        try:
            while True:
                may_start = not stopping.is_set() and time.monotonic() < ends
                if may_start:
                    under_way |= {
                        pool.submit(attempt, settings, vault, one)
                        for one in _take(engine, settings, vault, _THREADS - len(under_way))
                    }
                if not under_way:
                    return may_start
                done, under_way = wait(under_way, _LOOK_S, FIRST_COMPLETED)
                _settle(engine, [one.result() for one in done])
        finally:
            _settle(engine, [one.result() for one in under_way])


def _take(engine: Engine, settings: Push, vault: Vault, limit: int) -> list[Claim]:
    now = _now()
    with transaction(engine, ENGINE) as session:
        session.execute(_IDLE)
        fanned_out = fan_out(session, now)
        if not fanned_out and limit:
            return _claim(session, settings, vault, limit, now)
    # Fan-out holds endpoints that a claim wants for itself, so it ends first.
    if not fanned_out or not limit:
        return []
    with transaction(engine, ENGINE) as session:
        session.execute(_IDLE)
        return _claim(session, settings, vault, limit, now)


def _claim(
    session: Session, settings: Push, vault: Vault, limit: int, now: datetime
) -> list[Claim]:
    claims = claim(session, limit, lease(settings), now)
    people.issue_links(session, settings, vault, claims, now)
    return claims


def lease(settings: Push) -> timedelta:
    """How long a claim is held: the time of one attempt, and as long again to write its result."""
    return timedelta(seconds=2 * settings.timeout_s)


def attempt(settings: Push, vault: Vault, claim: Claim) -> Result:
    """Send one claim and decide what follows; a refused connection is tried twice."""
    began = time.monotonic()
    outcome, sends = _send(settings, vault, claim), 1
    if again_at_once(outcome, time.monotonic() - began):
        outcome, sends = _send(settings, vault, claim), 2
    jitter = random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing
    now = _now()
    step = next_step(claim.number, outcome, now, jitter, settings.schedule_s)
    log.info(
        "event %s to endpoint %s: %s, %s",
        claim.event_id,
        claim.receiver.endpoint_id,
        outcome,
        step,
    )
    return Result(claim, outcome, step, now, sends)


def _settle(engine: Engine, results: list[Result]) -> None:
    """Write results down. The receivers have them: as long as a lease holds, try to say so instead of sending it twice."""
    while results:
        try:
            with transaction(engine, ENGINE) as session:
                session.execute(_IDLE)
                held = settle(session, results)
        except DATABASE_AWAY as error:
            log.warning("%s results cannot be settled: %s", len(results), brief(error))
            results = [one for one in results if _now() <= one.claim.lease_until]
            time.sleep(_SETTLE_AGAIN_S)
        else:
            for one in results:
                if one.claim.delivery_id not in held:
                    log.warning("delivery %s was taken over", one.claim.delivery_id)
            return


def brief(error: Exception) -> str:
    """The first line of a database error: the statement and its values do not belong in a log."""
    return str(error).split("\n", 1)[0]


def _send(settings: Push, vault: Vault, claim: Claim) -> Outcome:
    try:
        return _sent(settings, vault, claim)
    except CannotOpen:
        return Failed(Fault.SEALED)
    except Exception:  # one that cannot be sent must neither hold up the others nor vanish in a log
        log.exception("event %s cannot be sent", claim.event_id)
        return Failed(Fault.INTERNAL)


def _sent(settings: Push, vault: Vault, claim: Claim) -> Outcome:
    to = claim.receiver
    secret, *old = (vault.open(one, to.enterprise_id) for one in to.secrets)
    if people.to_people(claim):
        return people.send(settings, claim, secret, _now())
    return transport.post(
        to.url,
        claim.body,
        signing.headers(secret, claim.event_id, claim.body, _now(), *old),
        timeout_s=settings.timeout_s,
        allow=to.networks,
    )


def _now() -> datetime:
    return datetime.now(UTC)
