"""An endpoint that only fails rests, is probed one at a time, and holds nobody else up."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from landready.db import ENGINE, transaction
from push.claims import PER_ENDPOINT, Claim, Result, claim, give_up, settle
from push.deliver import deliver
from push.fanout import fan_out
from push.models import Endpoint
from push.schedule import FAILING, Dead, Delivered, RetryAt
from push.transport import Answered
from tests.push.receiver import Receiver, Reply, wait_for

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
LEASE = timedelta(seconds=30)
LATER = timedelta(days=1)


@pytest.fixture
def owed(world):
    world.add_endpoint("https://a.example.com/")
    world.record(30)
    with transaction(world.engine, ENGINE) as session:
        fan_out(session, NOW)
    return world


def take(world, now: datetime, limit: int = 100) -> list[Claim]:
    with transaction(world.engine, ENGINE) as session:
        return claim(session, limit, LEASE, now)


def end(world, claims: list[Claim], step, at: datetime, status: int = 500) -> None:
    with transaction(world.engine, ENGINE) as session:
        settle(session, [Result(one, Answered(status), step, at) for one in claims])


def endpoint(world) -> Endpoint:
    with transaction(world.engine, ENGINE) as session:
        return session.query(Endpoint).one()


def fail(world, times: int, at: datetime) -> None:
    end(world, take(world, at, times), RetryAt(at + LATER), at)


def test_four_failures_change_nothing_and_the_fifth_lets_it_rest(owed):
    fail(owed, FAILING - 1, NOW)
    assert endpoint(owed).resting_until is None
    fail(owed, 1, NOW)
    found = endpoint(owed)
    assert (found.failures, found.failing_since) == (FAILING, NOW)
    assert found.resting_until == NOW + timedelta(seconds=5)
    assert take(owed, NOW + timedelta(seconds=4)) == []


def test_after_its_rest_it_is_probed_one_at_a_time(owed):
    fail(owed, FAILING, NOW)
    awake = NOW + timedelta(seconds=5)
    (probe,) = take(owed, awake)
    assert take(owed, awake) == []
    end(owed, [probe], RetryAt(awake + LATER), awake)
    assert endpoint(owed).resting_until == awake + timedelta(seconds=10)


def test_one_success_opens_it_at_once(owed):
    fail(owed, FAILING, NOW)
    awake = NOW + timedelta(seconds=5)
    end(owed, take(owed, awake), Delivered(), awake, 200)
    found = endpoint(owed)
    assert (found.failures, found.failing_since, found.resting_until) == (0, None, None)
    assert len(take(owed, awake)) == PER_ENDPOINT


def test_all_workers_together_keep_the_limit(owed):
    """Sixteen workers claim at the same moment, from separate connections."""
    start = threading.Barrier(16)

    def at_once(_number: int) -> list[Claim]:
        start.wait(10)
        return take(owed, NOW)

    with ThreadPoolExecutor(16) as pool:
        claims = [one for some in pool.map(at_once, range(16)) for one in some]
    assert len(claims) == len({one.delivery_id for one in claims}) == PER_ENDPOINT


def test_what_a_whole_schedule_could_not_bring_is_given_up(owed):
    """With a probe a minute most deliveries never come to a last attempt of their own."""
    span = timedelta(hours=90)
    fail(owed, FAILING, NOW)
    owed.record()  # too young to be given up
    with transaction(owed.engine, ENGINE) as session:
        fan_out(session, NOW + span)
        assert give_up(session, span, NOW + span) == 0
        assert give_up(session, span, NOW + span + timedelta(seconds=1)) == 30
    assert sorted(owed.states()) == ["dead"] * 30 + ["owed"]


def test_a_healthy_endpoint_gives_nothing_up(owed):
    with transaction(owed.engine, ENGINE) as session:
        assert give_up(session, timedelta(hours=90), NOW + timedelta(days=30)) == 0


def test_what_was_pulled_in_the_meantime_is_not_given_up(owed):
    (one,) = take(owed, NOW, 1)
    with transaction(owed.engine, ENGINE) as session:
        session.connection().exec_driver_sql("update delivery set state = 'pulled'")
    end(owed, [one], Dead(), NOW)
    assert set(owed.states()) == {"pulled"}


def test_a_connection_that_is_refused_is_tried_twice_within_the_attempt(world, push_settings):
    """The receiver was being restarted: its port opens just after the first try."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world.add_endpoint(f"http://127.0.0.1:{port}/")
    world.record()
    deliver(world.engine, push_settings, world.vault, threading.Event())
    (attempt,) = world.attempts()
    assert (attempt.error, attempt.sends) == ("no_connection", 2)


def test_an_answer_is_one_send(world, push_settings, receiver):
    receiver.behave = lambda _request: Reply(500)
    world.add_endpoint(receiver.url)
    world.record()
    deliver(world.engine, push_settings, world.vault, threading.Event())
    assert ([one.sends for one in world.attempts()], len(receiver.requests)) == ([1], 1)


def _delivered(world, push_settings) -> None:
    deliver(world.engine, push_settings, world.vault, threading.Event(), 60)


def test_a_receiver_that_hangs_is_left_alone_and_the_others_get_all_their_events(
    world, push_settings
):
    hold = threading.Event()

    def hang(_request) -> Reply:
        hold.wait(60)
        return Reply()

    with Receiver(hang) as bad, Receiver() as good:
        world.add_endpoint(bad.url)
        world.add_endpoint(good.url)
        world.record(100)
        # On a slow machine a send to the good one may run into its time limit too, and is due again soon.
        wait_for(lambda: _delivered(world, push_settings) or len(good.ids) == 100)
        hold.set()
        # Eight hung together; then the breaker opened, and on a slow machine let a probe in after a rest.
        hung = [a for a in world.attempts() if a.status is None]
        first_end = min(a.finished_at for a in hung if a.finished_at)
        assert sum(a.started_at < first_end for a in hung) <= PER_ENDPOINT
        assert len(bad.ids) < 20
