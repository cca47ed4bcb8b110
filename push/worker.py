"""`python -m push.worker`: wait for the doorbell and deliver. Start as many as wanted, on any host."""

import logging
import signal
import sys
from types import FrameType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.job import Job

from landready import servers
from landready.settings import load
from push import vault
from push.doorbell import QUEUE, SERIALIZER
from push.jobs import stopping, wake

_WORKER_TTL_S = 60
_PAUSE_S = 1.0

log = logging.getLogger(__name__)


class WakeUp(Job):
    """Whatever a job in Redis says it is, the worker delivers and runs nothing else.

    RQ would import and call any function, callback or webhook that a job names: who may write Redis could run code here.
    """

    success_callback = failure_callback = stopped_callback = None

    def perform(self) -> None:
        wake()

    def send_webhooks(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - RQ's own
        """Call nobody."""


class BellWorker(SimpleWorker):
    """One queue, no fork, no orders from Redis, and soon back after Redis was away.

    One queue, because RQ with two loses the job it has popped when it is killed; no fork, because a killed worker
    must not leave a child that goes on sending, and a doorbell needs no protection from its own job.
    """

    max_connection_wait_time = 5.0

    def subscribe(self) -> None:
        """Take no commands."""

    def request_stop(self, signum: Any, frame: Any) -> None:  # noqa: ANN401 - RQ's own
        stopping.set()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]


def main() -> None:
    """Work until SIGTERM or Ctrl-C; what is under way is brought to its end first.

    Raises:
        BadSettings: no secret key is set; nothing could be signed.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(message)s")
    settings = load()
    vault.installed(settings)
    url = servers.redis_url(settings)
    while not stopping.is_set():
        try:
            with Redis.from_url(url) as link:
                _worker(link).work(logging_level="WARNING")
        except RedisError as error:
            log.warning("Redis does not answer, the sweep delivers meanwhile: %s", error)
        _heed_signals()
        stopping.wait(_PAUSE_S)


def _worker(link: Redis) -> BellWorker:
    return BellWorker(
        [QUEUE],
        connection=link,
        job_class=WakeUp,
        serializer=SERIALIZER,
        worker_ttl=_WORKER_TTL_S,
    )


def _heed_signals() -> None:
    """Between two workers a signal ends the loop; RQ's own handlers want a worker that runs."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


if __name__ == "__main__":
    main()
