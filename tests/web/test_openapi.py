"""The OpenAPI document shows every operation by examples that fit it."""

import pytest
from jsonschema import Draft202012Validator, FormatChecker

OPERATIONS = (
    ("get", "/api/v1/answers"),
    ("post", "/api/v1/answers"),
    ("get", "/api/v1/certificates/heads"),
    ("get", "/api/v1/certificates/{number}"),
    ("get", "/api/v1/codes"),
    ("post", "/api/v1/disputes/{uid}/answer"),
    ("get", "/api/v1/keys"),
    ("get", "/api/v1/listings"),
    ("get", "/api/v1/listings/{listing_id}/tradable"),
    ("post", "/api/v1/permits"),
    ("get", "/api/v1/plots/{plot}/tradable"),
    ("get", "/api/v1/pushes"),
    ("post", "/api/v1/pushes/ack"),
    ("post", "/api/v1/pushes/replay"),
    ("post", "/api/v1/pushes/{uid}/contacted"),
    ("get", "/api/v1/reconcile"),
)


@pytest.fixture
def document(client):
    return client.get("/api/v1/openapi.json").json


def faults(document, schema, example):
    """What is wrong with an example; references lead into the document."""
    whole = {**schema, "components": document["components"]}
    check = Draft202012Validator(whole, format_checker=FormatChecker())
    return [error.message for error in check.iter_errors(example)]


def test_every_operation_is_walked(document):
    served = {(verb, path) for path, verbs in document["paths"].items() for verb in verbs}
    assert served == set(OPERATIONS)


@pytest.mark.parametrize(("verb", "path"), OPERATIONS)
def test_request_and_every_response_have_an_example_that_fits(document, verb, path):
    operation = document["paths"][path][verb]
    contents = dict(operation["responses"])
    if verb == "post" and "{" not in path:
        contents["request"] = operation["requestBody"]
    for name, one in contents.items():
        for media in one.get("content", {}).values():
            assert media["schema"], name
            assert faults(document, media["schema"], media["example"]) == [], name


@pytest.mark.parametrize(("verb", "path"), OPERATIONS)
def test_every_parameter_has_an_example_that_fits(document, verb, path):
    for one in document["paths"][path][verb].get("parameters", []):
        (example,) = one["schema"]["examples"]
        assert faults(document, one["schema"], example) == [], one["name"]


def test_an_example_that_does_not_fit_is_found(document):
    operation = document["paths"]["/api/v1/answers"]["post"]["requestBody"]["content"]
    schema = operation["application/json"]["schema"]
    assert faults(document, schema, {"push": "x", "answers": []})


def test_errors_are_shown_as_they_come(document, client):
    shown = document["paths"]["/api/v1/pushes"]["get"]["responses"]["401"]["content"]
    come = client.get("/api/v1/pushes")
    assert [come.mimetype] == list(shown)
    assert set(come.json) == set(shown[come.mimetype]["example"])
    assert come.json["type"] == shown[come.mimetype]["example"]["type"]
