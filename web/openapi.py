"""What the OpenAPI document says beyond the models: how each error looks, and the answer to a repeated request."""

from http import HTTPStatus
from typing import Any

from apiflask import APIFlask

_PROBLEM_JSON = "application/problem+json"
# What each error says in English, as the rest of the document.
_SAID: dict[int, tuple[str, str]] = {
    401: ("urn:landready:NotSignedIn", "Please sign in, or give a valid key."),
    404: ("urn:landready:NotFound", "There is no such thing, or it is not yours."),
    409: ("urn:landready:Conflict", "This does not fit the present state; nothing was changed."),
    422: ("urn:landready:Invalid", "Something in what was sent is wrong."),
}
_FAULT = {
    "code": "works_missing",
    "severity": "error",
    "row": 4,
    "where": "answers[3].works",
    "message": "Say which works are to be built.",
}

# What stands in the paths of the API, by its name there.
_NAMED: dict[str, dict[str, object]] = {
    "uid": {"format": "uuid", "examples": ["11111111-2222-4333-8444-555555555555"]},
    "plot": {"examples": ["P-12"]},
    "listing_id": {"examples": [12]},
    "number": {"pattern": r"^\d{6}-\d{6,9}$", "examples": ["460100-000012"]},
}


def init_app(app: APIFlask) -> None:
    app.spec_processor(_complete)


def _complete(spec: dict[Any, Any] | str) -> dict[Any, Any] | str:
    assert isinstance(spec, dict)  # noqa: S101 - it is served as JSON, never as YAML
    for path in spec["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter["schema"].update(_NAMED[parameter["name"]])
            responses = operation["responses"]
            for status, response in responses.items():
                if int(status) >= HTTPStatus.BAD_REQUEST:
                    (content,) = response["content"].values()
                    example = _problem(int(status))
                    response["content"] = {_PROBLEM_JSON: {**content, "example": example}}
            responses.get("304", {}).pop("content", None)  # nothing follows it
            if "201" in responses and "200" in responses:
                _as_before(responses["200"], responses["201"])
    return spec


def _problem(status: int) -> dict[str, object]:
    kind, said = _SAID[status]
    return {
        "type": kind,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": said,
        "problems": [_FAULT] if status == HTTPStatus.UNPROCESSABLE_ENTITY else [],
    }


def _as_before(again: dict[str, Any], first: dict[str, Any]) -> None:
    """A repeated request is answered as the first was, with another outcome."""
    (content,) = first["content"].values()
    example = {**content["example"], "outcome": "same"}
    again["content"] = {"application/json": {**content, "example": example}}
