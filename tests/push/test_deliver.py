import threading
import time
from collections import Counter

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from landready.db import ENGINE, transaction
from push.claims import PER_ENDPOINT
from push.deliver import deliver
from push.models import Endpoint
from tests.factories import make_enterprise
from tests.push.conftest import SECRET
from tests.push.receiver import CountingListener, Receiver, Reply, Request, wait_for


@pytest.fixture
def pay(world, push_settings):
    def pay(**changed: object) -> bool:
        return deliver(
            world.engine, push_settings.model_copy(update=changed), world.vault, threading.Event()
        )

    return pay


def test_an_event_arrives_signed_with_the_bytes_that_were_stored(world, receiver, pay):
    world.add_endpoint(receiver.url)
    (event,) = world.record()
    assert pay()
    (request,) = receiver.requests
    assert request.id == str(event)
    content = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert (content["id"], content["type"]) == (str(event), "plan.released")
    (attempt,) = world.attempts()
    assert (world.states(), attempt.status, attempt.error) == (["delivered"], 204, "")


def test_a_receiver_with_another_secret_refuses_it(world, receiver, pay):
    world.add_endpoint(receiver.url)
    other = "whsec_" + "A" * 43 + "="

    def verify(request: Request) -> Reply:
        try:
            Webhook(other).verify(request.body, dict(request.headers))
        except WebhookVerificationError:
            return Reply(401)
        return Reply(204)

    receiver.behave = verify
    world.record()
    pay()
    assert [one.status for one in world.attempts()] == [401]
    assert world.states() == ["owed"]


def test_the_receiver_of_one_enterprise_never_sees_another_s_events(world, receiver, pay):
    with transaction(world.engine, ENGINE) as session:
        other = make_enterprise(session).id
    with Receiver() as theirs:
        world.add_endpoint(receiver.url)
        world.add_endpoint(theirs.url, other)
        for_me, for_them = world.record(20), world.record(20, enterprise_id=other)
        pay()
        assert receiver.ids == Counter(map(str, for_me))
        assert theirs.ids == Counter(map(str, for_them))


def test_a_failure_is_tried_again_with_the_same_id_and_bytes_and_a_new_time(world, receiver, pay):
    world.add_endpoint(receiver.url)
    (event,) = world.record()
    receiver.behave = lambda _request: Reply(500 if len(receiver.requests) < 3 else 200)
    schedule = (0, 2, 2, 2)  # with the jitter still more than the second in which times are told
    while world.states() != ["delivered"]:
        pay(schedule_s=schedule)
        time.sleep(0.1)
    assert [request.id for request in receiver.requests] == [str(event)] * 3
    assert len(receiver.bodies(event)) == 1
    stamps = [int(request.headers["webhook-timestamp"]) for request in receiver.requests]
    assert stamps == sorted(set(stamps))
    assert [one.status for one in world.attempts()] == [500, 500, 200]


def test_after_the_schedule_it_is_given_up_and_kept(world, receiver, pay):
    world.add_endpoint(receiver.url)
    world.record()
    receiver.behave = lambda _request: Reply(500)
    for _ in range(4):
        pay(schedule_s=(0, 0, 0))
    assert world.states() == ["dead"]
    assert len(receiver.requests) == 3


def test_a_redirect_is_not_followed_and_tried_again(world, receiver, pay):
    with CountingListener() as elsewhere:
        where = {"Location": f"http://127.0.0.1:{elsewhere.port}/"}
        receiver.behave = lambda _request: Reply(302, where)
        world.add_endpoint(receiver.url)
        world.record()
        pay()
        assert elsewhere.connections == 0
    (delivery,) = world.deliveries()
    assert (delivery.state, delivery.attempts_made) == ("owed", 1)


def test_retry_after_sets_the_next_date(world, receiver, pay):
    receiver.behave = lambda _request: Reply(429, {"Retry-After": "150"})
    world.add_endpoint(receiver.url)
    world.record()
    pay(schedule_s=(0, 100, 100))
    (delivery,), (attempt,) = world.deliveries(), world.attempts()
    assert 149 < (delivery.next_attempt_at - attempt.finished_at).total_seconds() < 151


def test_410_disables_the_endpoint_and_what_it_is_owed_stays_visible(world, receiver, pay):
    receiver.behave = lambda _request: Reply(410)
    endpoint = world.add_endpoint(receiver.url)
    world.record(10)
    pay()
    with transaction(world.engine, ENGINE) as session:
        assert session.get_one(Endpoint, endpoint.id).disabled_at
    assert Counter(world.states()) == {"dead": 10}
    seen = len(receiver.requests)
    world.record(3)
    pay()
    assert len(receiver.requests) == seen


def test_a_private_address_that_is_not_allowed_is_never_connected_to(world, pay):
    with CountingListener() as inside:
        world.add_endpoint(f"http://127.0.0.1:{inside.port}/", network="127.0.0.2/32")
        world.record()
        pay()
        assert inside.connections == 0
    assert [one.error for one in world.attempts()] == ["refused_address"]
    assert world.states() == ["owed"]


def test_a_hanging_receiver_does_not_hold_up_the_others(world, receiver, pay):
    """Twenty others' events arrive while one's requests hang, also those written meanwhile."""
    hold = threading.Event()

    def hang(_request: Request) -> Reply:
        hold.wait(5)
        return Reply()

    with transaction(world.engine, ENGINE) as session:
        other = make_enterprise(session).id
    with Receiver(hang) as slow:
        world.add_endpoint(slow.url, other)
        world.add_endpoint(receiver.url)
        world.record(50, enterprise_id=other)
        world.record(20)
        paying = threading.Thread(target=pay, kwargs={"timeout_s": 3})
        paying.start()
        wait_for(lambda: len(receiver.requests) == 20 and len(slow.requests) == PER_ENDPOINT, 2)
        began = time.monotonic()
        world.record(5)
        wait_for(lambda: len(receiver.requests) == 25, 1)
        assert time.monotonic() - began < 0.5
        assert len(slow.requests) == PER_ENDPOINT
        hold.set()
        paying.join()
    assert set(world.states()) == {"delivered"}


def test_it_ends_when_asked_to_and_finishes_what_is_under_way(world, push_settings, receiver):
    stopping = threading.Event()

    def slow(_request: Request) -> Reply:
        stopping.set()
        time.sleep(0.2)
        return Reply()

    receiver.behave = slow
    world.add_endpoint(receiver.url)
    world.record(50)
    assert deliver(world.engine, push_settings, world.vault, stopping) is False
    states = Counter(world.states())
    assert states["delivered"] == len(receiver.requests) < 50
    assert states["delivered"] + states["owed"] == 50
    assert not any(one.lease_until for one in world.deliveries())


def test_it_ends_after_its_patience_and_says_that_something_is_left(world, push_settings, receiver):
    def slow(_request: Request) -> Reply:
        time.sleep(0.1)
        return Reply()

    receiver.behave = slow
    world.add_endpoint(receiver.url)
    world.record(100)
    assert deliver(world.engine, push_settings, world.vault, threading.Event(), 0.3) is False
    assert deliver(world.engine, push_settings, world.vault, threading.Event(), 30) is True
    assert set(receiver.ids.values()) == {1}
    assert len(receiver.ids) == 100


def test_many_events_through_four_payers_arrive_once_each(world, push_settings, receiver):
    """None lost, none twice."""
    world.add_endpoint(receiver.url)
    with Receiver() as second:
        world.add_endpoint(second.url)
        events = world.record(200)
        payers = [
            threading.Thread(
                target=deliver, args=(world.engine, push_settings, world.vault, threading.Event())
            )
            for _ in range(4)
        ]
        for payer in payers:
            payer.start()
        for payer in payers:
            payer.join()
        deliver(world.engine, push_settings, world.vault, threading.Event())
        assert receiver.ids == second.ids == Counter(map(str, events))
