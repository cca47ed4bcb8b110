"""What the measurements of push share: an installation of its own in a temporary folder, and receivers on loopback."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path

import push.models  # noqa: F401 - its tables
from landready import migrate, places, schema, seal, servers  # noqa: F401 - every table
from landready.db import ENGINE, Engine, transaction
from landready.organisations import Organisation
from landready.settings import ROOT, Settings, load
from push import signing
from push.models import Endpoint, EndpointNetwork
from push.vault import Vault

KEY = "k" * 32


@dataclass
class Servers:
    """A PostgreSQL and a Redis that may be killed; Redis keeps nothing on disk."""

    settings: Settings
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        command, user = servers.postgres_command(self.settings), places.account()
        if name == "Redis":
            command, user = [*servers.redis_command(self.settings), "--appendonly", "no"], None
        with (self.settings.var / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, cwd="/", stdout=log, stderr=log, user=user, group=user
            )
        while name in servers.silent(self.settings):
            time.sleep(0.02)

    def end(self, name: str, by: signal.Signals) -> None:
        process = self.running.pop(name)
        process.send_signal(by)
        process.wait(60)


@contextmanager
def installation(**push_settings: object) -> Iterator[Servers]:
    """Servers with tables, and an environment in which this process and its children use them."""
    var = Path(tempfile.mkdtemp(prefix="landready-bench-"))
    var.chmod(0o711)  # PostgreSQL may run as another account
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    for name, value in push_settings.items():
        text, found = re.subn(rf"(?m)^{name} = .*$", f"{name} = {json.dumps(value)}", text)
        assert found == 1, name
    (var / "config.toml").write_text(text, encoding="utf-8")
    for name in [one for one in os.environ if one.startswith("LANDREADY_")]:
        del os.environ[name]
    os.environ.update(
        LANDREADY_VAR=str(var),
        LANDREADY_CONFIG=str(var / "config.toml"),
        LANDREADY_SECRET_KEY=KEY,
        LANDREADY_SIGNING_KEY=seal.new_key(),
        PYTHONPATH=str(ROOT),
    )
    settings = load()
    servers.prepare(settings, print)
    made = Servers(settings)
    try:
        for name in ("PostgreSQL", "Redis"):
            made.start(name)
        servers.provision(settings)
        migrate.upgrade(settings)
        yield made
    finally:
        for name in list(made.running):
            made.end(name, signal.SIGINT)
        shutil.rmtree(var, ignore_errors=True)


@dataclass(frozen=True)
class Enterprise:
    id: int
    path: str
    secret: str


def enterprises(engine: Engine, ports: list[int]) -> list[Enterprise]:
    """One enterprise per port, each with one endpoint that may lie on loopback."""
    now, vault = datetime.now(UTC), Vault(KEY)
    made = []
    with transaction(engine, ENGINE) as session:
        for number, port in enumerate(ports):
            row = Organisation(kind="enterprise", name=f"{number}", city="460100", utilities=[])
            session.add(row)
            session.flush()
            one = Enterprise(row.id, f"/hook/{row.id}", signing.new_secret())
            endpoint = Endpoint(
                enterprise_id=row.id,
                url=f"http://127.0.0.1:{port}{one.path}",
                secret=vault.seal(one.secret, row.id),
                created_at=now,
            )
            session.add(endpoint)
            session.flush()
            session.add(
                EndpointNetwork(
                    endpoint_id=endpoint.id,
                    enterprise_id=row.id,
                    network=ip_network("127.0.0.1/32"),
                    approved_at=now,
                )
            )
            made.append(one)
    return made


class Receiver(ThreadingHTTPServer):
    """Answers POST by `judge(path, headers, body)`, a status; serves in a thread of the process that makes it."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(self.server.judge(self.path, headers, body))
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def judge(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        raise NotImplementedError

    def handle_error(self, request, client_address):
        """A killed sender is no error of the receiver."""

    @property
    def port(self) -> int:
        return self.server_address[1]
