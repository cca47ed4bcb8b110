"""`python -m push.sweep`: deliver what is due, rung for or not, and once a day suspend listings whose ground has lapsed.

Depends on the database alone.
"""

import logging
import signal
import sys
import threading
from datetime import UTC, date, datetime
from types import FrameType

from landready import servers
from landready.clock import today
from landready.db import ENGINE, Engine, connect, transaction
from landready.gate import suspend_lapsed
from landready.settings import Gate, Push, Settings, load
from push.claims import next_due
from push.deliver import DATABASE_AWAY, brief, deliver

_SHORTEST_PAUSE_S = 0.2

log = logging.getLogger(__name__)


def sweep(engine: Engine, settings: Settings, stopping: threading.Event) -> None:
    """Do what is due, then wait for the next date or `sweep_s`, whichever is sooner, until `stopping`."""
    reviewed: date | None = None
    while not stopping.is_set():
        pause = settings.push.sweep_s
        try:
            deliver(engine, settings.push, stopping)
            # Answers and promises end with a day of the calendar, so once a day is exact.
            if reviewed != (day := today(datetime.now(UTC))):
                review_listings(engine, settings.gate)
                reviewed = day
            pause = _pause(engine, settings.push)
        except DATABASE_AWAY as error:
            log.warning("PostgreSQL does not answer, trying again: %s", brief(error))
            pause = min(pause, 1.0)
        stopping.wait(pause)


def review_listings(engine: Engine, gate: Gate) -> None:
    """Suspend every listing whose conditions no longer hold (R6)."""
    with transaction(engine, ENGINE) as session:
        lapsed = suspend_lapsed(session, gate, datetime.now(UTC))
    for listing in lapsed:
        log.info("listing %s suspended: its conditions no longer hold", listing.id)


def _pause(engine: Engine, settings: Push) -> float:
    with transaction(engine, ENGINE) as session:
        due = next_due(session)
    if due is None:
        return settings.sweep_s
    return min(max((due - datetime.now(UTC)).total_seconds(), _SHORTEST_PAUSE_S), settings.sweep_s)


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
