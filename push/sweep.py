"""`python -m push.sweep`: do what is due by the clock, rung for or not.

Deliver, give up what a whole schedule could not bring, measure again what a changed layer touches, tell of listings that moved
without being told of, and as the day turns suspend those whose ground has lapsed, sign the heads of the certificates, tell of
deadlines that are near or past and clear old indexes away.
Depends on the database alone.
"""

import logging
import signal
import sys
import threading
from datetime import UTC, date, datetime
from types import FrameType

from landready import (
    heads,
    layer_indexes,
    remeasuring,
    reminders,
    seal,
    servers,
    service_areas,
    suspending,
)
from landready.clock import next_day, today
from landready.db import ENGINE, Engine, connect, transaction
from landready.settings import Clocks, Gate, Push, Settings, load
from push.claims import give_up, next_due
from push.deliver import DATABASE_AWAY, brief, deliver
from push.schedule import span
from push.vault import installed

_SHORTEST_PAUSE_S = 0.2
# Of a broken chain so many faults go into the log.
_FAULTS = 5

log = logging.getLogger(__name__)


def sweep(engine: Engine, settings: Settings, stopping: threading.Event) -> None:
    """Do what is due, then wait for the next date or `sweep_s`, whichever is sooner, until `stopping`."""
    reviewed: date | None = None
    told: date | None = None
    sealed: date | None = None
    exported: date | None = None
    resting: set[int] = set()  # layers that cannot be measured against, until tomorrow
    vault, signer = installed(settings), seal.installed(settings)
    while not stopping.is_set():
        pause = settings.push.sweep_s
        try:
            # Without end while something comes, but what else is due waits no longer than a period.
            deliver(engine, settings.push, vault, stopping, settings.push.sweep_s)
            _give_up(engine, settings.push)
            # Answers and promises end with a day of the calendar, so once a day is exact.
            if reviewed != (day := today(datetime.now(UTC))):
                take_up_areas(engine, day)
                review_listings(engine, settings.gate)
                clear_indexes(engine, settings)
                resting.clear()
                reviewed = day
            if sealed != day:
                sign_heads(engine, signer)
                sealed = day
            if exported != day and export_heads(engine, settings):
                exported = day
            if told != day and remind(engine, settings.clocks):
                told = day
            remeasure(engine, settings, stopping, resting)
            settle_listings(engine, settings.gate)
            pause = _pause(engine, settings.push)
        except DATABASE_AWAY as error:
            log.warning("PostgreSQL does not answer, trying again: %s", brief(error))
            pause = min(pause, 1.0)
        stopping.wait(pause)


def take_up_areas(engine: Engine, day: date) -> None:
    """Let approved service areas count whose day has come."""
    with transaction(engine, ENGINE) as session:
        if changed := service_areas.enter_into_force(session, day):
            log.info("service areas in force: layers %s", changed)


def review_listings(engine: Engine, gate: Gate) -> None:
    """Suspend every listing whose conditions no longer hold (R6)."""
    with transaction(engine, ENGINE) as session:
        lapsed = suspending.review(session, gate, datetime.now(UTC))
    for listing in lapsed:
        log.info("listing %s suspended: its conditions no longer hold", listing.id)


def settle_listings(engine: Engine, gate: Gate) -> None:
    """Suspend what is offered by an expired certificate, and tell of whatever moved without being told."""
    with transaction(engine, ENGINE) as session:
        now = datetime.now(UTC)
        for listing in suspending.expire(session, gate, now):
            log.info("listing %s suspended: its certificate expired", listing.id)
        if moved := suspending.settle(session, gate, now):
            log.info("%s moves of listings told of late", moved)


def clear_indexes(engine: Engine, settings: Settings) -> None:
    """Take away the indexes of layer versions that no longer count."""
    with transaction(engine, ENGINE) as session:
        layer_indexes.tidy(session, settings, datetime.now(UTC))


def sign_heads(engine: Engine, signer: seal.Seal) -> None:
    """Sign the day's heads; of a chain that does not hold there is none that day, and the log says why."""
    with transaction(engine, ENGINE) as session:
        now = datetime.now(UTC)
        broken = heads.unsound(session, today(now))
        for city, wrong in broken.items():
            for one in wrong[:_FAULTS]:
                log.error("certificates of %s, %s: %s", city, one.where or "—", one.message)
        if signed := heads.sign(session, signer, now, broken):
            log.info("%s heads of certificates signed", signed)


def export_heads(engine: Engine, settings: Settings) -> bool:
    """Bring signed heads out of the database; whether all are out. What is not, waits for the next sweep."""
    try:
        with transaction(engine, ENGINE) as session:
            heads.export(session, settings)
    except DATABASE_AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the file system of an address raises
        log.warning("signed heads cannot be written to certificates.heads_url: %s", brief(error))
        return False
    return True


def remind(engine: Engine, clocks: Clocks) -> bool:
    """Tell of deadlines once the hour has come; whether it has. What stands already is not told again."""
    now = datetime.now(UTC)
    if not reminders.may_tell(clocks, now):
        return False
    with transaction(engine, ENGINE) as session:
        if made := reminders.send(session, clocks, now):
            log.info("%s notices of deadlines", made)
    return True


def remeasure(
    engine: Engine, settings: Settings, stopping: threading.Event, resting: set[int]
) -> None:
    """Measure again what new layer versions touch, one version a transaction; one that cannot be holds up nothing else."""
    with transaction(engine, ENGINE) as session:
        waiting = remeasuring.outstanding(session)
    for layer_id in waiting:
        if stopping.is_set() or layer_id in resting:
            continue
        try:
            with transaction(engine, ENGINE) as session:
                plots = remeasuring.remeasure(session, settings, layer_id, datetime.now(UTC))
        except DATABASE_AWAY:
            raise
        except Exception:
            log.exception("layer %s cannot be measured against; the next try is tomorrow", layer_id)
            resting.add(layer_id)
        else:
            if plots:
                log.info("%s plots measured again: layer %s changed", len(plots), layer_id)


def _give_up(engine: Engine, settings: Push) -> None:
    with transaction(engine, ENGINE) as session:
        closed = give_up(session, span(settings.schedule_s), datetime.now(UTC))
    if closed:
        log.warning("%s deliveries given up: their endpoints fail since a whole schedule", closed)


def _pause(engine: Engine, settings: Push) -> float:
    with transaction(engine, ENGINE) as session:
        due = next_due(session)
    now = datetime.now(UTC)
    waits = [(one - now).total_seconds() for one in (due, next_day(now)) if one]
    return min(max(min(waits), _SHORTEST_PAUSE_S), settings.sweep_s)


def main() -> None:
    """Sweep until SIGTERM or Ctrl-C; what is under way is brought to its end first."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(message)s")
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    settings = load()
    sweep(connect(servers.database_url(settings)), settings, stopping)


if __name__ == "__main__":
    main()
