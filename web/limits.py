"""Rate limits, counted in Redis; while Redis is away each process counts for itself rather than not at all."""

from flask import Flask, Response, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from landready import servers
from web.session import settings

limiter = Limiter(key_func=get_remote_address, in_memory_fallback_enabled=True)


def init_app(app: Flask) -> None:
    url = servers.redis_url(app.extensions["landready"].settings)
    # limits names a Redis on a unix socket by a scheme of its own.
    app.config["RATELIMIT_STORAGE_URI"] = url.replace("unix://", "redis+unix://", 1)
    app.config["RATELIMIT_STORAGE_OPTIONS"] = {"socket_timeout": 0.3, "socket_connect_timeout": 0.3}
    limiter.init_app(app)


def signin_limit() -> str:
    return settings().web.signin_limit


def signin_limit_wide() -> str:
    return settings().web.signin_limit_wide


def signin_name() -> str:
    """Count by the name as it is looked up."""
    return "name:" + request.form.get("username", "").strip()[:80]


def signin_person() -> str:
    """Count by name and address: guessing from elsewhere does not lock the person out, nor one person an office."""
    return f"{signin_name()} {get_remote_address()}"


def failed(response: Response) -> bool:
    """Only a wrong password counts."""
    return response.status_code == 401
