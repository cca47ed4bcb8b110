"""Deliveries per second, and commit → received while one receiver hangs, through one real worker and the sweep.

    .venv/bin/python bench/push.py [--events 3000] [--endpoints 20] [--rate 20] [--seconds 20]

Starts a PostgreSQL and a Redis of its own in a temporary folder. First a backlog of `events` is paid as fast as possible; then
`rate` events a second are committed and rung for while the last endpoint hangs. Loopback hides networks; the receivers and
PostgreSQL share the machine with the worker.
"""

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path

# The folder of this file would hide the package of the same name.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from redis import Redis  # noqa: E402

from bench.loopback import Receiver, enterprises, installation  # noqa: E402
from landready import outbox, servers  # noqa: E402
from landready.db import ENGINE, Engine, connect, transaction  # noqa: E402
from landready.settings import ROOT  # noqa: E402
from push import doorbell  # noqa: E402

PLOT = "x" * 2000  # a body of about 2 kB
# As the issue sets them: one worker, loopback, the slow receiver beside nineteen good ones.
GOAL_RATE, GOAL_P50_S, GOAL_P99_S = 150, 0.3, 2.0


def receive(report: Connection) -> None:
    """A receiver in a process of its own: notes when which event came; one that is told to hang never answers."""
    came: dict[str, float] = {}
    hanging = threading.Event()

    class Noting(Receiver):
        def judge(self, _path, headers, _body):
            if hanging.is_set():
                time.sleep(3600)
            came.setdefault(headers["webhook-id"], time.time())
            return 204

    report.send(Noting().port)
    while (word := report.recv()) != "end":
        if word == "hang":
            hanging.set()
        report.send(dict(came))


class Away:
    def __init__(self) -> None:
        self._link, other = Pipe()
        self.process = Process(target=receive, args=(other,), daemon=True)
        self.process.start()
        self.port = self._link.recv()

    def ask(self, word: str) -> dict[str, float]:
        self._link.send(word)
        return self._link.recv()


@contextmanager
def processes(*modules: str) -> Iterator[None]:
    started = [
        subprocess.Popen(
            [sys.executable, "-m", module], cwd=ROOT, stdout=subprocess.DEVNULL, env=os.environ
        )
        for module in modules
    ]
    try:
        yield
    finally:
        for one in started:
            one.terminate()
        for one in started:
            one.wait(60)


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


def await_all(receivers: list[Away], events: set[str]) -> dict[str, float]:
    while True:
        came = {event: at for one in receivers for event, at in one.ask("report").items()}
        if events <= set(came):
            return came
        time.sleep(0.1)


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--events", type=int, default=3000)
    words.add_argument("--endpoints", type=int, default=20)
    words.add_argument("--rate", type=float, default=20)
    words.add_argument("--seconds", type=float, default=20)
    given = words.parse_args()
    good, bad = [Away(), Away()], Away()
    with installation() as own, ExitStack() as stack:
        engine = connect(servers.database_url(own.settings))
        stack.callback(engine.dispose)
        url = servers.redis_url(own.settings)
        bell = stack.enter_context(doorbell.connect(url))
        redis = stack.enter_context(Redis.from_url(url))
        ports = [good[n % 2].port for n in range(given.endpoints - 1)]
        ids = [one.id for one in enterprises(engine, [*ports, bad.port])]

        # The backlog: one worker alone.
        owners = [ids[n % len(ids)] for n in range(given.events)]
        with processes("push.worker"):
            while not redis.scard("rq:workers:push"):
                time.sleep(0.1)
            backlog = set(map(str, record(engine, owners)))
            began = time.time()
            doorbell.ring(bell)
            came = await_all([*good, bad], backlog)
        took = max(came[event] for event in backlog) - began
        rate = given.events / took
        print(
            f"backlog: {given.events} events to {given.endpoints} endpoints by one worker in {took:.1f} s:"
            f" {rate:.0f}/s (goal {GOAL_RATE}/s)"
        )

        # Steady: as it runs, with the last endpoint hanging.
        bad.ask("hang")
        redis.flushall()
        with processes("push.worker", "push.sweep"):
            while not redis.scard("rq:workers:push"):
                time.sleep(0.1)
            time.sleep(1)
            committed: dict[str, float] = {}
            start = time.monotonic()
            for number in range(int(given.rate * given.seconds)):
                time.sleep(max(0.0, start + number / given.rate - time.monotonic()))
                owner = ids[number % len(ids)]
                (event,) = record(engine, [owner])
                if owner != ids[-1]:
                    committed[str(event)] = time.time()
                doorbell.ring(bell)
            came = await_all(good, set(committed))
        waits = sorted(came[event] - at for event, at in committed.items())
        p50, p99 = statistics.median(waits), waits[int(len(waits) * 0.99)]
        print(
            f"steady {given.rate:g}/s, 1 of {given.endpoints} hangs: commit → received p50 {p50 * 1000:.0f} ms"
            f" (goal {GOAL_P50_S * 1000:.0f}), p99 {p99 * 1000:.0f} ms (goal {GOAL_P99_S * 1000:.0f}),"
            f" max {waits[-1] * 1000:.0f} ms"
        )
    return 0 if rate >= GOAL_RATE and p50 < GOAL_P50_S and p99 < GOAL_P99_S else 1


if __name__ == "__main__":
    sys.exit(main())
