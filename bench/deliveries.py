"""Deliveries per second and commit → received, through the real worker and sweep to receivers on loopback.

    .venv/bin/python bench/deliveries.py [--events 2000] [--endpoints 20] [--rate 20]

Starts a PostgreSQL and a Redis of its own in a temporary folder. First a backlog of `events` is paid as fast as possible, then
`rate` events a second are committed and rung for during ten seconds. Loopback hides networks; the receivers share the machine.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path

from redis import Redis

import push.models  # noqa: F401 - its tables
from landready import migrate, outbox, places, schema, servers  # noqa: F401 - every table
from landready.db import ENGINE, Engine, connect, transaction
from landready.organisations import Organisation
from landready.settings import ROOT, Settings, load
from push import doorbell, signing
from push.models import Endpoint

PLOT = "x" * 2000  # a body of about 2 kB
STEADY_S = 10


def receive(report: Connection) -> None:
    """A receiver in a process of its own: notes when which event came."""
    came: dict[str, float] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            came.setdefault(self.headers["webhook-id"], time.time())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    report.send(server.server_address[1])
    while report.recv() == "report":
        report.send(dict(came))


class Receiver:
    def __init__(self) -> None:
        self._link, other = Pipe()
        self.process = Process(target=receive, args=(other,), daemon=True)
        self.process.start()
        self.port = self._link.recv()

    def came(self) -> dict[str, float]:
        self._link.send("report")
        return self._link.recv()


@contextmanager
def installation() -> Iterator[Settings]:
    var = Path(tempfile.mkdtemp(prefix="landready-bench-"))
    var.chmod(0o711)  # PostgreSQL may run as another account
    text = (
        (ROOT / "config.toml")
        .read_text()
        .replace("allow_networks = []", 'allow_networks = ["127.0.0.0/8"]')
    )
    (var / "config.toml").write_text(text)
    os.environ.update(LANDREADY_VAR=str(var), LANDREADY_CONFIG=str(var / "config.toml"))
    settings = load()
    servers.prepare(settings, print)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    user = places.account()
    started = [
        subprocess.Popen(servers.postgres_command(settings), user=user, group=user, **quiet),
        subprocess.Popen(servers.redis_command(settings), **quiet),
    ]
    try:
        while servers.silent(settings):
            time.sleep(0.05)
        servers.provision(settings)
        migrate.upgrade(settings)
        for module in ("push.worker", "push.sweep"):
            command = [sys.executable, "-m", module]
            started.append(subprocess.Popen(command, **{**quiet, "cwd": ROOT}))
        yield settings
    finally:
        for one in reversed(started):
            one.terminate()
            one.wait(30)
        shutil.rmtree(var, ignore_errors=True)


def enterprises(engine: Engine, ports: list[int]) -> list[int]:
    """One enterprise per port, each with one endpoint."""
    now = datetime.now(UTC)
    with transaction(engine, ENGINE) as session:
        rows = [Organisation(kind="enterprise", name=str(port), city="460100") for port in ports]
        session.add_all(rows)
        session.flush()
        for row, port in zip(rows, ports, strict=True):
            url = f"http://127.0.0.1:{port}/hook/{row.id}"
            secret = signing.new_secret()
            session.add(Endpoint(enterprise_id=row.id, url=url, secret=secret, created_at=now))
    return [row.id for row in rows]


def record(engine: Engine, receivers: list[int]) -> list[uuid.UUID]:
    """One event for each, in one transaction."""
    with transaction(engine, ENGINE) as session:
        return [
            outbox.record(
                session,
                enterprise_id=one,
                office_id=one,
                push_id=None,
                type_="plan.released",
                data={"plot": PLOT},
                now=datetime.now(UTC),
            )
            for one in receivers
        ]


def await_all(receivers: list[Receiver], events: set[str]) -> dict[str, float]:
    while True:
        came = {event: at for one in receivers for event, at in one.came().items()}
        if events <= set(came):
            return came
        time.sleep(0.1)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--events", type=int, default=2000)
    words.add_argument("--endpoints", type=int, default=20)
    words.add_argument("--rate", type=float, default=20)
    given = words.parse_args()
    receivers = [Receiver() for _ in range(2)]
    with installation() as settings, ExitStack() as stack:
        engine = connect(servers.database_url(settings))
        stack.callback(engine.dispose)
        bell = stack.enter_context(doorbell.connect(servers.redis_url(settings)))
        redis = stack.enter_context(Redis.from_url(servers.redis_url(settings)))
        while not redis.scard("rq:workers:push"):
            time.sleep(0.1)
        ports = [receivers[n % len(receivers)].port for n in range(given.endpoints)]
        ids = enterprises(engine, ports)

        owners = [ids[n % len(ids)] for n in range(given.events)]
        backlog = set(map(str, record(engine, owners)))
        began = time.time()
        doorbell.ring(bell)
        came = await_all(receivers, backlog)
        took = max(came[event] for event in backlog) - began
        print(
            f"backlog: {given.events} events to {given.endpoints} endpoints in {took:.1f} s, {given.events / took:.0f}/s"
        )

        time.sleep(1)
        committed: dict[str, float] = {}
        start = time.monotonic()
        for number in range(int(given.rate * STEADY_S)):
            time.sleep(max(0.0, start + number / given.rate - time.monotonic()))
            (event,) = record(engine, [ids[number % len(ids)]])
            committed[str(event)] = time.time()
            doorbell.ring(bell)
        came = await_all(receivers, set(committed))
        waits = sorted(came[event] - at for event, at in committed.items())
        print(
            f"steady {given.rate:g}/s: commit → received p50 {statistics.median(waits) * 1000:.0f} ms,"
            f" p99 {waits[int(len(waits) * 0.99)] * 1000:.0f} ms, max {waits[-1] * 1000:.0f} ms"
        )


if __name__ == "__main__":
    main()
