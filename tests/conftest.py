"""Real servers for the tests: a PostGIS and a Redis of their own, or the ones the environment names."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg import sql
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

from landready import migrate, places, rule_book, servers
from landready.db import connect
from landready.settings import ROOT, Settings, load

# Filled by migrations, not by use: a clean state keeps them.
REFERENCE_TABLES = {"alembic_version", "spatial_ref_sys"}
# Like a truncate it waits for whoever still writes, asks no trigger and no foreign key, and starts identities anew.
_WIPE = """
CREATE SCHEMA quick;
GRANT USAGE ON SCHEMA quick TO landready_owner;
CREATE FUNCTION quick.wipe(names text[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
  every text := (SELECT string_agg(format('%I', name), ', ') FROM unnest(names) name);
  one record;
BEGIN
  EXECUTE 'LOCK TABLE ' || every || ' IN ACCESS EXCLUSIVE MODE';
  IF (SELECT sum(pg_table_size(name::regclass)) FROM unnest(names) name) > 16000000 THEN
    EXECUTE 'TRUNCATE ' || every || ' RESTART IDENTITY CASCADE';
    RETURN;
  END IF;
  SET LOCAL session_replication_role = replica;
  FOR one IN SELECT name FROM unnest(names) name WHERE pg_relation_size(name::regclass) > 0 LOOP
    EXECUTE format('DELETE FROM %I', one.name);
  END LOOP;
  PERFORM setval(d.objid::regclass, 1, false) FROM pg_sequences q
    JOIN pg_depend d ON d.objid = format('%I', q.sequencename)::regclass AND d.deptype IN ('a', 'i')
    WHERE q.schemaname = 'public' AND q.last_value IS NOT NULL AND d.refobjid::regclass::text = ANY (names);
END $$;
"""


@pytest.fixture(scope="session")
def var() -> Iterator[Path]:
    """A folder for everything written, short enough for sockets and open to PostgreSQL's account."""
    folder = Path(tempfile.mkdtemp(prefix="landready-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def settings(var: Path) -> Iterator[Settings]:
    """config.toml with migrated servers of this run, a temporary `var` and a secret key."""
    keys = {"LANDREADY_SECRET_KEY": "t" * 32, "LANDREADY_SIGNING_KEY": "t" * 43}
    given = load(env={**os.environ, "LANDREADY_VAR": str(var), **keys})
    processes = _start_private(given)
    try:
        with _usable(given) as usable:
            migrate.upgrade(usable)
            yield usable
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)  # PostgreSQL: now, whoever is still connected
        for process in processes:
            process.wait(30)


@pytest.fixture(scope="session")
def environment(settings: Settings) -> dict[str, str]:
    """The environment under which a child process (web, worker, command line) uses the same servers."""
    return {
        **os.environ,
        "LANDREADY_VAR": str(settings.var),
        "LANDREADY_SECRET_KEY": settings.secret_key,
        "LANDREADY_SIGNING_KEY": settings.signing_key,
        "LANDREADY_DATABASE_URL": settings.database.url,
        "LANDREADY_OWNER_URL": settings.database.owner_url,
        "LANDREADY_REDIS_URL": settings.redis.url,
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture(scope="session")
def engine(settings: Settings) -> Iterator[Engine]:
    """As the application: row-level security holds."""
    made = connect(servers.database_url(settings))
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def owner(settings: Settings) -> Iterator[Engine]:
    """As the owner of the tables, for what no application role may do."""
    made = create_engine(servers.owner_url(settings), poolclass=NullPool)
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def wipe(settings: Settings, owner: Engine) -> Iterator[Callable[[], None]]:
    """Empty the tables but for the rules of the configuration. Truncating all of them takes longer than most tests, so a private server deletes their few rows."""
    url = owner.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as link:
        quick = link.execute("SELECT to_regnamespace('quick') IS NOT NULL").fetchone() == (True,)

        def do() -> None:
            names = link.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            ours = sorted({str(name) for (name,) in names} - REFERENCE_TABLES)
            if quick:
                link.execute("SELECT quick.wipe(%s)", [ours])
            else:
                link.execute(f"TRUNCATE {', '.join(ours)} RESTART IDENTITY CASCADE")
            with owner.begin() as connection:
                rule_book.write(connection, settings.gate)

        yield do


@pytest.fixture
def database(engine: Engine, wipe: Callable[[], None], doorbell: redis.Redis) -> Engine:
    """The application's engine on empty tables and an empty Redis."""
    wipe()
    return engine


@pytest.fixture
def doorbell(settings: Settings) -> Iterator[redis.Redis]:
    """An empty Redis."""
    with redis.Redis.from_url(servers.redis_url(settings)) as link:
        link.flushdb()
        yield link


def _start_private(settings: Settings) -> list[subprocess.Popen[bytes]]:
    """Start what the environment does not name."""
    servers.prepare(settings, print)
    started = []
    if servers.private_database(settings):
        # Durability against a power cut is not under test, and fsync is most of the time of a truncate.
        command = [*servers.postgres_command(settings), "-c", "fsync=off"]
        started.append(_start(settings, "postgres", command, places.account()))
    if servers.private_redis(settings):
        started.append(_start(settings, "redis", servers.redis_command(settings), None))
    deadline = time.monotonic() + 60
    while waiting := servers.silent(settings):
        assert time.monotonic() < deadline, f"{waiting} do not answer; logs in {settings.var}/log"
        time.sleep(0.05)
    if servers.private_database(settings):
        servers.provision(settings)
        address = make_url(servers.owner_url(settings)).set(
            drivername="postgresql", username=places.SUPERUSER
        )
        with psycopg.connect(address.render_as_string(hide_password=False)) as link:
            link.execute(_WIPE)
    return started


def _start(
    settings: Settings, name: str, command: list[str], user: str | None
) -> subprocess.Popen[bytes]:
    log = settings.var / "log" / f"{name}.log"
    with log.open("ab") as out:
        return subprocess.Popen(command, cwd="/", stdout=out, stderr=out, user=user, group=user)


@contextmanager
def _usable(given: Settings) -> Iterator[Settings]:
    """The private servers, or what is ours alone on named ones: a new database and one of Redis's last."""
    name = f"landready_test_{os.getpid()}"
    urls = {"url": servers.database_url(given), "owner_url": servers.owner_url(given)}
    redis_url = servers.redis_url(given)
    if not servers.private_redis(given):
        # A worker of a parallel run has a database of its own there too.
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
        redis_url = _other(redis_url, str(15 - worker))
    if not servers.private_database(given):
        _run_as_owner(given, "CREATE DATABASE {}", name)
        urls = {key: _other(url, name) for key, url in urls.items()}
    try:
        yield given.model_copy(
            update={
                "database": given.database.model_copy(update=urls),
                "redis": given.redis.model_copy(update={"url": redis_url}),
            }
        )
    finally:
        if not servers.private_database(given):
            _run_as_owner(given, "DROP DATABASE {} WITH (FORCE)", name)


def _other(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _run_as_owner(settings: Settings, statement: str, name: str) -> None:
    address = make_url(servers.owner_url(settings)).set(drivername="postgresql")
    url = address.render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(sql.SQL(statement).format(sql.Identifier(name)))
