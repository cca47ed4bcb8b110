"""Numbers without gaps, in an order that no reader is ever ahead of; what both sides can prove with them."""

import hashlib
import json
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from landready import outbox
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, Invalid, NotAllowed
from landready.outbox import OutboxEvent
from push.claims import Result, claim, settle
from push.fanout import fan_out
from push.journal import acknowledge, entries, reconcile, standing
from push.models import Delivery, Journal
from push.schedule import Dead, RetryAt
from push.transport import Answered
from tests.factories import make_enterprise

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)


def numbers(world) -> list[int]:
    with transaction(world.engine, ENGINE) as session:
        return list(
            session.scalars(
                select(OutboxEvent.number)
                .where(OutboxEvent.enterprise_id == world.enterprise_id)
                .order_by(OutboxEvent.number)
            )
        )


def ids_hash(world, first: int, last: int) -> str:
    """As an integrator computes it from what it stored."""
    with transaction(world.engine, world.enterprise) as session:
        stored = {one.number: one.id for one in entries(session, 0, 500)}
    lines = "".join(f"{stored[n]}\n" for n in range(first, last + 1))
    return hashlib.sha256(lines.encode()).hexdigest()


def write(world, session, enterprise_id: int) -> uuid.UUID:
    return outbox.record(
        session,
        enterprise_id=enterprise_id,
        office_id=world.office_id,
        push_id=None,
        type_="plan.released",
        data={"n": 1},
        now=NOW,
    )


def test_each_enterprise_counts_from_one_and_the_body_says_its_number(world):
    with transaction(world.engine, ENGINE) as session:
        other = make_enterprise(session).id
    world.record(3)
    world.record(2, enterprise_id=other)
    world.record(1)
    with transaction(world.engine, ENGINE) as session:
        events = session.scalars(select(OutboxEvent)).all()
        for one in events:
            assert json.loads(one.body)["number"] == one.number
            assert hashlib.sha256(one.body).hexdigest() == one.body_sha256
        assert sorted(e.number for e in events if e.enterprise_id == other) == [1, 2]
        assert session.get_one(Journal, world.enterprise_id).last_number == 4
    assert numbers(world) == [1, 2, 3, 4]


def test_a_rolled_back_transaction_takes_no_number(world):
    world.record()
    with suppress(ZeroDivisionError), transaction(world.engine, ENGINE) as session:
        write(world, session, world.enterprise_id)
        session.flush()
        raise ZeroDivisionError
    with transaction(world.engine, ENGINE) as session:
        inner = session.begin_nested()
        write(world, session, world.enterprise_id)
        session.flush()
        inner.rollback()
        write(world, session, world.enterprise_id)
    world.record()
    assert numbers(world) == [1, 2, 3]


def test_whoever_asks_the_number_is_given_to_what_any_role_causes(world):
    """An office releases, an owner submits: none of them may read the journal, and each event is numbered."""
    for actor in (world.office, world.enterprise, Actor(Role.OWNER, 999_999)):
        with transaction(world.engine, actor) as session:
            write(world, session, world.enterprise_id)
            assert session.scalar(text("select app_role()")) == actor.role.value
    assert numbers(world) == [1, 2, 3]


def test_a_test_event_has_no_number_and_leaves_no_gap(world):
    world.record()
    with transaction(world.engine, ENGINE) as session:
        outbox.record(
            session,
            enterprise_id=world.enterprise_id,
            office_id=world.enterprise_id,
            push_id=None,
            type_="endpoint.test",
            data={},
            now=NOW,
        )
    world.record()
    assert [n for n in numbers(world) if n] == [1, 2]


@pytest.mark.parametrize(
    "change",
    [
        "update outbox_event set number = 7",
        "update outbox_event set body = '{}'",
        "update journal set last_number = 9",
        "delete from outbox_event",
        "insert into journal values (999, 1, 1, null, 1, null)",
    ],
)
def test_no_role_of_the_application_changes_a_number_or_a_body(world, change):
    world.record()
    for actor in (ENGINE, world.enterprise, world.office):
        with (
            pytest.raises(DBAPIError, match="permission denied"),
            transaction(world.engine, actor) as session,
        ):
            session.execute(text(change))


def test_a_reader_is_never_passed_by_a_smaller_number(world):
    """Writers of several enterprises at once, some slow to commit, some rolled back, and no deadlock between them."""
    with transaction(world.engine, ENGINE) as session:
        others = [make_enterprise(session).id for _ in range(2)]
    mine, done = [world.enterprise_id, *others], threading.Event()
    read: list[int] = []
    dice = random.Random(7)
    plans = [[dice.sample(mine, 3) for _ in range(12)] for _ in range(6)]
    pauses = [[dice.random() * 0.02 for _ in range(12)] for _ in range(6)]

    def writer(number: int) -> int:
        committed = 0
        for step, (targets, pause) in enumerate(zip(plans[number], pauses[number], strict=True)):
            try:
                with transaction(world.engine, ENGINE) as session:
                    for target in targets:
                        write(world, session, target)
                        session.flush()
                        time.sleep(pause)
                    session.connection().exec_driver_sql(f"select 1 / {step % 5 - 4}")
                committed += 1
            except DBAPIError:  # every fifth is rolled back
                pass
        return committed

    def reader() -> None:
        last = False
        while not last:
            last = done.is_set()
            with transaction(world.engine, world.enterprise) as session:
                read.extend(one.number for one in entries(session, read[-1] if read else 0, 50))

    watch = threading.Thread(target=reader)
    watch.start()
    with ThreadPoolExecutor(6) as pool:
        committed = sum(pool.map(writer, range(6)))
    done.set()
    watch.join(30)
    assert read == list(range(1, committed + 1)) == numbers(world)


def test_pulled_bodies_are_the_bytes_that_webhooks_carry(world, receiver, push_settings):
    from push.deliver import deliver

    world.add_endpoint(receiver.url)
    world.record(3)
    deliver(world.engine, push_settings, world.vault, threading.Event())
    with transaction(world.engine, world.enterprise) as session:
        pulled = {one.id: one for one in entries(session, 0, 10)}
    assert len(receiver.requests) == 3
    for request in receiver.requests:
        assert pulled[request.id].body.encode() == request.body
        assert pulled[request.id].sha256 == hashlib.sha256(request.body).hexdigest()


def test_pulling_goes_on_from_a_number_and_never_shows_another_s(world):
    with transaction(world.engine, ENGINE) as session:
        other = make_enterprise(session).id
    world.record(5)
    world.record(2, enterprise_id=other)
    with transaction(world.engine, world.enterprise) as session:
        assert [one.number for one in entries(session, 0, 3)] == [1, 2, 3]
        assert [one.number for one in entries(session, 3, 3)] == [4, 5]
        assert entries(session, 5, 3) == []
    for actor in (world.office, Actor(Role.OWNER, 1), Actor(Role.PUBLIC)):
        with pytest.raises(NotAllowed), transaction(world.engine, actor) as session:
            entries(session, 0, 1)


def test_one_answer_is_bounded_in_bytes_but_never_empty(world, monkeypatch):
    monkeypatch.setattr("push.journal._BYTES_AT_ONCE", 1)
    world.record(3)
    with transaction(world.engine, world.enterprise) as session:
        assert [one.number for one in entries(session, 1, 100)] == [2]


def test_both_sides_come_to_the_same_hash(world):
    world.record(6)
    with transaction(world.engine, world.enterprise) as session:
        whole, part = reconcile(session, 1, 6), reconcile(session, 3, 5)
        beyond, nothing = reconcile(session, 1, 9), reconcile(session, 7, 6)
    assert (whole.count, whole.ids_sha256) == (6, ids_hash(world, 1, 6))
    assert (part.count, part.ids_sha256) == (3, ids_hash(world, 3, 5))
    assert (beyond.count, beyond.ids_sha256) == (6, whole.ids_sha256)
    assert (nothing.count, nothing.ids_sha256) == (0, hashlib.sha256(b"").hexdigest())
    with pytest.raises(Invalid), transaction(world.engine, world.enterprise) as session:
        reconcile(session, 5, 3)


def test_acknowledging_only_goes_forward_and_never_past_the_last(world):
    world.record(5)
    with transaction(world.engine, world.enterprise) as session:
        assert standing(session).acknowledged == 0
        assert acknowledge(session, 3, None, NOW).acknowledged == 3
        assert acknowledge(session, 1, None, NOW + timedelta(1)).acknowledged == 3
        noted = standing(session)
    assert (noted.last, noted.acknowledged, noted.acknowledged_at, noted.proven) == (5, 3, NOW, 0)
    with pytest.raises(Invalid), transaction(world.engine, world.enterprise) as session:
        acknowledge(session, 6, None, NOW)


def test_the_right_hash_proves_and_another_notes_nothing(world):
    world.record(5)
    with pytest.raises(Conflict), transaction(world.engine, world.enterprise) as session:
        acknowledge(session, 4, "0" * 64, NOW)
    with transaction(world.engine, world.enterprise) as session:
        assert standing(session).acknowledged == 0
        proven = acknowledge(session, 4, ids_hash(world, 1, 4).upper(), NOW)
    assert (proven.acknowledged, proven.proven, proven.proven_at) == (4, 4, NOW)


def test_what_was_pulled_and_acknowledged_is_no_longer_owed(world):
    world.add_endpoint("https://example.com/")
    world.record(4)
    with transaction(world.engine, ENGINE) as session:
        fan_out(session, NOW)
        dead, under_way, waiting, _later = claim(session, 4, timedelta(seconds=30), NOW)
        settle(session, [Result(dead, Answered(500), Dead(), NOW)])
        settle(session, [Result(waiting, Answered(500), RetryAt(NOW), NOW)])
    with transaction(world.engine, world.enterprise) as session:
        acknowledge(session, 3, None, NOW)
    with transaction(world.engine, ENGINE) as session:
        states = session.scalars(select(Delivery.state)).all()
    assert sorted(states) == ["owed", "owed", "pulled", "pulled"]
    # The one that is being sent at this moment ends as its receiver says; nothing else up to 3 is owed.
    with transaction(world.engine, ENGINE) as session:
        held = session.get_one(Delivery, under_way.delivery_id)
        assert (held.state, held.lease_token) == ("owed", under_way.token)
