import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, NotAllowed, NotFound
from landready.pushes import Push
from push.claims import claim
from push.deliver import deliver
from push.endpoints import disable
from push.fanout import fan_out
from push.models import Delivery
from push.status import _WORDS, DeliverySummary, deliveries_of, overdue, redeliver, undelivered
from push.transport import Fault
from tests.factories import make_enterprise, make_owner, make_push
from tests.push.receiver import Reply

PUBLIC = Actor(Role.PUBLIC)


@pytest.fixture
def pay(world, push_settings):
    def pay(**changed: object) -> None:
        deliver(
            world.engine, push_settings.model_copy(update=changed), world.vault, threading.Event()
        )

    return pay


def summary(world, actor: Actor | None = None) -> DeliverySummary:
    with transaction(world.engine, actor or world.office) as session:
        return deliveries_of(session, [world.push_id])[world.push_id]


def send_again(world, actor: Actor) -> None:
    with transaction(world.engine, actor) as session:
        redeliver(session, world.deliveries()[0].id, datetime.now(UTC))


def test_the_inbox_has_a_push_from_the_moment_it_was_pushed(world):
    with transaction(world.engine, ENGINE) as session:
        pushed_at = session.get_one(Push, world.push_id).pushed_at
    assert summary(world) == DeliverySummary(world.push_id, pushed_at, ())


def test_a_received_webhook_says_when(world, receiver, pay):
    world.add_endpoint(receiver.url)
    world.record()
    pay()
    (webhook,) = summary(world).webhooks
    assert (webhook.state, webhook.next_attempt_at, webhook.last_problem) == (
        "delivered",
        None,
        None,
    )
    assert webhook.delivered_at == webhook.attempts[0].finished_at
    assert webhook.attempts[0].problem is None


def test_a_failing_webhook_says_what_is_wrong_and_when_it_is_tried_next(world, receiver, pay):
    receiver.behave = lambda _request: Reply(503)
    world.add_endpoint(receiver.url)
    world.record()
    pay()
    (webhook,) = summary(world).webhooks
    assert webhook.state == "owed"
    assert webhook.last_problem.message == "接收系统答复 503。"
    assert webhook.next_attempt_at > datetime.now(UTC)


def test_a_redirect_is_named_as_one(world, receiver, pay):
    receiver.behave = lambda _request: Reply(308)
    world.add_endpoint(receiver.url)
    world.record()
    pay()
    assert "转向" in summary(world).webhooks[0].last_problem.message


def test_every_fault_has_words():
    assert set(_WORDS) == set(Fault)


def test_what_was_given_up_is_shown_to_office_and_enterprise(world, receiver, pay):
    receiver.behave = lambda _request: Reply(500)
    world.add_endpoint(receiver.url)
    world.record()
    pay(schedule_s=(0,))
    for actor in (world.office, world.enterprise):
        with transaction(world.engine, actor) as session:
            found = undelivered(session)
        (one,) = found.newest
        assert found.total == 1
        assert (one.webhook.state, one.webhook.next_attempt_at) == ("dead", None)
        assert one.webhook.last_problem.message == "接收系统答复 500。"
        assert (one.number, one.type) == (1, "plan.released")
        assert one.enterprise.startswith("enterprise")
        assert one.title.startswith("plan")
    with transaction(world.engine, PUBLIC) as session:
        assert undelivered(session).total == 0


def test_an_owner_sees_nothing_of_a_plan_s_pushes(world):
    with transaction(world.engine, ENGINE) as session:
        owner = make_owner(session).id
    with transaction(world.engine, Actor(Role.OWNER, owner)) as session:
        assert deliveries_of(session, [world.push_id]) == {}


def test_pushes_of_others_are_not_in_the_answer(world):
    with transaction(world.engine, ENGINE) as session:
        theirs = make_push(session).id
        stranger = Actor(Role.ENTERPRISE, make_enterprise(session).id)
    with transaction(world.engine, world.enterprise) as session:
        assert set(deliveries_of(session, [world.push_id, theirs, 10**6])) == {world.push_id}
    with transaction(world.engine, stranger) as session:
        assert deliveries_of(session, [world.push_id, theirs]) == {}


def test_overdue_is_what_is_not_answered_after_its_day(world):
    with transaction(world.engine, ENGINE) as session:
        push = session.get_one(Push, world.push_id)
        due = push.due_on

    def late(today: date, actor: Actor) -> list[int]:
        with transaction(world.engine, actor) as session:
            return [one.id for one in overdue(session, today)]

    assert late(due, world.office) == []
    assert late(due + timedelta(days=1), world.office) == [world.push_id]
    assert late(due + timedelta(days=1), PUBLIC) == []
    with transaction(world.engine, ENGINE) as session:
        session.get_one(Push, world.push_id).answered_at = datetime.now(UTC)
    assert late(due + timedelta(days=1), world.office) == []


@pytest.mark.parametrize("before", ["dead", "delivered"])
def test_sending_again_is_the_same_id_and_bytes_from_the_start_of_the_schedule(
    world, receiver, pay, before
):
    receiver.behave = lambda _request: Reply(500 if before == "dead" else 200)
    world.add_endpoint(receiver.url)
    (event,) = world.record()
    pay(schedule_s=(0,))
    assert world.states() == [before]
    receiver.behave = lambda _request: Reply(200)
    send_again(world, world.office if before == "dead" else world.enterprise)
    assert [(one.state, one.attempts_made) for one in world.deliveries()] == [("owed", 0)]
    pay()
    assert world.states() == ["delivered"]
    assert receiver.ids == {str(event): 2}
    assert len(receiver.bodies(event)) == 1
    assert [one.number for one in world.attempts()] == [1, 1]


def test_sending_again_is_for_the_two_sides_of_the_push(world, receiver, pay):
    world.add_endpoint(receiver.url)
    world.record()
    pay()
    with transaction(world.engine, ENGINE) as session:
        stranger = Actor(Role.ENTERPRISE, make_enterprise(session).id)
    for actor in (stranger, PUBLIC, Actor(Role.OFFICE, 10**6)):
        with pytest.raises(NotFound):
            send_again(world, actor)
    with pytest.raises(NotAllowed):
        send_again(world, Actor(Role.SUPERVISOR, 1))
    assert world.states() == ["delivered"]


def test_what_is_being_sent_is_not_sent_again_beside_it(world):
    world.add_endpoint("https://example.com/")
    world.record()
    with transaction(world.engine, ENGINE) as session:
        fan_out(session, datetime.now(UTC))
        claim(session, 1, timedelta(seconds=30), datetime.now(UTC))
    with pytest.raises(Conflict):
        send_again(world, world.office)


def test_nothing_is_owed_to_a_disabled_receiver(world):
    endpoint = world.add_endpoint("https://example.com/")
    world.record()
    with transaction(world.engine, ENGINE) as session:
        fan_out(session, datetime.now(UTC))
        disable(session, endpoint.id, "", datetime.now(UTC))
    with pytest.raises(Conflict):
        send_again(world, world.office)
    with transaction(world.engine, ENGINE) as session:
        assert session.get_one(Delivery, world.deliveries()[0].id).state == "dead"
