"""`python -m push.sweep`: deliver what is due, rung for or not. Depends on the database alone."""

import logging
import signal
import sys
import threading
from datetime import UTC, datetime
from types import FrameType

from landready import servers
from landready.db import ENGINE, Engine, connect, transaction
from landready.settings import Push, load
from push.claims import next_due
from push.deliver import DATABASE_AWAY, brief, deliver

_SHORTEST_PAUSE_S = 0.2

log = logging.getLogger(__name__)


def sweep(engine: Engine, settings: Push, stopping: threading.Event) -> None:
    """Deliver what is due, then wait for the next date or `sweep_s`, whichever is sooner, until `stopping`."""
    while not stopping.is_set():
        pause = settings.sweep_s
        try:
            deliver(engine, settings, stopping)
            pause = _pause(engine, settings)
        except DATABASE_AWAY as error:
            log.warning("PostgreSQL does not answer, trying again: %s", brief(error))
            pause = min(pause, 1.0)
        stopping.wait(pause)


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
    sweep(connect(servers.database_url(settings)), settings.push, stopping)


if __name__ == "__main__":
    main()
