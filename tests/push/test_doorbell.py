import ast
import json
import signal
import time
import zlib
from pathlib import Path

import pytest
from rq import Queue
from rq.serializers import JSONSerializer

from landready import servers
from landready.settings import ROOT
from push.doorbell import connect, ring
from push.worker import BellWorker, WakeUp, _worker


@pytest.fixture
def url(settings, doorbell):
    return servers.redis_url(settings)


def jobs(link) -> list:
    return Queue("push", connection=link, serializer=JSONSerializer).jobs


def test_a_ring_puts_one_job_into_the_one_queue(url, doorbell):
    ring(url)
    assert doorbell.smembers("rq:queues") == {b"rq:queue:push"}
    (job,) = jobs(doorbell)
    assert job.func_name == "push.jobs.wake"


def test_the_job_is_json_and_carries_nothing(url, doorbell):
    ring(url)
    (job,) = jobs(doorbell)
    data = doorbell.hget(job.key, "data")
    assert json.loads(zlib.decompress(data)) == ["push.jobs.wake", None, [], {}]


def test_rings_that_nobody_heard_yet_are_one(url, doorbell):
    with connect(url) as bell:
        assert all(ring(bell) for _ in range(50))
    assert len(jobs(doorbell)) == 1


def test_a_worker_takes_one_queue_json_and_no_orders(url, doorbell):
    worker = _worker(doorbell)
    assert isinstance(worker, BellWorker)
    assert worker.queue_names() == ["push"]
    assert worker.serializer is JSONSerializer
    assert worker.job_class is WakeUp


@pytest.mark.parametrize("state", ["absent", "killed", "stopped"])
def test_a_dead_redis_neither_fails_nor_slows_the_caller(own_redis, state):
    url = own_redis.url
    if state == "absent":
        url += ".elsewhere"
    elif state == "killed":
        own_redis.kill()
    else:
        own_redis.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert ring(url) is False
    assert time.monotonic() - began < 0.3
    own_redis.send_signal(signal.SIGCONT)


def test_a_kept_connection_works_again_when_redis_is_back(own_redis):
    with connect(own_redis.url) as link:
        assert ring(link)
        own_redis.kill()
        assert not ring(link)
        own_redis.start()
        assert ring(link)


def test_nothing_but_the_doorbell_and_the_worker_uses_the_queue():
    """No job carries business arguments, and none is retried or scheduled by RQ: nobody else speaks to it."""
    users = {
        path.relative_to(ROOT).as_posix()
        for folder in ("geo", "landready", "push", "web")
        for path in (ROOT / folder).rglob("*.py")
        if _imports_rq(path)
    }
    assert users == {"push/doorbell.py", "push/worker.py"}


def _imports_rq(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        if any(name.split(".")[0] == "rq" for name in names):
            return True
    return False
