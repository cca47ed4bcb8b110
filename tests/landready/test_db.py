"""Who is asking: also after the product itself failed in the middle of its own work."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from landready.db import (
    ENGINE,
    Actor,
    Role,
    actor_of,
    as_engine,
    clock_ahead,
    connect,
    seconds_ahead,
    transaction,
)
from landready.permits import Permit

OFFICE = Actor(Role.OFFICE, 7, None, "460100")


class Refused(Exception):
    """What a rule raises."""


def asked_as(session):
    return session.scalar(text("select app_role()"))


def refuse(session):
    with as_engine(session):
        assert asked_as(session) == "engine"
        raise Refused


def fail(session):
    with as_engine(session):
        session.execute(text("select 1/0"))


def test_asker_is_back_after_the_product_refused(database):
    with transaction(database, OFFICE) as session:
        with pytest.raises(Refused):
            refuse(session)
        assert actor_of(session) == OFFICE
        assert asked_as(session) == "office"


def test_asker_is_back_after_a_savepoint_was_given_up(database):
    with transaction(database, OFFICE) as session:
        with pytest.raises(DBAPIError), session.begin_nested():
            fail(session)
        assert actor_of(session) == OFFICE
        assert asked_as(session) == "office"
        assert session.scalars(select(Permit)).all() == []


def test_nobody_reads_as_the_product_in_a_broken_transaction(database):
    def go_on(session):
        with pytest.raises(DBAPIError):
            fail(session)
        assert actor_of(session) == OFFICE
        session.scalars(select(Permit))

    with transaction(database, OFFICE) as session, pytest.raises(DBAPIError):
        go_on(session)


def test_one_machine_has_one_clock(database):
    assert abs(clock_ahead(database, datetime.now(UTC))) < 5


def test_moment_is_told_apart_from_the_clock_of_the_database(database):
    with transaction(database, ENGINE) as session:
        ahead = seconds_ahead(session.connection(), datetime.now(UTC) + timedelta(seconds=90))
    assert 85 < ahead <= 90


def test_no_clock_without_a_database():
    nowhere = connect("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    assert clock_ahead(nowhere, datetime.now(UTC)) is None
