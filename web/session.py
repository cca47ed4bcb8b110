"""One transaction a request, as the asker. Committed when the answer is a success, rolled back when it is an error."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import redis
from flask import Flask, Response, current_app, g

from landready.db import Actor, Engine, Session, transaction
from landready.seal import Seal
from landready.settings import Settings
from push import doorbell


@dataclass(frozen=True, slots=True)
class Resources:
    """What every request shares."""

    settings: Settings
    engine: Engine
    redis: redis.Redis
    seal: Seal


def resources() -> Resources:
    return cast("Resources", current_app.extensions["landready"])


def settings() -> Settings:
    return resources().settings


def now() -> datetime:
    """Return the moment of this request; every rule in it sees the same one."""
    if "now" not in g:
        g.now = datetime.now(UTC)
    return cast("datetime", g.now)


def database(*, snapshot: bool = False) -> Session:
    """Return the session of this request, opened on first use as the asker; `snapshot` as in `transaction`."""
    if "transaction" not in g:
        actor = cast("Actor", g.actor)
        g.transaction = transaction(resources().engine, actor, snapshot=snapshot)
        g.database = g.transaction.__enter__()
    return cast("Session", g.database)


def init_app(app: Flask) -> None:
    app.after_request(_finish)
    app.teardown_request(_abandon)


def _finish(response: Response) -> Response:
    """Commit before the answer leaves, so that a success told is a success kept; then ring the doorbell."""
    if response.status_code < 400 and "transaction" in g:
        told = bool(g.database.info.get("told"))
        opened: AbstractContextManager[object] = g.pop("transaction")
        opened.__exit__(None, None, None)
        if told:
            doorbell.ring(resources().redis)
    return response


def _abandon(error: BaseException | None) -> None:
    opened: AbstractContextManager[object] | None = g.pop("transaction", None)
    if opened is not None:
        rollback = error or RuntimeError("the answer was an error")
        try:
            opened.__exit__(type(rollback), rollback, rollback.__traceback__)
        except BaseException as raised:
            if raised is not rollback:
                raise


def capacity_words() -> dict[str, object]:
    """What `_demand.html` needs to tell how old a stated capacity is, and how sewage is computed."""
    check = settings().check
    return {"moment_now": now(), "stale_days": check.stale_days, "kd": check.day_variation}
