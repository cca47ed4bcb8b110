"""The one way to the database: declarative base, engine, and a transaction that says who is asking.

PostgreSQL's row-level security reads `app.role`, `app.org`, `app.city` and `app.account`, set with SET LOCAL at the start
of every transaction, so a pooled connection never remembers the last asker. The query layer (landready/tenancy.py)
narrows every ORM statement by the same actor: either of the two alone keeps tenants apart.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Identity,
    MetaData,
    create_engine,
    event,
    func,
    literal,
    select,
    text,
)
from sqlalchemy import Engine as Engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.orm import Session as Session

# SQLSTATE: deadlock_detected, serialization_failure, lock_not_available.
_COLLIDED = ("40P01", "40001", "55P03")
APP_ROLE = "landready_app"

Id = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        datetime: DateTime(timezone=True),
    }


class Role(StrEnum):
    """Who may ask. ENGINE is the product itself (worker, sweep, measuring); nobody signs in as it."""

    PUBLIC = "public"
    OFFICE = "office"
    ENTERPRISE = "enterprise"
    OWNER = "owner"
    DEPARTMENT = "department"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    EXCHANGE = "exchange"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Actor:
    """The asker of one transaction. `city` is an adcode; a supervisor without one sees the whole province."""

    role: Role
    organisation_id: int | None = None
    account_id: int | None = None
    city: str | None = None


PUBLIC = Actor(Role.PUBLIC)
ENGINE = Actor(Role.ENGINE)


def connect(url: str) -> Engine:
    """Return an engine whose connections act as the application role, never as the owner of the tables."""
    engine = create_engine(url, pool_pre_ping=True, pool_size=8, max_overflow=8)

    @event.listens_for(engine, "connect")
    def _become_application(connection: Any, _record: Any) -> None:  # noqa: ANN401 - driver's own type
        with connection.cursor() as cursor:
            cursor.execute("select session_user")
            if cursor.fetchone()[0] != APP_ROLE:
                cursor.execute(f"set role {APP_ROLE}")
            # Row-level security makes plans of hundreds of small expressions: compiling them took 1.45 s of a query of 1.47 s.
            cursor.execute("set jit = off")
        connection.commit()

    return engine


def _declare(session: Session, actor: Actor) -> None:
    session.info["actor"] = actor
    session.execute(
        text(
            "select set_config('app.role', :role, true), set_config('app.org', :org, true),"
            " set_config('app.account', :account, true), set_config('app.city', :city, true)"
        ),
        {
            "role": actor.role.value,
            "org": str(actor.organisation_id or ""),
            "account": str(actor.account_id or ""),
            "city": actor.city or "",
        },
    )


@contextmanager
def undone(session: Session) -> Iterator[None]:
    """Take back whatever the block wrote: it was done to be looked at."""
    nested = session.begin_nested()
    try:
        yield
    finally:
        nested.rollback()
        session.expire_all()


@contextmanager
def transaction(engine: Engine, actor: Actor, *, snapshot: bool = False) -> Iterator[Session]:
    """Run one transaction as `actor`: committed when the block ends, rolled back when it raises.

    With `snapshot` (REPEATABLE READ) all that it reads is of one moment: for reading only.
    """
    if snapshot:
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with Session(engine, expire_on_commit=False) as session, session.begin():
        _declare(session, actor)
        yield session


def actor_of(session: Session) -> Actor:
    """Return who this transaction belongs to."""
    actor: Actor = session.info["actor"]
    return actor


@contextmanager
def acting(session: Session, actor: Actor) -> Iterator[None]:
    """Let the transaction be `actor`'s for the length of the block, then the asker's again.

    Also when the block raises: whoever catches that and goes on reading, as a form that is shown again, is the asker.
    """
    asker = actor_of(session)
    if asker == actor:
        yield
        return
    session.flush()
    _declare(session, actor)
    try:
        yield
        session.flush()
    except BaseException:
        session.info["actor"] = asker
        # A transaction that PostgreSQL gave up answers nobody any more.
        with suppress(SQLAlchemyError):
            _declare(session, asker)
        raise
    _declare(session, asker)


def as_engine(session: Session) -> AbstractContextManager[None]:
    """Let the product itself read and write for the length of the block, within the caller's transaction.

    For what an asker causes but may not see: measuring enterprises' networks, writing the outbox.
    """
    return acting(session, ENGINE)


def collided(error: BaseException | None) -> bool:
    """Return whether the database gave a change up for another one of the same moment; nothing of it is kept."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", "") in _COLLIDED


def clock_ahead(engine: Engine, now: datetime) -> float | None:
    """Return by how many seconds `now` is ahead of the database's clock; None: the database does not answer."""
    try:
        with engine.connect() as connection:
            return seconds_ahead(connection, now)
    except DBAPIError:
        return None


def seconds_ahead(connection: Connection, now: datetime) -> float:
    """Return by how many seconds `now` is ahead of the database's clock."""
    ahead = func.extract("epoch", literal(now) - func.clock_timestamp())
    return float(connection.scalars(select(ahead)).one())
