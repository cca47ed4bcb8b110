"""The private PostGIS and Redis of an installation: where they live, how they are laid out and started.

Used when the configuration names no server. Both listen on a unix socket in a folder of mode 0700 and on nothing else, so
PostgreSQL's `trust` means "this account of this machine". Keeping them alive is the process manager's work (processes.py).
"""

import os
import secrets
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

from landready import places
from landready.db import APP_ROLE
from landready.errors import LandreadyError
from landready.settings import Settings

OWNER_ROLE = "landready_owner"
DATABASE = "landready"
_PORT = 5432


class ServerError(LandreadyError):
    """A program that a private server needs is not installed, or does not answer."""


def private_database(settings: Settings) -> bool:
    return not settings.database.url


def private_redis(settings: Settings) -> bool:
    return not settings.redis.url


def database_url(settings: Settings) -> str:
    """The address web, worker and sweep use; on the private server as the role without rights of its own."""
    return settings.database.url or _private_url(settings, APP_ROLE)


def owner_url(settings: Settings) -> str:
    """The address migrations use: the role that owns the tables."""
    return (
        settings.database.owner_url or settings.database.url or _private_url(settings, OWNER_ROLE)
    )


def redis_url(settings: Settings) -> str:
    return settings.redis.url or f"unix://{redis_socket(settings)}"


def secret_key(settings: Settings) -> str:
    """The configured key, or the one made once for this installation and kept in `var/secret` (0600)."""
    return settings.secret_key or kept(settings, "secret", lambda: secrets.token_urlsafe(48))


def kept(settings: Settings, name: str, make: Callable[[], str]) -> str:
    """What was made once for this installation and lies in a file under `var` that only its account may read (0600)."""
    path = settings.var / name
    if not path.exists():
        places.make_var(settings.var)
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(made, "w") as file:
            file.write(make())
    return path.read_text().strip()


def redis_socket(settings: Settings) -> Path:
    return places.socket_folder(settings.var) / "redis.sock"


def prepare(settings: Settings, say: Callable[[str], None]) -> None:
    """Lay out folders and, the first time, the database cluster. Safe to repeat; starts nothing.

    `say` is told, once, when data or sockets cannot lie under `var`.

    Raises:
        ServerError: PostGIS or redis-server is not installed, or the cluster is of a version that is not.
    """
    if private_redis(settings):
        redis_command(settings)
    if private_database(settings):
        _postgres_bin()
    places.lay_out(settings.var, say, postgres=private_database(settings))
    if private_database(settings):
        _init_cluster(settings)
        _clear_leftovers(settings)


def postgres_command(settings: Settings) -> list[str]:
    """Start PostgreSQL in the foreground; to be run as `places.account()`."""
    data = places.postgres_folder(settings.var) / "data"
    major = (data / "PG_VERSION").read_text().strip()
    return [
        str(_postgres_bin(major) / "postgres"),
        *("-D", str(data), "-k", str(places.socket_folder(settings.var) / "pg"), "-p", str(_PORT)),
        *("-c", "listen_addresses="),
    ]


def redis_command(settings: Settings) -> list[str]:
    """Start Redis in the foreground: every write is on disk within a second, and nothing is ever evicted."""
    program = shutil.which("redis-server")
    if not program:
        raise ServerError("缺少 Redis · Redis is missing: apt-get install redis-server")
    return [
        program,
        *("--port", "0", "--unixsocket", str(redis_socket(settings)), "--unixsocketperm", "700"),
        *("--dir", str((settings.var / "redis").resolve()), "--daemonize", "no"),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction"),
    ]


def silent(settings: Settings) -> list[str]:
    """The private servers that do not answer yet."""
    checks: dict[str, Callable[[Settings], bool]] = {}
    if private_database(settings):
        checks["PostgreSQL"] = _postgres_answers
    if private_redis(settings):
        checks["Redis"] = _redis_answers
    return [name for name, answers in checks.items() if not answers(settings)]


def provision(settings: Settings) -> None:
    """Make roles, database and extension on the private server where they are missing."""
    with _superuser(settings, "postgres") as link:
        for role in (OWNER_ROLE, APP_ROLE):
            if not link.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                link.execute(
                    sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS").format(
                        sql.Identifier(role)
                    )
                )
        if not link.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            link.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE)
                )
            )
    with _superuser(settings, DATABASE) as link:
        link.execute("CREATE EXTENSION IF NOT EXISTS postgis")


def postgis_versions() -> list[str]:
    """Major versions of PostgreSQL that are here with PostGIS, newest first."""
    return sorted(_installed(), key=int, reverse=True)


def _installed() -> dict[str, Path]:
    """Major version -> folder of the server's programs (Debian's layout)."""
    return {
        control.parts[-3]: programs
        for control in Path("/usr/share/postgresql").glob("*/extension/postgis.control")
        if (programs := Path("/usr/lib/postgresql") / control.parts[-3] / "bin").is_dir()
    }


def _postgres_bin(major: str | None = None) -> Path:
    have = postgis_versions()
    if not have:
        raise ServerError("缺少 PostGIS · PostGIS is missing: apt-get install postgresql-postgis")
    wanted = major or have[0]
    if wanted not in have:
        raise ServerError(
            f"var/postgres was made by PostgreSQL {wanted}, which is not installed:"
            f" apt-get install postgresql-{wanted}-postgis-3"
        )
    return _installed()[wanted]


def _private_url(settings: Settings, role: str) -> str:
    query = {"host": str(places.socket_folder(settings.var) / "pg"), "port": str(_PORT)}
    url = URL.create("postgresql+psycopg", username=role, database=DATABASE, query=query)
    return url.render_as_string(hide_password=False)


def _init_cluster(settings: Settings) -> None:
    """Make the cluster; a half-made one of an interrupted start is made anew."""
    folder = places.postgres_folder(settings.var)
    data, half = folder / "data", folder / "data.new"
    if (data / "PG_VERSION").exists():
        postgres_command(settings)
        return
    shutil.rmtree(half, ignore_errors=True)
    done = places.run_as_account(
        [
            str(_postgres_bin() / "initdb"),
            *("-D", str(half), "-U", places.SUPERUSER, "--auth=trust", "-E", "UTF8"),
            "--locale=C.UTF-8",
        ]
    )
    if done.returncode:
        raise ServerError(f"initdb: {' '.join(done.stderr.split())}")
    half.rename(data)


def _clear_leftovers(settings: Settings) -> None:
    """End a PostgreSQL that outlived a killed start, and forget the pid of one that did not.

    PostgreSQL refuses to start when any process has the pid in its lock file, which happens after a restart of a container.
    The caller holds the lock of the installation, so no other start is under way.
    """
    data = places.postgres_folder(settings.var) / "data"
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    pid = lock.read_text().split("\n", 1)[0].strip()
    process = Path("/proc") / pid
    try:
        ours = (process / "comm").read_text().strip() == "postgres" and (
            process / "cwd"
        ).resolve() == data
    except OSError:
        ours = False
    if ours:
        pg_ctl = _postgres_bin((data / "PG_VERSION").read_text().strip()) / "pg_ctl"
        places.run_as_account([str(pg_ctl), "-D", str(data), "-m", "fast", "-w", "stop"])
    else:
        lock.unlink(missing_ok=True)


def _superuser(settings: Settings, database: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=str(places.socket_folder(settings.var) / "pg"),
        port=_PORT,
        user=places.SUPERUSER,
        dbname=database,
        autocommit=True,
        connect_timeout=5,
    )


def _postgres_answers(settings: Settings) -> bool:
    try:
        _superuser(settings, "postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def _redis_answers(settings: Settings) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(1)
            link.connect(str(redis_socket(settings)))
            link.sendall(b"PING\r\n")
            return link.recv(16).startswith(b"+PONG")
    except OSError:
        return False
