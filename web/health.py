"""Is the process alive, can it serve, and how much has it served."""

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from landready.clock import APART_S
from landready.db import clock_ahead
from web.auth import public
from web.session import now, resources

pages = Blueprint("health", __name__)


@pages.get("/healthz")
@public
def alive() -> ResponseReturnValue:
    return jsonify(status="ok")


@pages.get("/readyz")
@public
def ready() -> ResponseReturnValue:
    """The database must answer; a Redis that does not is told, for pushes only wait a little longer without it.

    So is a clock that is not the database's: what is listed is then refused.
    """
    ahead = clock_ahead(resources().engine, now())
    state = {
        "database": ahead is not None,
        "redis": _redis_answers(),
        "clock": ahead is not None and abs(ahead) <= APART_S,
    }
    return jsonify(state), 200 if state["database"] else 503


@pages.get("/metrics")
@public
def metrics() -> Response:
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _redis_answers() -> bool:
    try:
        return bool(resources().redis.ping())
    except RedisError:
        return False
