"""Try to get a plot on offer that is not ready: in memory with everything that can happen, and through HTTP with four sessions at once.

    .venv/bin/python bench/soak_gate.py [--memory 1000000] [--http 100000] [--round 5000] [--plots 24] [--seed 1]

Prints steps and bypasses; ends with 1 if there was a bypass or a fault. The HTTP part starts an installation of its own in a
temporary folder: PostgreSQL, Redis and the web server as `landready up` starts it. What is on offer is read all the while by SQL of
the tables' owner that shares no line with the product; the chain of certificates is checked at the end.
"""

import argparse
import json
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from multiprocessing import Pipe, Process, get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

import psycopg  # noqa: E402
import sqlalchemy  # noqa: E402
from hypothesis import HealthCheck, Phase, seed, settings  # noqa: E402
from hypothesis.stateful import run_state_machine_as_test  # noqa: E402
from psycopg.rows import tuple_row  # noqa: E402
from sqlalchemy import func, select  # noqa: E402

from bench import gate_machine, plan  # noqa: E402
from bench.gate_sessions import BYPASSES, PASSWORD, World, exchange, work  # noqa: E402
from bench.loopback import Servers, installation  # noqa: E402
from landready import servers  # noqa: E402
from landready.certificates import Certificate  # noqa: E402
from landready.clock import today  # noqa: E402
from landready.db import ENGINE, Engine, connect, transaction  # noqa: E402
from landready.frozen import FIRST, digest, thaw  # noqa: E402
from landready.organisations import (  # noqa: E402
    Account,
    Organisation,
    hash_password,
    issue_key,
)
from landready.plans import Plot  # noqa: E402
from landready.processes import Address, write_configuration  # noqa: E402
from landready.pushes import Push  # noqa: E402
from web.app import create_app  # noqa: E402

SESSIONS, AT_ONCE = 4, 50
# The last line of what Python says of an error.
_FAULT = re.compile(r"(?m)^(?:\w+\.)+\w+(?:: .{0,200})?$")
# Who waited for whom, in the words of the database.
_DEADLOCK = re.compile(r"(?s)ERROR:  deadlock detected.*?STATEMENT:  .{0,200}")
CITY = plan.CITY


def in_memory(steps: int, first: int) -> Counter:
    """Run the machine until it took so many steps; the first bypass ends it with how it came about."""
    gate_machine.counted.clear()
    while gate_machine.counted["steps"] < steps:
        missing = steps - gate_machine.counted["steps"]
        quiet = settings(
            max_examples=max(missing // AT_ONCE, 1), stateful_step_count=AT_ONCE, deadline=None, report_multiple_bugs=False,
            database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
        )  # fmt: skip
        run_state_machine_as_test(seed(first)(gate_machine.GateMachine), settings=quiet)
        first += 1
    return gate_machine.counted


def memory(steps: int, first: int) -> bool:
    began, total = time.monotonic(), Counter()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for found in pool.map(in_memory, [-(-steps // 2)] * 2, [first, first + 1_000_000]):
            total.update(found)
    print(
        f"in memory: {total['steps']} steps, {total['asked']} asked to be listed, {total['listed']} listed,"
        f" {total['suspended']} suspended, bypasses {total['bypasses']}; {time.monotonic() - began:.0f} s"
    )
    return not total["bypasses"]


def people(session: sqlalchemy.orm.Session, office: Organisation) -> str:
    """Planners and supervisors, one of each a session, and the key of a trading platform."""
    supervisor = Organisation(kind="supervisor", name="省厅", city="", utilities=[])
    platform = Organisation(kind="exchange", name="交易平台", city="", utilities=[])
    session.add_all([supervisor, platform])
    session.flush()
    now, secret = datetime.now(UTC), hash_password(PASSWORD)
    session.add_all(
        Account(
            organisation_id=who.id, username=f"{name}{n}", full_name=name, password_hash=secret,
            active=True, created_at=now,
        )
        for name, who in (("planner", office), ("supervisor", supervisor))
        for n in range(SESSIONS)
    )  # fmt: skip
    return issue_key(session, platform.id, "soak", now)


def world(engine: Engine, here: Servers, plots: int, port: int) -> World:
    """A released plan in a made city, its pushes, and everybody's keys."""
    made = plan.city(plots, 2_000, 1)
    with transaction(engine, ENGINE) as session:
        account, who = plan.people(session)
        plan.layers(session, made, who)
        session.flush()
        platform = people(session, session.get_one(Organisation, account.organisation_id))
    app = create_app(here.settings)
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    form = {"username": account.username, "password": plan.PASSWORD}
    plan.sent(client.post("/signin", data=form), 302)
    file = json.dumps(json.loads(made["plots"].to_json(drop_id=True)), ensure_ascii=False).encode()
    address = plan.upload(client, file)
    plan.sent(client.post(f"{address}/release"))
    now = datetime.now(UTC)
    with transaction(engine, ENGINE) as session:
        rows = session.execute(
            select(Plot.id, Plot.code, func.ST_X(_middle()), func.ST_Y(_middle())).order_by(Plot.id)
        ).all()
        pushes = {
            utility: (str(push.uid), issue_key(session, push.enterprise_id, "soak", now))
            for utility in ("water", "power")
            for push in [_push(session, utility)]
        }
        return World(
            port, CITY, int(address.rpartition("/")[2]),
            tuple((number, code, (x, y)) for number, code, x, y in rows),
            {utility: push for utility, (push, _) in pushes.items()},
            {utility: key for utility, (_, key) in pushes.items()}, platform, today(now),
        )  # fmt: skip


def _middle() -> sqlalchemy.Function:
    return func.ST_PointOnSurface(Plot.geom)


def _push(session: sqlalchemy.orm.Session, utility: str) -> Push:
    return session.scalars(
        select(Push).join(Push.enterprise).where(Organisation.utilities == [utility]).order_by(Push.id)
    ).first()  # fmt: skip


@contextmanager
def web_server(here: Servers, port: int) -> Iterator[None]:
    """The web server by the command line that `landready up` gives its supervisor."""
    lines = write_configuration(here.settings, Address("127.0.0.1", port)).read_text().splitlines()
    command = next(
        x.partition("=")[2] for x in lines if x.startswith("command=") and "gunicorn" in x
    )
    with (here.settings.var / "web.log").open("ab") as log:
        process = subprocess.Popen(command.replace("%%", "%"), shell=True, stdout=log, stderr=log)
    try:
        _wait_for(port, process)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen) -> None:
    for _ in range(600):
        assert process.poll() is None, "the web server ended"
        try:
            if (
                exchange(HTTPConnection("127.0.0.1", port), "GET", "/readyz", None, {})[0].status
                == 200
            ):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the web server does not come up")


def http(steps: int, plots: int, first: int, at_once: int) -> bool:
    """Rounds of at most `at_once` steps, each in a new installation: after many answers to one question a city is like no other."""
    total: Counter[str] = Counter()
    for begun in range(0, steps, at_once):
        total += _round(min(at_once, steps - begun), plots, first)
        print(_said(total), flush=True)
        first += 1
    for name, count in sorted(total.items()):
        print(f"    {name:<28}{count:>8}")
    return not (total["bypasses"] or total["faults"] or total["broken"])


def _said(total: Counter[str]) -> str:
    return (
        f"through HTTP: {total['steps']} steps by {SESSIONS} sessions at once in {total['seconds']} s, {total['looks']} looks by"
        f" SQL, bypasses {total['bypasses']}, faults {total['faults']}, broken certificates {total['broken']}"
    )


def _round(steps: int, plots: int, first: int) -> Counter[str]:
    with installation() as here:
        engine = connect(servers.database_url(here.settings))
        port = _free_port()
        known = world(engine, here, plots, port)
        with web_server(here, port):
            began = time.monotonic()
            seen = _sessions(here, known, steps, first)
            seen["seconds"] = round(time.monotonic() - began)
        seen["broken"] = _chain(engine)
        engine.dispose()
        if seen["faults"]:
            _tell_faults(here)
    return seen


def _tell_faults(here: Servers) -> None:
    said = (here.settings.var / "web.log").read_text(errors="replace")
    for line, count in Counter(_FAULT.findall(said)).most_common(20):
        print(f"    {count} × {line}")
    for line in _DEADLOCK.findall(
        (here.settings.var / "PostgreSQL.log").read_text(errors="replace")
    ):
        print(f"    {line}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _sessions(here: Servers, known: World, steps: int, first: int) -> Counter[str]:
    links: dict[Connection, Process] = {}
    for number in range(SESSIONS):
        mine, theirs = Pipe(duplex=False)
        share = -(-steps // SESSIONS)
        links[mine] = Process(target=work, args=(known, number, first, share, theirs), daemon=True)
        links[mine].start()
        theirs.close()
    said: dict[int, Counter] = {}
    looked: Counter[str] = Counter()
    url = sqlalchemy.make_url(servers.owner_url(here.settings)).set(drivername="postgresql")
    with psycopg.connect(
        url.render_as_string(hide_password=False), autocommit=True, row_factory=tuple_row
    ) as owner:
        owner.execute("select set_config('app.role', 'engine', false)")
        while links:
            for link in wait(list(links), 0.5):
                try:
                    number, done, counts = link.recv()
                    said[number] = Counter({"steps": done, **counts})
                except EOFError:
                    ended = links.pop(link)
                    ended.join()
                    looked["faults"] += ended.exitcode != 0
            found = owner.execute(BYPASSES, {"city": CITY}).fetchall()
            looked["looks"] += 1
            looked["bypasses"] += len(found)
            if found:
                print("BYPASS: listing, utility", found[:5])
    return sum(said.values(), looked)


def _chain(engine: Engine) -> int:
    """How many certificates do not follow from the one before, or do not come to their own verdict again."""
    broken, before = 0, FIRST
    with transaction(engine, ENGINE) as session:
        for one in session.scalars(select(Certificate).order_by(Certificate.sequence)):
            body = one.body.encode()
            fine = one.previous == before and one.sha256 == digest(before, body)
            broken += not (fine and thaw(body).holds)
            before = one.sha256
    return broken


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--memory", type=int, default=1_000_000)
    words.add_argument("--http", type=int, default=100_000)
    words.add_argument("--round", type=int, default=5_000)
    words.add_argument("--plots", type=int, default=24)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    fine = memory(given.memory, given.seed) if given.memory else True
    return (
        0
        if (http(given.http, given.plots, given.seed, given.round) if given.http else True) and fine
        else 1
    )


if __name__ == "__main__":
    raise SystemExit(main())
