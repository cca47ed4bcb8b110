"""Who is asking: also after the product itself failed in the middle of its own work."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from landready.db import Actor, Role, actor_of, as_engine, transaction
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
