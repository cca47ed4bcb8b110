"""The web application on the test servers, one person of each role, and a browser that fetches its CSRF tokens."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from landready.db import ENGINE, transaction
from landready.organisations import Account
from landready.settings import Settings
from tests.factories import (
    HAIKOU,
    PASSWORD,
    SANYA,
    make_account,
    make_department,
    make_enterprise,
    make_office,
    make_organisation,
    make_owner,
    make_supervisor,
)
from web.app import create_app

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class People:
    """One account of each role in Haikou, and a second office and enterprise whose things are not theirs."""

    office: Account
    other_office: Account
    water: Account
    power: Account
    other_water: Account
    owner: Account
    other_owner: Account
    department: Account
    supervisor: Account
    admin: Account


class Browser(FlaskClient):
    """A test client that keeps CSRF on: every form is sent with the token of a page."""

    def token(self) -> str:
        """The CSRF token of this session, read off a page as a browser would."""
        found = _TOKEN.search(self.get("/signin").text)
        assert found, "the page has a form"
        return found[1]

    def send(self, path: str, data: Mapping[str, Any] | None = None, **given: Any) -> TestResponse:
        """POST a form as a page would: with its token. Files go as (stream, filename) in `data`."""
        return self.post(path, data={"csrf_token": self.token(), **(data or {})}, **given)


@pytest.fixture(scope="session")
def _made(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    app.test_client_class = Browser
    yield app
    resources = app.extensions["landready"]
    resources.engine.dispose()
    resources.redis.close()


@pytest.fixture
def app(_made: Flask, database: Engine) -> Flask:
    """The application as it is served, CSRF and all, on empty tables and an empty Redis."""
    return _made


@pytest.fixture
def client(app: Flask) -> Browser:
    """A browser in which nobody is signed in."""
    browser = app.test_client()
    assert isinstance(browser, Browser)
    return browser


@pytest.fixture
def people(database: Engine) -> People:
    """One account of each role. Their ids and organisations can be read without a session."""
    with transaction(database, ENGINE) as session:
        found = People(
            office=make_account(session, make_office(session, name="海口市资规局", city=HAIKOU)),
            other_office=make_account(
                session, make_office(session, name="三亚市资规局", city=SANYA)
            ),
            water=make_account(session, make_enterprise(session, "water", name="海口水务")),
            power=make_account(session, make_enterprise(session, "power", name="海口供电局")),
            other_water=make_account(
                session, make_enterprise(session, "water", name="三亚水务", city=SANYA)
            ),
            owner=make_account(session, make_owner(session)),
            other_owner=make_account(session, make_owner(session)),
            department=make_account(session, make_department(session)),
            supervisor=make_account(session, make_supervisor(session)),
            admin=make_account(session, make_organisation(session, "admin", city="")),
        )
        for one in (getattr(found, field.name) for field in fields(found)):
            session.refresh(one, ["organisation"])
        return found


SignIn = Callable[[Browser, Account], Browser]


@pytest.fixture
def sign_in() -> SignIn:
    """Sign an account in through the form, as a person does: `sign_in(client, account)` gives the client back."""

    def do(browser: Browser, account: Account) -> Browser:
        answer = browser.send("/signin", {"username": account.username, "password": PASSWORD})
        assert answer.status_code == 302, answer.text
        return browser

    return do


@pytest.fixture
def office(client: Browser, people: People, sign_in: SignIn) -> Browser:
    """The browser of a planner of Haikou who is signed in."""
    return sign_in(client, people.office)
