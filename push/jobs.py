"""The one job of the queue. It carries nothing: what is owed stands in the database."""

import logging
import threading
from functools import cache

from redis import Redis

from landready import servers, settings
from landready.db import Engine, connect
from push import doorbell
from push.deliver import DATABASE_AWAY, brief, deliver
from push.vault import Vault, installed

# A single wake ends after this time and rings for the next, so that the worker can say it is alive.
_PATIENCE_S = 30.0

log = logging.getLogger(__name__)
stopping = threading.Event()


def wake() -> None:
    """Deliver what is due."""
    push, vault, engine, bell = _installation()
    try:
        paid = deliver(engine, push, vault, stopping, _PATIENCE_S)
    except DATABASE_AWAY as error:
        log.warning("PostgreSQL does not answer, the sweep will deliver: %s", brief(error))
        return
    if not paid and not stopping.is_set():
        doorbell.ring(bell)


@cache
def _installation() -> tuple[settings.Push, Vault, Engine, Redis]:
    """What this process works with, read at its first job and kept."""
    loaded = settings.load()
    return (
        loaded.push,
        installed(loaded),
        connect(servers.database_url(loaded)),
        doorbell.connect(servers.redis_url(loaded)),
    )
