"""The one table from what went wrong to HTTP; pages for people, problem details (RFC 9457) for systems."""

import logging
from http import HTTPStatus
from typing import Any

from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Response, g, jsonify, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from geo.problems import N_
from landready.db import Role, collided
from landready.errors import (
    Busy,
    Conflict,
    Invalid,
    LandreadyError,
    NotAllowed,
    NotFound,
    NotReady,
    NotSignedIn,
)
from web.auth import HOME
from web.filters import place, sentence
from web.language import came_from

STATUS: dict[type[LandreadyError], int] = {
    NotFound: 404,
    NotSignedIn: 401,
    NotAllowed: 403,
    Conflict: 409,
    Invalid: 422,
    NotReady: 409,
    Busy: 503,
}
# Seconds after which a change that collided with another may be tried again.
_AGAIN = "1"
_SAID = {
    400: N_("请求不完整或格式不对。"),
    401: N_("请先登录。"),
    403: N_("您的岗位没有这项权限。"),
    404: N_("没有这项内容，或者它不属于您的单位。"),
    405: N_("这个地址不支持这种操作。"),
    413: N_("文件太大，请拆分后再上传。"),
    429: N_("尝试次数过多，请几分钟后再试。"),
    503: N_("有人正在修改同一内容，您的操作没有保存，数据没有改变。请再试一次。"),
    500: N_("系统出错了，您的数据没有改变。请稍后再试，或联系管理员。"),
}
# RFC 9457, as every error of the API answers; OpenAPI shows it.
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "detail", "problems"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong, in the reader's language"},
        "problems": {
            "type": "array",
            "description": "each fault; `where` names the field",
            "items": {"type": "object"},
        },
    },
}
_log = logging.getLogger(__name__)


def init_app(app: APIFlask) -> None:
    app.register_error_handler(LandreadyError, _domain)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unforeseen)
    app.error_processor(_api_error)


def _domain(error: Exception) -> ResponseReturnValue:
    assert isinstance(error, LandreadyError)  # noqa: S101 - registered for it
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    text = sentence(error.detail, error.params)
    return _answer(status, text, _details(error), kind=type(error).__name__)


def _details(error: LandreadyError) -> list[dict[str, object]]:
    if isinstance(error, Invalid):
        return [
            {
                "code": p.code,
                "severity": p.severity,
                "row": p.row,
                "where": place(p.where),
                "message": sentence(p.text, p.params),
            }
            for p in error.problems
        ]
    if isinstance(error, NotReady):
        return [
            {
                "code": b.code,
                "utility": b.utility,
                "enterprise": b.enterprise,
                "message": sentence(b.text, b.params),
                "source": b.source,
            }
            for b in error.blockers
        ]
    return []


def _csrf(_error: Exception) -> ResponseReturnValue:
    return _answer(400, gettext("页面已过期，请返回刷新后再提交。"), [])


def _http(error: Exception) -> ResponseReturnValue:
    assert isinstance(error, HTTPException)  # noqa: S101
    # What the commit raises comes wrapped: the answer was being sent.
    if collided(getattr(error, "original_exception", None)):
        return _again()
    status = error.code or 500
    if status < 400:
        return error.get_response()
    return _answer(status, _told(status, error.description or error.name), [])


def _told(status: int, otherwise: str) -> str:
    """Say what a status means; a system is told in the library's words what we have none for, a person never."""
    text = _SAID.get(status)
    if text is None and not request.path.startswith("/api/"):
        text = _SAID[400 if status < 500 else 500]
    return gettext(text) if text else otherwise


def _again() -> ResponseReturnValue:
    _log.warning("%s %s collided with another change", request.method, request.path)
    response = make_response(_answer(503, gettext(_SAID[503]), []))
    response.headers["Retry-After"] = _AGAIN
    return response


def _unforeseen(error: Exception) -> ResponseReturnValue:
    if collided(error):
        return _again()
    _log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _answer(500, gettext(_SAID[500]), [])


def _api_error(error: HTTPError) -> Any:  # noqa: ANN401 - APIFlask's own idea of a response
    """APIFlask's own faults (a body that does not fit the schema), told like every other."""
    details: list[dict[str, object]] = [{"message": str(error.detail)}] if error.detail else []
    return _answer(error.status_code, _told(error.status_code, error.message or ""), details)


def _answer(
    status: int, text: str, details: list[dict[str, object]], kind: str = ""
) -> ResponseReturnValue:
    if request.path.startswith("/api/"):
        return problem(status, text, details, kind)
    g.failed = True  # what is shown besides asks nothing more of this request's transaction
    if "HX-Request" in request.headers:
        page = render_template("fragments/error.html", status=status, text=text, details=details)
        return page, status
    role = g.actor.role if "actor" in g else Role.PUBLIC
    ways = {"back": came_from(), "home": url_for(HOME.get(role, "land.home"))}
    return render_template("error.html", status=status, text=text, details=details, **ways), status


def problem(status: int, text: str, details: list[dict[str, object]], kind: str = "") -> Response:
    body = {
        "type": f"urn:landready:{kind}" if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": text,
        "problems": details,
    }
    response = jsonify(body)
    response.status_code = status
    response.headers["Content-Type"] = "application/problem+json"
    return response
