"""Is the process alive, can it serve, and how much has it served."""

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from landready.db import answers
from web.auth import public
from web.session import resources

pages = Blueprint("health", __name__)


@pages.get("/healthz")
@public
def alive() -> ResponseReturnValue:
    return jsonify(status="ok")


@pages.get("/readyz")
@public
def ready() -> ResponseReturnValue:
    """The database must answer; a Redis that does not is told, for pushes only wait a little longer without it."""
    state = {"database": answers(resources().engine), "redis": _redis_answers()}
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
