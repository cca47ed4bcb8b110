"""Whom a view serves: every role against every declaration, without rows."""

import itertools

import pytest
from flask import Flask
from flask_login import LoginManager, UserMixin

from landready.db import PUBLIC, Actor, Role
from landready.errors import NotAllowed, NotSignedIn
from web import auth

SIGNED_IN = [role for role in Role if role is not Role.PUBLIC]
SERVED = [(), *itertools.combinations(Role, 1), tuple(Role)]


class Person(UserMixin):
    def __init__(self, role: Role) -> None:
        self.id, self.actor = "1:0", Actor(role, 1, 1)


@pytest.fixture(scope="module")
def asked():
    """A function: who is served at `path` by a view for `roles`, asked by a browser of `role`."""
    app = Flask(__name__)
    manager = LoginManager(app)
    manager.request_loader(
        lambda request: Person(Role(name)) if (name := request.headers.get("Role")) else None
    )
    app.add_url_rule("/signin", "auth.signin", auth.public(lambda: ""))
    app.add_url_rule("/silent", "silent", lambda: "")
    for number, roles in enumerate(SERVED):
        for prefix in ("", "/api"):
            path = f"{prefix}/{number}"
            app.add_url_rule(path, path.replace("/", "_"), auth.only(*roles)(lambda: ""))

    def ask(path: str, role: Role):
        headers = {} if role is Role.PUBLIC else {"Role": role.value}
        with app.test_request_context(path, headers=headers):
            answer = auth._admit()
            return answer, auth.g.actor

    return ask


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("number", range(len(SERVED)))
def test_view_serves_the_roles_it_names_and_nobody_else(asked, number, role):
    if role in SERVED[number]:
        answer, actor = asked(f"/{number}", role)
        assert (answer, actor.role) == (None, role)
    elif role is Role.PUBLIC:
        answer, actor = asked(f"/{number}?a=X", role)
        assert (answer.status_code, answer.location) == (302, f"/signin?next=/{number}?a%3DX")
        assert actor == PUBLIC
    else:
        with pytest.raises(NotAllowed):
            asked(f"/{number}", role)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("number", range(len(SERVED)))
def test_api_knows_no_browser(asked, number, role):
    if Role.PUBLIC in SERVED[number]:
        assert asked(f"/api/{number}", role) == (None, PUBLIC)
    else:
        with pytest.raises(NotSignedIn):
            asked(f"/api/{number}", role)


@pytest.mark.parametrize("role", SIGNED_IN)
def test_view_that_declares_nothing_serves_nobody(asked, role):
    with pytest.raises(NotAllowed):
        asked("/silent", role)
    assert asked("/silent", Role.PUBLIC)[0].location == "/signin?next=/silent"


@pytest.mark.parametrize("role", Role)
def test_styles_and_missing_pages_ask_for_nobody(asked, role):
    assert asked("/static/app.css", role) == (None, PUBLIC)
    answer, actor = asked("/missing", role)
    assert (answer, actor.role) == (None, role)


@pytest.mark.parametrize("target", ["/plans", "/plans/1?a=1#b", "/a//b", "/%2f%2fevil.example"])
def test_signing_in_leads_back_to_a_path_of_this_site(target):
    assert auth.local_path(target) == target


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "plans",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "https://evil.example/",
    ],
)
def test_signing_in_leads_nowhere_else(target):
    assert auth.local_path(target) is None
