"""The real worker and sweep, killed and cut off: nothing is lost, and what comes twice is the same id and bytes.

Kills at random, of Redis and of PostgreSQL: tests/push/test_soak.py.
"""

import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rq import Queue
from sqlalchemy import text

from landready import servers
from landready.db import ENGINE, transaction
from push.doorbell import ring
from push.models import Delivery
from tests.push.receiver import Reply, Request, wait_for

LEASE_S = 2  # twice the timeout of tests/push/conftest.py


@pytest.fixture
def bell(settings, doorbell):
    return servers.redis_url(settings)


def ready(link, number: int = 1) -> bool:
    return link.scard("rq:workers:push") >= number


def test_a_ring_is_answered_by_the_worker(world, receiver, start, bell, doorbell):
    world.add_endpoint(receiver.url)
    start("push.worker")
    wait_for(lambda: ready(doorbell))
    for number in range(1, 4):
        world.record()
        began = time.monotonic()
        assert ring(bell)
        wait_for(lambda n=number: len(receiver.requests) == n, 5)
        assert time.monotonic() - began < 2
    wait_for(lambda: world.states() == ["delivered"] * 3)
    wait_for(lambda: doorbell.keys("rq:job:*") == [])


def test_the_worker_runs_nothing_but_the_delivery(world, receiver, start, doorbell, tmp_path):
    """A job put into Redis by someone else is a ring, whatever function it names."""
    world.add_endpoint(receiver.url)
    world.record()
    start("push.worker")
    wait_for(lambda: ready(doorbell))
    trace = tmp_path / "trace"
    queue = Queue("push", connection=doorbell, serializer="json")
    queue.enqueue_call("os.mkdir", args=[str(trace)], timeout=-1)
    wait_for(lambda: world.states() == ["delivered"])
    assert not trace.exists()


def test_the_sweep_delivers_what_nobody_rang_for(world, receiver, start, own_redis):
    """Redis is dead when the event is committed."""
    own_redis.kill()
    world.add_endpoint(receiver.url)
    (event,) = world.record()
    assert not ring(own_redis.url)
    start("push.sweep", LANDREADY_REDIS_URL=own_redis.url)
    wait_for(lambda: receiver.ids == {str(event): 1})
    wait_for(lambda: world.states() == ["delivered"])


def test_the_sweep_keeps_the_dates_of_the_schedule(world, receiver, start):
    receiver.behave = lambda _request: Reply(500 if len(receiver.requests) == 1 else 200)
    world.add_endpoint(receiver.url)
    world.record()
    start("push.sweep")
    wait_for(lambda: world.states() == ["delivered"])
    first, second = receiver.requests
    assert 4 <= second.at - first.at <= 7  # 5 s ± 20 %, and a second for the sweep


def test_everything_in_redis_may_be_lost(world, receiver, start, bell, doorbell):
    world.add_endpoint(receiver.url)
    events = []
    start("push.worker")
    start("push.sweep")
    wait_for(lambda: ready(doorbell))
    for _ in range(10):
        events += world.record(5)
        ring(bell)
        doorbell.flushdb()
    wait_for(lambda: Counter(world.states()) == {"delivered": 50})
    assert receiver.ids == Counter(map(str, events))


def test_the_worker_comes_back_after_redis_was_away(world, receiver, start, own_redis):
    world.add_endpoint(receiver.url)
    worker = start("push.worker", LANDREADY_REDIS_URL=own_redis.url)
    with own_redis.link() as link:
        wait_for(lambda: ready(link))
        own_redis.kill()
        time.sleep(0.5)
        own_redis.start()
        world.record()
        ring(own_redis.url)
        wait_for(lambda: world.states() == ["delivered"])
    assert worker.poll() is None


def test_the_worker_waits_for_a_redis_that_is_not_there_yet(world, receiver, start, own_redis):
    own_redis.kill()
    world.add_endpoint(receiver.url)
    worker = start("push.worker", LANDREADY_REDIS_URL=own_redis.url)
    time.sleep(2)
    assert worker.poll() is None
    own_redis.start()
    world.record()
    ring(own_redis.url)
    wait_for(lambda: world.states() == ["delivered"])


@pytest.mark.parametrize("module", ["push.worker", "push.sweep"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_when_asked(world, receiver, start, bell, doorbell, module, number):
    """What is under way is finished and written down first."""
    entered = threading.Event()

    def slow(_request: Request) -> Reply:
        entered.set()
        time.sleep(0.5)
        return Reply()

    receiver.behave = slow
    world.add_endpoint(receiver.url)
    process = start(module)
    wait_for(lambda: module == "push.sweep" or ready(doorbell))
    world.record()
    ring(bell)
    assert entered.wait(10)
    process.send_signal(number)
    assert process.wait(10) == 0
    assert world.states() == ["delivered"]


@pytest.mark.parametrize("module", ["push.worker", "push.sweep"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_one_stops_at_once(world, receiver, start, bell, doorbell, module, number):
    world.add_endpoint(receiver.url)
    process = start(module)
    wait_for(lambda: module == "push.sweep" or ready(doorbell))
    world.record()
    ring(bell)
    wait_for(lambda: world.states() == ["delivered"])
    time.sleep(0.3)
    process.send_signal(number)
    assert process.wait(10) == 0  # less than a period of the sweep


def kill_and_recover(world, start, process, receiver, event, came: int) -> None:
    """Kill -9, let the sweep take over after the lease, and check that the event arrived `came` times in all."""
    process.kill()
    process.wait()
    assert world.states() == ["owed"]
    assert world.attempts()[0].finished_at is None
    start("push.sweep")
    wait_for(lambda: world.states() == ["delivered"])
    assert receiver.ids == {str(event): came}
    assert len(receiver.bodies(event)) == 1
    lost, good = world.attempts()
    assert (lost.error, good.status) == ("lost", 204)


@contextmanager
def deaf_port() -> Iterator[socket.socket]:
    """A port whose queue is full: connecting to it neither succeeds nor fails."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(3):
            link = socket.socket()
            link.setblocking(False)
            link.connect_ex(server.getsockname())
            waiting.append(link)
        yield server
        for link in waiting:
            link.close()


def test_a_worker_killed_after_its_claim_and_before_it_sends(
    world, receiver, start, bell, doorbell
):
    with deaf_port() as deaf:
        endpoint = world.add_endpoint(f"http://127.0.0.1:{deaf.getsockname()[1]}/hook")
        worker = start("push.worker")
        wait_for(lambda: ready(doorbell))
        (event,) = world.record()
        ring(bell)
        wait_for(lambda: world.attempts() and world.attempts()[0].finished_at is None)
        worker.kill()
        worker.wait()
    with transaction(world.engine, ENGINE) as session:
        endpoint = session.merge(endpoint)
        endpoint.url = receiver.url
    assert receiver.requests == []
    kill_and_recover(world, start, worker, receiver, event, came=1)


def test_a_worker_killed_while_the_receiver_thinks(world, receiver, start, bell, doorbell):
    hold = threading.Event()

    def think(_request: Request) -> Reply:
        if len(receiver.requests) == 1:
            hold.wait(5)
        return Reply()

    receiver.behave = think
    world.add_endpoint(receiver.url)
    worker = start("push.worker")
    wait_for(lambda: ready(doorbell))
    (event,) = world.record()
    ring(bell)
    wait_for(lambda: receiver.requests)
    worker.kill()
    hold.set()
    kill_and_recover(world, start, worker, receiver, event, came=2)


def test_a_worker_killed_between_the_answer_and_its_record(world, receiver, start, bell, doorbell):
    """The result cannot be written because the test holds the row, which places the kill exactly there."""
    asked, go = threading.Event(), threading.Event()

    def answer_when_told(_request: Request) -> Reply:
        asked.set()
        go.wait(5)
        return Reply()

    receiver.behave = answer_when_told
    world.add_endpoint(receiver.url)
    worker = start("push.worker")
    wait_for(lambda: ready(doorbell))
    (event,) = world.record()
    ring(bell)
    assert asked.wait(10)
    with transaction(world.engine, ENGINE) as session:
        session.get_one(Delivery, world.deliveries()[0].id, with_for_update=True)
        go.set()
        wait_for(lambda: waits_for_a_lock(session), 5)
        worker.kill()
        worker.wait()
    kill_and_recover(world, start, worker, receiver, event, came=2)


def waits_for_a_lock(session) -> bool:
    return bool(session.scalar(text("select count(*) from pg_locks where not granted")))


def test_a_worker_killed_after_its_record_sends_nothing_twice(
    world, receiver, start, bell, doorbell
):
    world.add_endpoint(receiver.url)
    worker = start("push.worker")
    wait_for(lambda: ready(doorbell))
    (event,) = world.record()
    ring(bell)
    wait_for(lambda: world.states() == ["delivered"])
    worker.kill()
    worker.wait()
    start("push.sweep")
    time.sleep(LEASE_S + 1)
    assert receiver.ids == {str(event): 1}
