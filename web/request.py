"""What a browser sends, without the one sign that PostgreSQL has no room for."""

from typing import Any

from apiflask import APIFlask
from flask import Request as FlaskRequest
from flask import request
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.exceptions import BadRequest

from landready.errors import NotFound


class _Parameters(ImmutableMultiDict[str, Any]):
    """Form fields and query parameters; nobody types NUL, so it is left out of texts."""

    def __init__(self, given: Any = None) -> None:  # noqa: ANN401 - werkzeug's many shapes
        pairs = MultiDict(given).items(multi=True)
        super().__init__([(_plain(name), _plain(value)) for name, value in pairs])


class Request(FlaskRequest):
    parameter_storage_class = _Parameters

    def get_json(self, *args: Any, **given: Any) -> Any:  # noqa: ANN401 - werkzeug's own
        """Say of JSON that is nested without end what is said of any other that cannot be read."""
        try:
            return super().get_json(*args, **given)
        except RecursionError as error:
            raise BadRequest from error


def init_app(app: APIFlask) -> None:
    app.request_class = Request
    app.before_request(_refuse_path)


def _refuse_path() -> None:
    if "\x00" in request.path:
        raise NotFound


def _plain(value: Any) -> Any:  # noqa: ANN401 - a text or a file
    return value.replace("\x00", "") if isinstance(value, str) else value
