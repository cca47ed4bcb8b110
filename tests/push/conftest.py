"""A world of one office and one enterprise with a receiver, and push's own processes on the test servers."""

import re
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine, select

from landready import outbox, servers
from landready.db import ENGINE, Actor, Role, transaction
from landready.settings import ROOT, Settings
from landready.settings import Push as PushSettings
from push import signing
from push.models import Attempt, Delivery, Endpoint, EndpointNetwork
from push.vault import Vault
from tests.factories import make_push
from tests.push.receiver import Receiver, wait_for

TIMEOUT_S = 1
SECRET = signing.new_secret()
Process = subprocess.Popen[bytes]


@dataclass
class World:
    """One office, one enterprise, one push between them; events are written as the domain writes them.

    Its endpoints may lie on loopback and have the same `SECRET`.
    """

    engine: Engine
    office_id: int
    enterprise_id: int
    push_id: int
    vault: Vault

    @property
    def enterprise(self) -> Actor:
        return Actor(Role.ENTERPRISE, self.enterprise_id)

    @property
    def office(self) -> Actor:
        return Actor(Role.OFFICE, self.office_id)

    def add_endpoint(
        self, url: str, enterprise_id: int | None = None, network: str = "127.0.0.1/32"
    ) -> Endpoint:
        with transaction(self.engine, ENGINE) as session:
            owner = enterprise_id or self.enterprise_id
            endpoint = Endpoint(
                enterprise_id=owner,
                url=url,
                secret=self.vault.seal(SECRET, owner),
                created_at=datetime.now(UTC),
            )
            session.add(endpoint)
            session.flush()
            session.add(
                EndpointNetwork(
                    endpoint_id=endpoint.id,
                    enterprise_id=owner,
                    network=ip_network(network),
                    approved_at=datetime.now(UTC),
                )
            )
        return endpoint

    def record(self, number: int = 1, enterprise_id: int | None = None) -> list[uuid.UUID]:
        with transaction(self.engine, ENGINE) as session:
            return [
                outbox.record(
                    session,
                    enterprise_id=enterprise_id or self.enterprise_id,
                    office_id=self.office_id,
                    push_id=None if enterprise_id else self.push_id,
                    type_="plan.released",
                    data={"标题": "供地计划", "n": n},
                    now=datetime.now(UTC),
                )
                for n in range(number)
            ]

    def deliveries(self) -> list[Delivery]:
        with transaction(self.engine, ENGINE) as session:
            return list(session.scalars(select(Delivery).order_by(Delivery.id)))

    def attempts(self) -> list[Attempt]:
        with transaction(self.engine, ENGINE) as session:
            return list(session.scalars(select(Attempt).order_by(Attempt.id)))

    def states(self) -> list[str]:
        return [one.state for one in self.deliveries()]


@pytest.fixture
def world(database: Engine, vault: Vault) -> World:
    with transaction(database, ENGINE) as session:
        # Opened and due far ahead: no notice of a deadline joins what a test counts, at whatever hour it runs.
        push = make_push(session, opened_at=datetime.now(UTC), due_on=date(2099, 1, 5))
        return World(database, push.office_id, push.enterprise_id, push.id, vault)


@pytest.fixture(scope="session")
def vault(settings: Settings) -> Vault:
    return Vault(settings.secret_key)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.fixture(scope="session")
def push_settings(settings: Settings) -> PushSettings:
    """Nobody waits long."""
    return settings.push.model_copy(
        update={
            "timeout_s": TIMEOUT_S,
            "sweep_s": 0.5,
        }
    )


@pytest.fixture(scope="session")
def push_environment(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The same settings for a process of its own."""
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    given = {"timeout_s": str(TIMEOUT_S), "sweep_s": "0.5"}
    for key, value in given.items():
        text, changed = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert changed == 1
    path: Path = tmp_path_factory.mktemp("push") / "config.toml"
    path.write_text(text, encoding="utf-8")
    return {**environment, "LANDREADY_CONFIG": str(path), "PYTHONUNBUFFERED": "1"}


class OwnRedis:
    """A Redis that a test may stop, kill and lose, with nothing kept on disk."""

    def __init__(self, settings: Settings) -> None:
        self._command = [*servers.redis_command(settings), "--appendonly", "no"]
        self._socket = servers.redis_socket(settings)
        self.url = servers.redis_url(settings)
        self._process: Process | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        with Redis.from_url(self.url) as link:
            wait_for(lambda: self._socket.exists() and _answers(link))

    def link(self) -> Redis:
        return Redis.from_url(self.url)

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(10)


def _answers(link: Redis) -> bool:
    try:
        return bool(link.ping())
    except RedisError:
        return False


@pytest.fixture
def own_redis(settings: Settings) -> Iterator[OwnRedis]:
    with tempfile.TemporaryDirectory(prefix="landready-redis-") as folder:
        (Path(folder) / "redis").mkdir()
        (Path(folder) / "run").mkdir()
        redis = OwnRedis(
            settings.model_copy(
                update={"var": Path(folder), "redis": settings.redis.model_copy(update={"url": ""})}
            )
        )
        redis.start()
        yield redis
        redis.kill()


@pytest.fixture
def start(push_environment: dict[str, str]) -> Iterator[Callable[..., Process]]:
    """Start `push.worker` or `push.sweep` as a process; killed at the end of the test."""
    started: list[Process] = []

    def start(module: str, **environment: str) -> Process:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={**push_environment, **environment},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.send_signal(signal.SIGKILL)
        process.wait(20)
