from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from landready.db import ENGINE, transaction
from push.claims import PER_ENDPOINT, Claim, Result, claim, next_due, settle
from push.endpoints import disable
from push.fanout import fan_out
from push.models import Endpoint
from push.schedule import Dead, Delivered, EndpointGone, RetryAt
from push.transport import Answered, Failed, Fault

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
LEASE = timedelta(seconds=30)


@pytest.fixture
def owed(world):
    """More events than an endpoint gets at once, due at two endpoints."""
    for name in ("a", "b"):
        world.add_endpoint(f"https://{name}.example.com/")
    world.record(PER_ENDPOINT + 4)
    with transaction(world.engine, ENGINE) as session:
        fan_out(session, NOW)
    return world


def take(world, now: datetime = NOW, limit: int = 100) -> list[Claim]:
    with transaction(world.engine, ENGINE) as session:
        return claim(session, limit, LEASE, now)


def finish(world, one: Claim, outcome, step, now: datetime = NOW) -> bool:
    with transaction(world.engine, ENGINE) as session:
        return one.delivery_id in settle(session, [Result(one, outcome, step, now)])


def row(world, one: Claim):
    return next(d for d in world.deliveries() if d.id == one.delivery_id)


def test_the_attempt_is_on_record_before_anything_is_sent(owed):
    (one,) = take(owed, limit=1)
    (attempt,) = owed.attempts()
    assert (attempt.id, attempt.number, attempt.started_at) == (one.attempt_id, 1, NOW)
    assert (attempt.finished_at, attempt.status, attempt.error) == (None, None, "")
    assert row(owed, one).lease_until == NOW + LEASE


def test_an_endpoint_has_only_so_many_under_way(owed):
    first = take(owed)
    assert len(first) == 2 * PER_ENDPOINT
    assert take(owed) == []
    finish(owed, first[0], Answered(200), Delivered())
    (more,) = take(owed)
    assert more.receiver == first[0].receiver


def test_a_claim_is_one_holders_alone(owed):
    with ThreadPoolExecutor(8) as pool:
        taken = [one for some in pool.map(lambda _: take(owed), range(16)) for one in some]
    assert len({one.delivery_id for one in taken}) == len(taken) >= 2 * PER_ENDPOINT


def test_nothing_is_claimed_before_its_time(owed):
    assert take(owed, NOW - timedelta(seconds=1)) == []
    (one,) = take(owed, limit=1)
    later = NOW + timedelta(minutes=5)
    finish(owed, one, Answered(503), RetryAt(later))
    assert one.delivery_id not in {c.delivery_id for c in take(owed, later - LEASE)}


def test_a_lease_that_ran_out_is_taken_over_and_the_lost_attempt_closed(owed):
    (lost,) = take(owed, limit=1)
    after = NOW + LEASE + timedelta(seconds=1)
    again = next(c for c in take(owed, after) if c.delivery_id == lost.delivery_id)
    assert again.token != lost.token
    assert (again.event_id, again.body, again.number) == (lost.event_id, lost.body, 1)
    first = next(a for a in owed.attempts() if a.id == lost.attempt_id)
    assert (first.error, first.finished_at) == (Fault.LOST.value, after)


@pytest.mark.parametrize("step", [Delivered(), Dead(), RetryAt(NOW + timedelta(days=1))])
def test_a_late_worker_changes_nothing(owed, step):
    (late,) = take(owed, limit=1)
    after = NOW + LEASE + timedelta(seconds=1)
    again = next(c for c in take(owed, after) if c.delivery_id == late.delivery_id)
    assert not finish(owed, late, Answered(200), step, after)
    now = row(owed, late)
    assert (now.state, now.lease_token, now.attempts_made) == ("owed", again.token, 0)
    assert next(a for a in owed.attempts() if a.id == late.attempt_id).error == Fault.LOST.value
    assert finish(owed, again, Answered(200), Delivered(), after)
    assert row(owed, late).state == "delivered"


def test_what_was_received_is_never_sent_again(owed):
    (one,) = take(owed, limit=1)
    assert finish(owed, one, Answered(202), Delivered())
    done = row(owed, one)
    assert (done.state, done.delivered_at, done.lease_until) == ("delivered", NOW, None)
    assert one.delivery_id not in {c.delivery_id for c in take(owed, NOW + timedelta(days=9))}
    assert not finish(owed, one, Failed(Fault.TIMEOUT), Dead())


def test_attempts_count_up_with_their_results(owed):
    (one,) = take(owed, limit=1)
    finish(owed, one, Failed(Fault.TIMEOUT), RetryAt(NOW))
    second = next(c for c in take(owed) if c.delivery_id == one.delivery_id)
    finish(owed, second, Answered(500), RetryAt(NOW))
    made = [a for a in owed.attempts() if a.delivery_id == one.delivery_id]
    assert [(a.number, a.status, a.error) for a in made] == [(1, None, "timeout"), (2, 500, "")]
    assert row(owed, one).attempts_made == 2


def test_410_disables_the_endpoint_and_closes_what_it_is_owed(owed):
    (one,) = take(owed, limit=1)
    finish(owed, one, Answered(410), EndpointGone())
    with transaction(owed.engine, ENGINE) as session:
        endpoint = session.get_one(Endpoint, one.receiver.endpoint_id)
        assert endpoint.disabled_at == NOW
        assert "410" in endpoint.disabled_reason
    by_endpoint = {(d.endpoint_id == one.receiver.endpoint_id, d.state) for d in owed.deliveries()}
    assert by_endpoint == {(True, "dead"), (False, "owed")}


def test_a_retry_does_not_reopen_what_a_disabled_endpoint_was_owed(owed):
    (one,) = take(owed, limit=1)
    with transaction(owed.engine, ENGINE) as session:
        disable(session, one.receiver.endpoint_id, "", NOW)
    finish(owed, one, Answered(500), RetryAt(NOW))
    assert row(owed, one).state == "dead"


def test_a_disabled_endpoint_that_received_it_after_all_has_received_it(owed):
    (one,) = take(owed, limit=1)
    with transaction(owed.engine, ENGINE) as session:
        disable(session, one.receiver.endpoint_id, "", NOW)
    finish(owed, one, Answered(200), Delivered())
    assert row(owed, one).state == "delivered"


def test_many_410_at_once_do_not_block_each_other(owed):
    first = owed.deliveries()[0].endpoint_id
    claims = [one for one in take(owed) if one.receiver.endpoint_id == first]
    with ThreadPoolExecutor(4) as pool:
        held = list(pool.map(lambda c: finish(owed, c, Answered(410), EndpointGone()), claims))
    assert held == [True] * PER_ENDPOINT
    states = [d.state for d in owed.deliveries() if d.endpoint_id == first]
    assert set(states) == {"dead"}


def test_the_sweep_knows_when_to_come_back(owed):
    def due() -> datetime | None:
        with transaction(owed.engine, ENGINE) as session:
            return next_due(session)

    assert due() == NOW
    later = NOW + timedelta(minutes=5)
    while claims := take(owed):
        for one in claims:
            finish(owed, one, Answered(500), RetryAt(later))
    # Both endpoints rest now, each with some left that nobody tried.
    assert due() == NOW + timedelta(seconds=40)
    at = later
    while claims := take(owed, at):
        for one in claims:
            finish(owed, one, Answered(500), RetryAt(at + timedelta(hours=1)))
        at += timedelta(minutes=1)
    assert due() == later + timedelta(hours=1)
    later = at + timedelta(hours=2)
    while claims := take(owed, later):
        for one in claims:
            finish(owed, one, Answered(200), Delivered())
    assert due() is None
