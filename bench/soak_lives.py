"""The processes of the soak test: each life is forked from one parent that has everything imported, and ends by kill -9."""

import json
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from standardwebhooks import Webhook, WebhookVerificationError

import push.deliver
import push.sweep
import push.worker
from bench.loopback import Enterprise, Receiver
from landready import outbox, servers
from landready.db import ENGINE, connect, transaction
from landready.pushes import Push
from landready.settings import load
from push import doorbell, transport

_fork = get_context("fork")
# Where a worker can be told to end, by the name of the function after or before which it does.
PLACES = ("after_claim", "before_send", "after_send", "after_result", "between_commit_and_wake")


def start(target: Callable[..., None], *arguments: object):
    process = _fork.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(place: str, count: int) -> None:
    """Let this process kill itself the `count`th time it comes to a place."""
    left = [count]
    lock = threading.Lock()

    def step() -> None:
        with lock:
            left[0] -= 1
            if left[0] == 0:
                die()

    take, post, settle = push.deliver._take, transport.post, push.deliver._settle

    def after_claim(*arguments):
        claims = take(*arguments)
        if claims:
            step()
        return claims

    def before_send(*arguments, **named):
        step()
        return post(*arguments, **named)

    def after_send(*arguments, **named):
        outcome = post(*arguments, **named)
        step()
        return outcome

    def after_result(engine, results):
        settle(engine, results)
        if results:
            step()

    module, name, wrapped = {
        "after_claim": (push.deliver, "_take", after_claim),
        "before_send": (transport, "post", before_send),
        "after_send": (transport, "post", after_send),
        "after_result": (push.deliver, "_settle", after_result),
    }[place]
    setattr(module, name, wrapped)


def work(module: str, log: Path, place: str = "", count: int = 1) -> None:
    """Be `push.worker` or `push.sweep`."""
    with log.open("ab") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    if place:
        arm(place, count)
    sys.modules[module].main()


def produce(link: Connection, ledger: Path) -> None:
    """Commit business rows with their events, one transaction each, as told; note outside what was begun and what came of it.

    A tenth of the transactions is rolled back after the event was written. Told to die, it does so after the last commit and
    before the bell.
    """
    logging.disable()  # a Redis that is away is meant to be
    settings = load()
    engine = connect(servers.database_url(settings))
    bell = doorbell.connect(servers.redis_url(settings))
    with ledger.open("a", buffering=1) as notes:
        while order := link.recv():
            pairs, dies = order
            for number, (plan_id, office_id, enterprise_id) in enumerate(pairs, 1):
                key = f"{plan_id} {enterprise_id}"
                notes.write(f"begin {key}\n")
                back = random.random() < 0.1 and not (dies and number == len(pairs))
                notes.write(f"{_one(engine, plan_id, office_id, enterprise_id, back=back)} {key}\n")
                if dies and number == len(pairs):
                    die()
                doorbell.ring(bell)
            link.send("done")


class _Back(Exception):
    pass


def _one(engine, plan_id: int, office_id: int, enterprise_id: int, *, back: bool) -> str:
    now = datetime.now(UTC)
    try:
        with transaction(engine, ENGINE) as session:
            row = Push(
                kind="plan",
                plan_id=plan_id,
                office_id=office_id,
                enterprise_id=enterprise_id,
                pushed_at=now,
                due_on=date(2030, 1, 2),
            )
            session.add(row)
            session.flush()
            outbox.record(
                session,
                enterprise_id=enterprise_id,
                office_id=office_id,
                push_id=row.id,
                type_="plan.released",
                data={"push": str(row.uid), "plots": "地块" * 200},
                now=now,
            )
            if back:
                raise _Back  # noqa: TRY301 - it has to leave the transaction
    except _Back:
        return "back"
    except SQLAlchemyError:
        return "unknown"
    return "ok"


def receive(link: Connection, enterprises: list[Enterprise], log: Path) -> None:
    """Take what comes, slowly at times, refuse one event in fifty the first time; write every receipt down outside."""
    secrets = {one.path: one.secret for one in enterprises}
    seen: set[str] = set()
    lock = threading.Lock()

    class Logging(Receiver):
        def judge(self, path, headers, body):
            try:
                Webhook(secrets[path]).verify(body, dict(headers))
                signed = True
            except (WebhookVerificationError, UnicodeDecodeError):
                signed = False
            content = json.loads(body)
            time.sleep(random.random() * 0.02)
            with lock:
                first = headers["webhook-id"] not in seen
                seen.add(headers["webhook-id"])
            refused = first and int(headers["webhook-id"][:4], 16) % 50 == 0
            receipt = {
                "id": headers["webhook-id"],
                "path": path,
                "signed": signed,
                "body": body.decode(),
                "number": content["number"],
                "push": content["data"]["push"],
                "status": 503 if refused else 204,
                "at": time.time(),
            }
            with lock:
                out.write(json.dumps(receipt, ensure_ascii=False) + "\n")
                out.flush()
            return receipt["status"]

    with log.open("a", encoding="utf-8") as out:
        link.send(Logging().port)
        link.recv()
