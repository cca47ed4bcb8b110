"""Kill workers, sweep, producers, Redis and PostgreSQL while events flow, then compare the receiver's log with the tables.

    .venv/bin/python bench/soak_push.py [--events 5000] [--endpoints 20] [--placed 500] [--random 500]
                                        [--flushes 50] [--redis-kills 50] [--restarts 20]

Prints events, kills, lost, phantom, altered and duplicates per kill; ends with 1 unless nothing was lost, invented or
altered and no kill doubled more than it had under way. Everything is its own: servers in a temporary folder, loopback.
"""

import argparse
import json
import random
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from multiprocessing import Pipe
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from redis import Redis  # noqa: E402
from redis.exceptions import RedisError  # noqa: E402
from sqlalchemy import make_url  # noqa: E402

from bench.loopback import Enterprise, Servers, enterprises, installation  # noqa: E402
from bench.soak_books import Books, compare, owed  # noqa: E402
from bench.soak_lives import PLACES, produce, receive, start, work  # noqa: E402
from landready import servers  # noqa: E402
from landready.db import ENGINE, connect, transaction  # noqa: E402
from landready.organisations import Organisation  # noqa: E402
from landready.plans import SupplyPlan, Upload  # noqa: E402
from push.deliver import _THREADS as CONCURRENCY  # noqa: E402

# Leases end soon, so that what a kill left is sent again while the next kills fall.
SETTINGS = {"timeout_s": 3, "sweep_s": 2, "schedule_s": [0, 1, 2, 2, 4, 4, 8, 8, 16, 16]}
PATIENCE_S = 3.0
TRIES = 10


class Soak:
    def __init__(self, own: Servers, given: argparse.Namespace) -> None:
        self.own, self.given, self.var = own, given, own.settings.var
        self.kills: Counter = Counter()
        self.phases: list[tuple[float, str]] = []
        self.receipts, self.ledger = self.var / "receipts.jsonl", self.var / "ledger.txt"
        self.receipts.touch()
        self.ledger.touch()
        engine = connect(servers.database_url(own.settings))
        self.enterprises, self.pairs = self._world(engine)
        engine.dispose()
        self.producer = self.worker = self.sweep = None

    def _world(self, engine) -> tuple[list[Enterprise], list[tuple[int, int, int]]]:
        """Enterprises, and every (plan, office, enterprise) that a push can be made of."""
        reserved, self._receiver_link = Pipe()
        self._reserved = reserved
        now = datetime.now(UTC)
        with transaction(engine, ENGINE) as session:
            office = Organisation(kind="office", name="office", city="460100", utilities=[])
            session.add(office)
            session.flush()
            upload = Upload(
                organisation_id=office.id, kind="plots", title="", filename="", stored_as="",
                sha256="0" * 64, source_crs="EPSG:4490", created_at=now,
            )  # fmt: skip
            session.add(upload)
            session.flush()
            # A tenth is rolled back and some fall to kills, so there are more pairs than events.
            number = self.given.events // self.given.endpoints * 2 + 1
            plans = [
                SupplyPlan(
                    office_id=office.id, upload_id=upload.id, city="460100", title=f"{n}",
                    state="released", released_at=now, created_at=now,
                )
                for n in range(number)
            ]  # fmt: skip
            session.add_all(plans)
            session.flush()
            plan_ids = [plan.id for plan in plans]
            office_id = office.id
        found = enterprises(engine, [1] * self.given.endpoints)
        self._receiving(found, engine)
        pairs = [(plan, office_id, one.id) for plan in plan_ids for one in found]
        random.shuffle(pairs)
        return found, pairs

    def _receiving(self, found: list[Enterprise], engine) -> None:
        engine.dispose()  # no connection is shared with a forked process
        self.receiver = start(receive, self._receiver_link, found, self.receipts)
        port = self._reserved.recv()
        with transaction(engine, ENGINE) as session:
            session.connection().exec_driver_sql(
                f"update endpoint set url = replace(url, ':1/', ':{port}/')"
            )

    def run(self) -> None:
        given = self.given
        steps = given.placed + given.random + given.flushes + given.redis_kills + given.restarts
        self.batch = given.events / steps
        self.credit = 0.0
        for place in PLACES:
            self.phase(place, given.placed // len(PLACES), lambda p=place: self.placed(p))
        self.phase("random", given.random, self.at_random)
        self.phase("flushall", given.flushes, self.flush)
        self.phase("redis kill", given.redis_kills, self.kill_redis)
        self.phase("postgresql restart", given.restarts, self.restart_postgresql)
        self.drain()

    def phase(self, name: str, times: int, one) -> None:
        self.phases.append((time.time(), name))
        began = time.monotonic()
        for _ in range(times):
            one()
        print(f"  {name}: {times} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    # --- lives ---
    def life(self, name: str, place: str = "", count: int = 1):
        return start(work, name, self.var / f"{name}.log", place, count)

    def keep(self, *names: str) -> None:
        """Have these running."""
        for name in names:
            if getattr(self, name) is None or not getattr(self, name).is_alive():
                setattr(self, name, self.life(f"push.{name}"))

    def kill(self, name: str, kind: str) -> None:
        getattr(self, name).kill()
        getattr(self, name).join()
        setattr(self, name, None)
        self.kills[kind] += 1

    def produce(self, number: int | None = None, *, dies: bool = False) -> None:
        if number is None:
            self.credit += self.batch
            number = int(self.credit)
            self.credit -= number
        some, self.pairs = self.pairs[:number], self.pairs[number:]
        if not some:
            return
        if self.producer is None or not self.producer.is_alive():
            self.orders, theirs = Pipe()
            self.producer = start(produce, theirs, self.ledger)
            theirs.close()
        self.orders.send((some, dies))
        if dies:
            self.producer.join(30)
            assert self.producer.exitcode == -signal.SIGKILL
            self.kills["between_commit_and_wake"] += 1
        else:
            assert self.orders.poll(60)
            self.orders.recv()

    # --- what happens ---
    def placed(self, place: str) -> None:
        if place == "between_commit_and_wake":
            self.keep("worker", "sweep")
            self.produce(max(1, int(self.batch)), dies=True)
            return
        for _ in range(TRIES):
            if self._killed_at(place):
                self.kills[place] += 1
                return
        raise AssertionError(f"no worker came to {place}")

    def _killed_at(self, place: str) -> bool:
        """Have a worker that ends at this place; False where the sweep was always faster."""
        self.keep("sweep")
        if self.worker is not None:
            self.worker.terminate()
            self.worker.join(30)
        self.worker = self.life("push.worker", place, random.randint(1, 3))
        self.produce()
        ends = time.monotonic() + PATIENCE_S
        while self.worker.is_alive() and time.monotonic() < ends:
            self.worker.join(0.3)
            if self.worker.is_alive():
                self.produce(1)
        if self.worker.is_alive():
            return False
        assert self.worker.exitcode == -signal.SIGKILL, self.worker.exitcode
        self.worker = None
        return True

    def at_random(self) -> None:
        self.keep("worker", "sweep")
        self.produce()
        time.sleep(random.random() * 0.3)
        self.kill(random.choice(("worker", "worker", "worker", "sweep")), "random")

    def flush(self) -> None:
        self.keep("worker", "sweep")
        with Redis.from_url(servers.redis_url(self.own.settings)) as link:
            self.produce()
            link.flushall()
        time.sleep(0.05)

    def kill_redis(self) -> None:
        self.keep("worker", "sweep")
        self.produce()
        self.own.end("Redis", signal.SIGKILL)
        self.produce(1)
        self.own.start("Redis")

    def restart_postgresql(self) -> None:
        self.keep("worker", "sweep")
        self.produce()
        self.own.end("PostgreSQL", signal.SIGQUIT)
        self.produce(1)
        self.own.start("PostgreSQL")

    def drain(self) -> None:
        """Everything left, and what is missing of the events, without a fault any more."""
        self.phases.append((time.time(), "drain"))
        committed = sum(line.startswith("ok ") for line in self.ledger.read_text().splitlines())
        if committed < self.given.events:
            # Every tenth is rolled back, and of a few all might be.
            self.produce(int((self.given.events - committed) / 0.88) + 10)
        ends = time.monotonic() + 300
        while owed(self.url) and time.monotonic() < ends:
            self.keep("worker", "sweep")
            time.sleep(0.5)

    @property
    def url(self) -> str:
        address = make_url(servers.owner_url(self.own.settings)).set(drivername="postgresql")
        return address.render_as_string(hide_password=False)

    def books(self) -> Books:
        return compare(self.url, self.receipts, self.ledger, self.phases)

    def end(self) -> None:
        for process in (self.producer, self.worker, self.sweep, self.receiver):
            if process is not None and process.is_alive():
                process.kill()
                process.join()


def report(soak: Soak, books: Books, took: float) -> bool:
    kills = sum(soak.kills.values())
    fine = books.clean and books.duplicates <= kills * CONCURRENCY
    print(
        f"events {books.events}, receipts {books.receipts}, kills {kills}"
        f" (+ {soak.given.flushes} FLUSHALL, {soak.given.redis_kills} Redis kills,"
        f" {soak.given.restarts} PostgreSQL restarts) in {took:.0f} s"
    )
    print(
        f"lost {books.lost}, phantom {books.phantom}, altered {books.altered},"
        f" duplicates {books.duplicates} = {books.duplicates / max(kills, 1):.2f} per kill (limit {CONCURRENCY})"
    )
    print(
        f"bad signatures {books.bad_signatures}, misdirected {books.misdirected}, wrong numbers or gaps {books.numbers_wrong},"
        f" business rows without event {books.without_event}, events without row {books.without_row},"
        f" acknowledged writes lost {books.acknowledged_lost}, rolled back and kept {books.rolled_back_kept},"
        f" duplicates without a lost attempt {books.unexplained}"
    )
    for _, name in soak.phases:
        killed = soak.kills.get(name, 0)
        print(f"  {name}: {killed} kills, {books.duplicates_by_phase[name]} duplicates")
    print(
        json.dumps(
            {
                "events": books.events,
                "kills": kills,
                "lost": books.lost,
                "phantom": books.phantom,
                "altered": books.altered,
                "duplicates": books.duplicates,
                "deliveries": dict(books.not_delivered),
                "fine": fine,
            }
        )
    )
    return fine


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, number in (
        ("events", 5000),
        ("endpoints", 20),
        ("placed", 500),
        ("random", 500),
        ("flushes", 50),
        ("redis-kills", 50),
        ("restarts", 20),
    ):
        words.add_argument(f"--{name}", type=int, default=number)
    given = words.parse_args()
    began = time.monotonic()
    with installation(**SETTINGS) as own:
        soak = Soak(own, given)
        try:
            soak.run()
            books = soak.books()
        except (RedisError, OSError, AssertionError):
            for log in sorted(own.settings.var.glob("*.log")):
                print(log.name, log.read_text("utf-8", "replace")[-2000:], file=sys.stderr)
            raise
        finally:
            soak.end()
    return 0 if report(soak, books, time.monotonic() - began) else 1


if __name__ == "__main__":
    sys.exit(main())
