"""Bring the tables to the state this version expects. Several hosts may try at once; one does it."""

from collections.abc import Iterator
from contextlib import contextmanager

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from landready import rule_book, servers
from landready.db import APP_ROLE
from landready.errors import LandreadyError
from landready.settings import ROOT, Settings

# Any constant will do: every host that migrates this database asks for the same lock.
_LOCK = 0x1A4D_0001


class MigrationError(LandreadyError):
    """The database cannot be reached or refuses what a migration needs."""


def upgrade(settings: Settings, revision: str = "head") -> None:
    """Make the application's role and the extension where they are missing, run what is outstanding, and tell the database the gate's rules.

    Raises:
        MigrationError: the server does not answer, or the owner's account lacks a right.
        BadSettings: changed rules have the version of others that were in force.
    """
    with _owner(settings) as connection:
        _prepare(connection, settings)
        alembic.command.upgrade(config(connection, _secret_key(settings)), revision)
        if revision == "head":
            rule_book.write(connection, settings.gate)
            connection.commit()


def downgrade(settings: Settings, revision: str) -> None:
    with _owner(settings) as connection:
        alembic.command.downgrade(config(connection, _secret_key(settings)), revision)


def behind(settings: Settings) -> tuple[str, ...]:
    """Revisions that the database has not seen yet, oldest first.

    Raises:
        MigrationError: the server does not answer.
    """
    with _owner(settings) as connection:
        current = MigrationContext.configure(connection).get_current_heads()
        script = ScriptDirectory.from_config(config(connection))
        seen = {step.revision for step in script.iterate_revisions(current, "base")}
    return tuple(revision for revision in revisions() if revision not in seen)


def revisions() -> tuple[str, ...]:
    """Every revision of this version, oldest first."""
    steps = ScriptDirectory.from_config(config(None)).walk_revisions()
    return tuple(reversed([step.revision for step in steps]))


def config(connection: Connection | None, secret_key: str = "") -> Config:
    """Alembic's configuration for one connection; there is no alembic.ini. Steps that seal secrets need the key."""
    made = Config(attributes={"connection": connection, "secret_key": secret_key})
    made.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    made.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return made


def _secret_key(settings: Settings) -> str:
    """The key that the installation runs with; empty where it was not told to this process and none is kept."""
    kept = servers.private_database(settings) or (settings.var / "secret").exists()
    return servers.secret_key(settings) if kept else settings.secret_key


@contextmanager
def _owner(settings: Settings) -> Iterator[Connection]:
    """One connection as the owner of the tables, holding the lock that keeps other hosts waiting."""
    engine = create_engine(servers.owner_url(settings), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            connection.commit()
            yield connection
            connection.commit()
    except CommandError as error:  # the tables are of a newer version, or a name is unknown
        raise MigrationError(str(error)) from error
    except DBAPIError as error:
        raise MigrationError(f"{engine.url!r}: {' '.join(str(error.orig).split())}") from error


def _prepare(connection: Connection, settings: Settings) -> None:
    """What a server of one's own has not: the extension, and the role that the application acts as."""
    if not connection.scalar(text("SELECT true FROM pg_extension WHERE extname = 'postgis'")):
        connection.execute(text("CREATE EXTENSION postgis"))
    if not connection.scalar(
        text("SELECT true FROM pg_roles WHERE rolname = :role"), {"role": APP_ROLE}
    ):
        connection.execute(text(f"CREATE ROLE {APP_ROLE} NOLOGIN NOSUPERUSER NOBYPASSRLS"))
    _let_act_as_application(connection, make_url(servers.database_url(settings)).username)
    connection.commit()


def _let_act_as_application(connection: Connection, user: str | None) -> None:
    """Let the account in the application's address `SET ROLE` to the application's role."""
    name = user or connection.scalar(text("SELECT session_user"))
    if name == APP_ROLE:
        return
    member = text("SELECT pg_has_role(:user, :role, 'MEMBER')")
    if not connection.scalar(member, {"user": name, "role": APP_ROLE}):
        quoted = connection.dialect.identifier_preparer.quote(str(name))
        connection.execute(text(f"GRANT {APP_ROLE} TO {quoted}"))
