"""Wake the worker after a commit. A lost ring delays delivery until the next sweep and loses nothing."""

import logging

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue

QUEUE = "push"
SERIALIZER = "json"  # RQ's default is pickle: whoever may write Redis could run code in the worker
_PATIENCE_S = 0.1
_FAILED_JOB_TTL_S = 3600

log = logging.getLogger(__name__)


def connect(redis_url: str) -> Redis:
    """Return a pool that gives up fast, for a process to keep and ring with: no caller waits for a dead Redis."""
    return Redis.from_url(
        redis_url,
        socket_connect_timeout=_PATIENCE_S,
        socket_timeout=_PATIENCE_S,
        retry=Retry(NoBackoff(), 0),
    )


def ring(bell: Redis | str) -> bool:
    """Wake one worker; `bell` is a connection of `connect`, or Redis's address. To be called after the commit.

    Returns whether a worker will come. A ring that is still waiting in the queue serves this caller too, because its
    worker looks at the database only after taking it. A dead Redis is logged and swallowed.
    """
    link = connect(bell) if isinstance(bell, str) else bell
    try:
        queue = Queue(QUEUE, connection=link, serializer=SERIALIZER)
        if not link.llen(queue.key):
            queue.enqueue_call(
                "push.jobs.wake", timeout=-1, result_ttl=0, failure_ttl=_FAILED_JOB_TTL_S
            )
    except RedisError as error:
        log.warning("nobody was woken, the sweep will deliver: %s", error)
        return False
    finally:
        if isinstance(bell, str):
            link.close()
    return True
