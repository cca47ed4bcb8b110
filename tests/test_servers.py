"""The private servers: closed to the network, found again, and not hindered by what a killed start left."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from landready import places, servers
from landready.settings import Settings, load

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root must change the account")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root's sockets lie beside its data")


@pytest.fixture
def base() -> Iterator[Path]:
    """A short folder that every account may walk through."""
    folder = Path(tempfile.mkdtemp(prefix="landready-test-"))
    folder.chmod(0o711)
    yield folder
    for link in folder.rglob("var/*"):
        if link.is_symlink():
            shutil.rmtree(link.resolve().parent, ignore_errors=True)
    shutil.rmtree(folder)


def private(var: Path) -> Settings:
    return load(env={"LANDREADY_VAR": str(var)})


def prepare(settings: Settings) -> list[str]:
    said: list[str] = []
    servers.prepare(settings, said.append)
    return said


def test_application_role_cannot_pass_row_level_security(engine: Engine) -> None:
    with engine.connect() as connection:
        role = connection.execute(
            text(
                "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
            )
        ).one()
    assert tuple(role) == (servers.APP_ROLE, False, False)


@pytest.mark.skipif("LANDREADY_DATABASE_URL" in os.environ, reason="the server is not ours")
def test_private_database_listens_on_no_network(engine: Engine, settings: Settings) -> None:
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW listen_addresses")) == ""
    sockets = Path(str(make_url(settings.database.url).query["host"]))
    assert sockets.stat().st_mode & 0o777 == 0o700


def test_named_servers_are_used_and_need_nothing_private(tmp_path: Path) -> None:
    url = "postgresql+psycopg://planner@db.example/landready"
    settings = load(
        env={
            "LANDREADY_VAR": str(tmp_path / "var"),
            "LANDREADY_DATABASE_URL": url,
            "LANDREADY_REDIS_URL": "redis://queue.example",
        }
    )
    assert servers.database_url(settings) == servers.owner_url(settings) == url
    assert servers.redis_url(settings) == "redis://queue.example"
    assert servers.silent(settings) == []
    assert prepare(settings) == []
    assert not (settings.var / "postgres").exists()


def test_secret_key_is_made_once_and_read_by_nobody_else(base: Path) -> None:
    settings = private(base / "var")
    key = servers.secret_key(settings)
    assert len(key) >= 48
    assert servers.secret_key(settings) == key
    assert (base / "var" / "secret").stat().st_mode & 0o777 == 0o600
    given = settings.model_copy(update={"secret_key": "given"})
    assert servers.secret_key(given) == "given"


def test_a_second_preparation_keeps_the_cluster(base: Path) -> None:
    settings = private(base / "var")
    prepare(settings)
    made = base / "var" / "postgres" / "data" / "PG_VERSION"
    before = made.stat().st_mtime_ns
    assert prepare(settings) == []
    assert made.stat().st_mtime_ns == before


def test_a_half_made_cluster_is_made_anew(base: Path) -> None:
    settings = private(base / "var")
    half = base / "var" / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("interrupted")
    (base / "var").chmod(0o711)
    prepare(settings)
    assert not half.exists()
    assert (base / "var" / "postgres" / "data" / "global").is_dir()


def test_sockets_move_when_the_path_is_too_long_and_it_is_said_once(base: Path) -> None:
    settings = private(base / ("long" * 20) / "var")
    (said,) = prepare(settings)
    sockets = places.socket_folder(settings.var)
    assert str(sockets) in said
    assert len(f"{sockets}/pg/.s.PGSQL.5432") < 107
    assert prepare(settings) == []


@as_root
def test_data_moves_when_the_account_cannot_reach_it(base: Path) -> None:
    base.chmod(0o700)
    settings = private(base / "var")
    said = prepare(settings)
    assert [line.split(" → ")[0] for line in said] == [
        f"{base}/var/run",
        f"{base}/var/postgres",
    ]
    assert (places.postgres_folder(settings.var) / "data" / "PG_VERSION").exists()
    assert not places.postgres_folder(settings.var).is_relative_to(base)
    assert prepare(settings) == []


@as_user
def test_a_socket_folder_that_someone_else_could_read_is_closed(base: Path) -> None:
    settings = private(base / ("long" * 20) / "var")
    prepare(settings)
    shared = places.socket_folder(settings.var)
    shared.chmod(0o777)
    prepare(settings)
    assert shared.stat().st_mode & 0o777 == 0o700


@as_root
def test_a_folder_of_another_account_is_refused(base: Path) -> None:
    settings = private(base / "var")
    prepare(settings)
    os.chown(base / "var" / "run", 12345, -1)
    with pytest.raises(places.PlaceError, match="another account"):
        prepare(settings)


def test_a_cluster_of_a_version_that_is_gone_is_named(base: Path) -> None:
    settings = private(base / "var")
    prepare(settings)
    (base / "var" / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(servers.ServerError, match="postgresql-9-postgis-3"):
        prepare(settings)


def test_pid_of_a_stranger_in_the_lock_file_does_not_hinder(base: Path) -> None:
    settings = private(base / "var")
    prepare(settings)
    lock = base / "var" / "postgres" / "data" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n")
    prepare(settings)
    assert not lock.exists()


def test_database_that_outlived_a_killed_start_is_ended(base: Path) -> None:
    settings = private(base / "var")
    prepare(settings)
    process = subprocess.Popen(
        servers.postgres_command(settings),
        cwd="/",
        user=places.account(),
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_postgres(settings)
        prepare(settings)
        assert process.wait(10) == 0
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(10)


def wait_for_postgres(settings: Settings) -> None:
    deadline = time.monotonic() + 20
    while "PostgreSQL" in servers.silent(settings):
        assert time.monotonic() < deadline
        time.sleep(0.05)
