"""Either side has one event, or all since a number or a moment, sent again: the same ids and bytes."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, NotAllowed, NotFound
from push.claims import claim
from push.completeness import by_enterprise
from push.deliver import deliver
from push.endpoints import disable_endpoint
from push.fanout import fan_out
from push.journal import acknowledge
from push.replay import After, One, Since, replay
from tests.factories import make_enterprise, make_office

FAR = datetime(2030, 1, 1, tzinfo=UTC)


def ask(world, actor: Actor, wanted, enterprise_id: int | None = None) -> int:
    with transaction(world.engine, actor) as session:
        return replay(session, enterprise_id or world.enterprise_id, wanted, datetime.now(UTC))


@pytest.fixture
def pay(world, push_settings):
    return lambda: deliver(world.engine, push_settings, world.vault, threading.Event())


@pytest.fixture
def paid(world, receiver, pay):
    world.add_endpoint(receiver.url)
    world.record(5)
    pay()
    assert len(receiver.requests) == 5
    return world


def test_one_is_sent_again_with_its_id_and_bytes(paid, receiver, pay):
    assert ask(paid, paid.enterprise, One(3)) == 1
    pay()
    again = receiver.requests[-1]
    assert len(receiver.requests) == 6
    assert receiver.ids[again.id] == 2
    assert receiver.bodies(again.id) == {again.body}
    assert b'"number":3,' in again.body


@pytest.mark.parametrize(("wanted", "number"), [(After(0), 5), (After(3), 2)])
def test_all_after_a_number_are_sent_again(paid, receiver, pay, wanted, number):
    assert ask(paid, paid.enterprise, wanted) == number
    pay()
    assert len(receiver.requests) == 5 + number
    assert sum(times == 2 for times in receiver.ids.values()) == number


def test_all_since_a_moment_are_sent_again(paid, receiver, pay):
    between = datetime.now(UTC)
    paid.record(2)
    assert ask(paid, paid.enterprise, Since(between)) == 2
    pay()
    assert len(receiver.requests) == 7  # the two were owed already: sent once
    with pytest.raises(NotFound):
        ask(paid, paid.enterprise, Since(FAR))


def test_an_endpoint_that_came_later_gets_what_went_before(paid, pay):
    from tests.push.receiver import Receiver

    with Receiver() as newer:
        paid.add_endpoint(newer.url)
        assert ask(paid, paid.enterprise, After(0)) == 10
        pay()
        assert len(newer.ids) == 5


def test_an_office_sends_again_its_own_pushes_only(paid, receiver, pay):
    with transaction(paid.engine, ENGINE) as session:
        stranger = Actor(Role.OFFICE, make_office(session).id)
    assert ask(paid, paid.office, After(0)) == 5
    with pytest.raises(NotFound):
        ask(paid, stranger, After(0))
    with transaction(paid.engine, stranger) as session:
        assert by_enterprise(session) == []


def test_nobody_else_sends_again(paid):
    with transaction(paid.engine, ENGINE) as session:
        other = Actor(Role.ENTERPRISE, make_enterprise(session).id)
    for actor in (other, Actor(Role.ADMIN, 1), Actor(Role.SUPERVISOR, 1), Actor(Role.PUBLIC)):
        with pytest.raises(NotAllowed):
            ask(paid, actor, After(0))
    with pytest.raises(NotFound):
        ask(paid, paid.enterprise, One(99))


def test_without_an_endpoint_there_is_pulling(paid):
    endpoint_id = paid.deliveries()[0].endpoint_id
    with transaction(paid.engine, paid.enterprise) as session:
        disable_endpoint(session, endpoint_id, "", datetime.now(UTC))
    with pytest.raises(Conflict):
        ask(paid, paid.enterprise, After(0))


def test_what_is_being_sent_is_left_alone(world):
    now = datetime.now(UTC)
    world.add_endpoint("https://example.com/")
    world.record(2)
    with transaction(world.engine, ENGINE) as session:
        fan_out(session, now)
        (held,) = claim(session, 1, timedelta(minutes=5), now)
    assert ask(world, world.enterprise, After(0)) == 1
    one = next(d for d in world.deliveries() if d.id == held.delivery_id)
    assert one.lease_token == held.token


def test_an_office_sees_how_much_of_its_own_arrived(paid, receiver):
    with transaction(paid.engine, ENGINE) as session:
        other_office = make_office(session).id
    paid_by_other = Actor(Role.OFFICE, other_office)
    with transaction(paid.engine, paid.enterprise) as session:
        acknowledge(session, 4, None, datetime.now(UTC))
    with transaction(paid.engine, paid.office) as session:
        (found,) = by_enterprise(session)
    assert (found.events, found.last, found.acknowledged, found.delivered) == (5, 5, 4, 5)
    assert (found.owed, found.proven, found.systems, found.failing_since) == (0, 0, 1, None)
    with pytest.raises(NotAllowed), transaction(paid.engine, paid.enterprise) as session:
        by_enterprise(session)
    with transaction(paid.engine, paid_by_other) as session:
        assert by_enterprise(session) == []


def test_sending_again_keeps_to_the_channel_that_the_enterprise_is_told_on(paid):
    """Its people get no mail of what its system is told."""
    mail = paid.add_endpoint("mailto:duty@water.example")
    assert ask(paid, paid.enterprise, After(0)) == 5
    assert mail.id not in {one.endpoint_id for one in paid.deliveries()}
