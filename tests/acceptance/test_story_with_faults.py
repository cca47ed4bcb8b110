"""The story again while worker, Redis and PostgreSQL are killed under it, on servers of its own: nothing is lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from standardwebhooks import Webhook

from landready import migrate, places, servers
from landready.answers import Answer as Said
from landready.applications import Application, ItemMove
from landready.clock import today
from landready.db import ENGINE, Actor, Role, connect, transaction
from landready.listings import Listing
from landready.outbox import OutboxEvent
from landready.permit_fields import example
from landready.pushes import Push
from landready.settings import Settings, load
from landready.shapes import geojson_of
from push.endpoints import add_endpoint
from push.models import Attempt, Delivery
from push.networks import approve
from push.vault import Vault
from tests.acceptance.conftest import (
    Answer,
    Cast,
    Person,
    Product,
    configuration,
    hire,
    wait_for,
)
from tests.factories import metres, square
from tests.push.receiver import Receiver, Reply, Request
from tests.web.files import plots_geojson

pytestmark = pytest.mark.acceptance

PROJECT = "金盘物流园"
# A worker's claim is free again after twice the timeout.
CHANGES = {"push.timeout_s": 3, "push.sweep_s": 1}


@dataclass
class Servers:
    """A PostGIS and a Redis that may be killed."""

    settings: Settings
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        command, account = {
            "PostgreSQL": (servers.postgres_command, places.account()),
            "Redis": (servers.redis_command, None),
        }[name]
        with (self.settings.var / "log" / "servers.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command(self.settings), cwd="/", stdout=log, stderr=log, user=account, group=account
            )
        wait_for(lambda: name not in servers.silent(self.settings))

    def end(self, name: str, by: signal.Signals) -> None:
        process = self._running.pop(name)
        process.send_signal(by)
        process.wait(30)

    def end_all(self) -> None:
        for name in list(self._running):
            self.end(name, signal.SIGINT)

    def lose_redis(self) -> None:
        """Kill -9, and nothing of it is left on disk."""
        self.end("Redis", signal.SIGKILL)
        shutil.rmtree(self.settings.var / "redis" / "appendonlydir")

    def crash_postgresql(self) -> None:
        """An immediate shutdown: no checkpoint, every connection cut; the next start recovers from the log."""
        self.end("PostgreSQL", signal.SIGQUIT)


@dataclass
class Installation:
    servers: Servers
    product: Product
    engine: Engine


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    var = Path(tempfile.mkdtemp(prefix="landready-test-"))
    var.chmod(0o711)
    given = {
        "LANDREADY_VAR": str(var),
        "LANDREADY_SECRET_KEY": "f" * 32,
        "LANDREADY_SIGNING_KEY": "f" * 43,
        "LANDREADY_CONFIG": str(configuration(tmp_path / "config.toml", CHANGES)),
    }
    settings = load(env=given)
    try:
        servers.prepare(settings, print)
    except servers.ServerError as missing:
        pytest.skip(f"servers on another machine cannot be killed from here, and {missing}")
    with running(settings) as own:
        engine = connect(servers.database_url(settings))
        others = {k: v for k, v in os.environ.items() if not k.startswith("LANDREADY_")}
        product = Product({**others, **given, "PYTHONUNBUFFERED": "1"}, tmp_path)
        try:
            product.start()
            yield Installation(own, product, engine)
        finally:
            product.stop()
            engine.dispose()
    shutil.rmtree(var)


@contextmanager
def running(settings: Settings) -> Iterator[Servers]:
    own = Servers(settings)
    try:
        own.start("PostgreSQL")
        own.start("Redis")
        servers.provision(settings)
        migrate.upgrade(settings)
        yield own
    finally:
        own.end_all()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def test_nothing_is_lost_when_worker_redis_and_postgresql_are_killed(
    installation: Installation, receiver: Receiver
) -> None:
    servers_, product, engine = installation.servers, installation.product, installation.engine
    cast = hire(engine)
    vault = Vault(servers_.settings.secret_key)
    secret = register(engine, vault, cast, receiver)
    planner, water, power, owner = map(product.person, ("planner", "water", "power", "owner"))

    # Redis is gone with all it held when the plan is released.
    plan = upload(planner)
    servers_.lose_redis()
    assert "同时推送给 2 家企业" in done(planner.send(f"{plan}/release")).text
    title = {"document": "净地证明〔2026〕1号", "document_date": "2026-01-05", "clear": "1"}
    assert "净地声明" in done(planner.send(f"{plan}/title", title)).text
    wait_for(lambda: told(receiver, "plan.released") == 1)
    servers_.start("Redis")

    # PostgreSQL falls while water answers: it is told that nothing was kept, and sends the form again.
    form = the_form(water)
    servers_.crash_postgresql()
    refused = water.send(*form)
    assert refused.status == 500
    assert "您的数据没有改变" in refused.text
    assert not product.ready()
    servers_.start("PostgreSQL")
    wait_for(product.ready)
    done(water.send(*form))
    servers_.crash_postgresql()
    servers_.start("PostgreSQL")
    wait_for(product.ready)
    done(power.send(*the_form(power)))
    done(planner.send(f"{plan}/list"))

    # The worker is killed while the enterprise's system has the request and has not answered it.
    product.kill("sweep")
    hold = threading.Event()
    receiver.behave = lambda request: answer_late(request, "project.permitted", hold)
    assert report(product, cast) == {cast.water.name, cast.power.name}
    wait_for(lambda: told(receiver, "project.permitted") == 1)
    product.kill("worker")
    hold.set()
    product.start("worker", "sweep")
    wait_for(lambda: told(receiver, "project.permitted") == 2)

    # PostgreSQL falls right after the owner has submitted.
    application = submit(owner)
    servers_.crash_postgresql()
    servers_.start("PostgreSQL")
    wait_for(product.ready)
    wait_for(lambda: told(receiver, "application.submitted"))
    finish_the_item(water)

    wait_for(lambda: set(states(engine)) == {"delivered"})
    received_is_what_was_written(engine, receiver, secret, cast)
    the_story_is_complete(engine)
    page = done(owner.get(application)).text
    for state in ("接件", "窗口受理", "部门受理", "办结（通过）"):
        assert state in page
    assert "A-1" in done(product.person().get("/")).text


def register(engine: Engine, vault: Vault, cast: Cast, receiver: Receiver) -> str:
    """Let water's own system be told; power reads its inbox."""
    with transaction(engine, Actor(Role.ENTERPRISE, cast.water.id)) as session:
        endpoint, secret = add_endpoint(
            session, vault, cast.water.id, receiver.url, datetime.now(UTC)
        )
    with transaction(engine, Actor(Role.ADMIN)) as session:
        approve(session, endpoint.id, "127.0.0.1/32", datetime.now(UTC))
    return secret


def done(answer: Answer) -> Answer:
    assert answer.status == 200, (answer.status, answer.url, answer.text[-2000:])
    return answer


def upload(planner: Person) -> str:
    file = ("plots.geojson", plots_geojson("A-1"))
    made = done(planner.send("/plans/upload", {"title": "二季度计划"}, {"file": file}))
    return made.url.partition("#")[0]


def the_form(engineer: Person) -> tuple[str, dict[str, object]]:
    """Where the engineer's one line of the one push is answered, and the answer: ready."""
    push = found(r'href="(/pushes/\d+)"', engineer.get("/inbox"))
    action = found(r'href="(/pushes/\d+/plots/\d+/\w+)"', engineer.get(push))
    lon, lat = metres(50, 50)
    valid = today(datetime.now(UTC)) + timedelta(days=200)
    return action, {"verdict": "ready", "lon": lon, "lat": lat, "valid_until": valid}


def found(pattern: str, page: Answer) -> str:
    match = re.search(pattern, done(page).text)
    assert match, page.text
    return match[1]


def report(product: Product, cast: Cast) -> set[str]:
    permit = {
        **example(),
        "project_name": PROJECT,
        "plot_code": "A-1",
        "boundary": geojson_of(square(10, 10, 80)),
    }
    received = product.person().call("/api/v1/permits", permit, cast.exchange_key)
    assert received.status == 201, received.text
    return set(received.json["pushed_to"])


def submit(owner: Person) -> str:
    application = found(r'href="(/applications/\d+)"', owner.get("/projects"))
    assert "申请已提交" in done(owner.send(application, {"action": "submit"})).text
    return application


def finish_the_item(water: Person) -> None:
    item = found(r'href="(/items/\d+)"', water.get("/items"))
    for state in (3, 8, 11):
        done(water.send(f"{item}/moves", {"to_state": state}))


def answer_late(request: Request, type_: str, hold: threading.Event) -> Reply:
    if kind(request) == type_:
        hold.wait(20)
    return Reply()


def kind(request: Request) -> str:
    return str(json.loads(request.body)["type"])


def told(receiver: Receiver, type_: str) -> int:
    return [kind(request) for request in list(receiver.requests)].count(type_)


def states(engine: Engine) -> list[str]:
    with transaction(engine, ENGINE) as session:
        return list(session.scalars(select(Delivery.state)))


def received_is_what_was_written(
    engine: Engine, receiver: Receiver, secret: str, cast: Cast
) -> None:
    """Every event by its id with its own bytes, signed; again only what a kill found under way, and on record as lost."""
    with transaction(engine, ENGINE) as session:
        events = session.scalars(
            select(OutboxEvent).where(OutboxEvent.enterprise_id == cast.water.id)
        ).all()
        lost = Counter(
            session.scalars(
                select(Delivery.event_id)
                .join(Attempt, Attempt.delivery_id == Delivery.id)
                .where(Attempt.error == "lost")
            )
        )
    (held,) = (event.id for event in events if event.type == "project.permitted")
    assert receiver.ids[str(held)] == 2
    assert set(receiver.ids) == {str(event.id) for event in events}
    for event in events:
        assert receiver.ids[str(event.id)] <= 1 + lost[event.id]
        assert receiver.bodies(event.id) == {event.body}
    for request in receiver.requests:
        Webhook(secret).verify(request.body, dict(request.headers))


def the_story_is_complete(engine: Engine) -> None:
    """One row for each thing that was done, however often it was tried; every push has its event."""
    with transaction(engine, ENGINE) as session:

        def number(model: type) -> int:
            return session.scalar(select(func.count()).select_from(model)) or 0

        pushes = session.scalars(select(Push)).all()
        assert sorted(push.kind for push in pushes) == ["plan", "plan", "project", "project"]
        told_of = {"plan": "plan.released", "project": "project.permitted"}
        written = session.execute(select(OutboxEvent.push_id, OutboxEvent.type)).all()
        for push in pushes:
            assert written.count((push.id, told_of[push.kind])) == 1
        assert number(Said) == 2
        assert session.scalars(select(Listing.state)).all() == ["listed"]
        assert session.scalars(select(Application.state)).all() == ["submitted"]
        moves = session.scalars(select(ItemMove.to_state).order_by(ItemMove.id)).all()
        assert moves == [1, 1, 3, 8, 11]
