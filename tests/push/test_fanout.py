import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from sqlalchemy import select

from landready import outbox
from landready.db import ENGINE, transaction
from landready.outbox import OutboxEvent
from push.endpoints import disable
from push.fanout import fan_out
from push.models import Delivery
from tests.factories import make_enterprise


def fan(world) -> int:
    with transaction(world.engine, ENGINE) as session:
        return fan_out(session, datetime.now(UTC))


def test_each_event_is_owed_once_to_each_endpoint_of_its_enterprise(world):
    endpoints = {world.add_endpoint(f"https://example.com/{n}").id for n in range(2)}
    events = set(world.record(3))
    assert fan(world) == 3
    owed = {(one.endpoint_id, one.event_id) for one in world.deliveries()}
    assert owed == {(endpoint, event) for endpoint in endpoints for event in events}
    assert len(world.deliveries()) == 6
    assert {(one.enterprise_id, one.office_id, one.push_id) for one in world.deliveries()} == {
        (world.enterprise_id, world.office_id, world.push_id)
    }


def test_repeating_it_owes_nothing_twice(world):
    world.add_endpoint("https://example.com/")
    world.record(2)
    assert [fan(world), fan(world)] == [2, 0]
    with transaction(world.engine, ENGINE) as session:
        for event in session.scalars(select(OutboxEvent)):
            event.fanned_out_at = None
    assert fan(world) == 2
    assert len(world.deliveries()) == 2


def test_an_enterprise_never_gets_the_events_of_another(world):
    mine = world.add_endpoint("https://mine.example.com/")
    with transaction(world.engine, ENGINE) as session:
        other = make_enterprise(session).id
    theirs = world.add_endpoint("https://theirs.example.com/", other)
    for_me, for_them = world.record(5), world.record(5, enterprise_id=other)
    fan(world)
    owed = {one.event_id: one.endpoint_id for one in world.deliveries()}
    assert owed == {**dict.fromkeys(for_me, mine.id), **dict.fromkeys(for_them, theirs.id)}


def test_a_disabled_endpoint_gets_nothing_new(world):
    endpoint = world.add_endpoint("https://example.com/")
    with transaction(world.engine, ENGINE) as session:
        disable(session, endpoint.id, "", datetime.now(UTC))
    world.record()
    assert fan(world) == 1
    assert world.deliveries() == []


def test_without_an_endpoint_there_is_the_inbox_alone(world):
    world.record()
    assert fan(world) == 1
    assert world.deliveries() == []


def test_an_event_is_there_once_its_transaction_is_committed_and_not_before(world):
    with transaction(world.engine, ENGINE) as session:
        outbox.record(
            session,
            enterprise_id=world.enterprise_id,
            office_id=world.office_id,
            push_id=world.push_id,
            type_="plan.released",
            data={},
            now=datetime.now(UTC),
        )
        session.flush()
        assert fan(world) == 0
    assert fan(world) == 1


def test_many_at_once_owe_each_event_once(world):
    world.add_endpoint("https://example.com/")
    world.record(150)
    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(lambda _: fan(world), range(16)))
    assert taken == 150
    assert len(world.deliveries()) == 150


def test_a_delivery_never_slips_past_an_endpoint_that_is_being_disabled(world):
    """Disabling waits for a fan-out under way and then closes what it owes."""
    endpoint = world.add_endpoint("https://example.com/")
    world.record()

    def close() -> None:
        with transaction(world.engine, ENGINE) as session:
            disable(session, endpoint.id, "", datetime.now(UTC))

    with transaction(world.engine, ENGINE) as session:
        fan_out(session, datetime.now(UTC))
        closing = threading.Thread(target=close)
        closing.start()
        closing.join(0.3)
        assert closing.is_alive()
    closing.join()
    with transaction(world.engine, ENGINE) as session:
        assert session.scalars(select(Delivery.state)).all() == ["dead"]
