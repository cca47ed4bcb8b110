"""Every route × role × (own, another's, nobody's), walked from the URL map: a route that is not in the table fails."""

import re

import pytest
from flask import url_for
from sqlalchemy import text

from landready.db import ENGINE, Role, transaction
from landready.organisations import Organisation
from tests.factories import make_account, make_key, make_organisation
from tests.worlds import KEPT_LAYER, KEPT_PDF, add_people, make_world
from web.app import create_app

ROLES = ("public", "office", "enterprise", "owner", "department", "city_supervisor", "admin")
NOBODYS = 999_999
OFFICE, ENTERPRISE, OWNER, DEPARTMENT, SUPERVISOR, ADMIN = (
    "office",
    "enterprise",
    "owner",
    "department",
    "city_supervisor",
    "admin",
)
EVERYONE = ROLES
# Views of nobody in particular: whoever the table names may ask; there is nothing of another tenant to ask for.
OPEN = {
    "land.home": {"GET": EVERYONE},
    "land.outlines": {"GET": EVERYONE},
    "land.download": {"GET": EVERYONE},
    "certificates.search": {"GET": EVERYONE},
    "auth.signin": {"GET": EVERYONE, "POST": EVERYONE},
    "auth.signout": {"POST": EVERYONE},
    "language.choose": {"POST": EVERYONE},
    "health.alive": {"GET": EVERYONE},
    "health.ready": {"GET": EVERYONE},
    "health.metrics": {"GET": EVERYONE},
    "organisations.enterprises": {"GET": EVERYONE},
    "organisations.own_password": {
        "GET": (OFFICE, ENTERPRISE, OWNER, DEPARTMENT, SUPERVISOR, ADMIN),
        "POST": (OFFICE, ENTERPRISE, OWNER, DEPARTMENT, SUPERVISOR, ADMIN),
    },
    "plans.plans": {"GET": (OFFICE,)},
    "plans.upload": {"GET": (OFFICE,), "POST": (OFFICE,)},
    "permits.permits": {"GET": (OFFICE,)},
    "permits.upload": {"POST": (OFFICE,)},
    "base_layers.layers": {"GET": (OFFICE,)},
    "base_layers.upload": {"GET": (OFFICE,), "POST": (OFFICE,)},
    "layers.layers": {"GET": (ENTERPRISE,)},
    "layers.upload": {"GET": (ENTERPRISE,), "POST": (ENTERPRISE,)},
    "answers.inbox": {"GET": (ENTERPRISE,)},
    "items.items": {"GET": (ENTERPRISE, DEPARTMENT, OFFICE)},
    "applications.projects": {"GET": (OWNER,)},
    "endpoints.system": {"GET": (ENTERPRISE,)},
    "endpoints.add": {"POST": (ENTERPRISE,)},
    "endpoints.send_again": {"POST": (ENTERPRISE,)},
    "endpoints.deliveries": {"GET": (OFFICE,)},
    "overview.overview": {"GET": (OFFICE, SUPERVISOR)},
    "service_areas.areas": {"GET": (OFFICE, SUPERVISOR)},
    "channels.channels": {"GET": (ENTERPRISE,)},
    "channels.choose": {"POST": (ENTERPRISE,)},
    "channels.add": {"POST": (ENTERPRISE,)},
    "disputes.disputes": {"GET": (OFFICE, ENTERPRISE, OWNER, SUPERVISOR)},
    "works.timeline": {"GET": (ENTERPRISE, OFFICE, SUPERVISOR)},
    "rules.rules": {"GET": (OFFICE, SUPERVISOR)},
    "rules.issue": {"POST": (SUPERVISOR,)},
    "clocks.escalations": {"GET": (OFFICE, SUPERVISOR)},
    "organisations.organisations": {"GET": (ADMIN,)},
    "organisations.new": {"GET": (ADMIN,), "POST": (ADMIN,)},
}
# The administrator's things belong to no tenant: who may ask sees all, and what does not exist is not found.
ADMINISTRATION = {
    "organisations.organisation": {"GET": (ADMIN,)},
    "organisations.edit": {"GET": (ADMIN,), "POST": (ADMIN,)},
    "organisations.add_account": {"POST": (ADMIN,)},
    "organisations.account_state": {"POST": (ADMIN,)},
    "organisations.reset_password": {"GET": (ADMIN,), "POST": (ADMIN,)},
    "organisations.issue_key": {"POST": (ADMIN,)},
    "organisations.revoke_key": {"POST": (ADMIN,)},
    "organisations.add_endpoint": {"POST": (ADMIN,)},
    "organisations.disable_endpoint": {"POST": (ADMIN,)},
    "organisations.test_endpoint": {"POST": (ADMIN,)},
    "organisations.approve_network": {"POST": (ADMIN,)},
    "organisations.revoke_network": {"POST": (ADMIN,)},
}
# What belongs to someone: the roles that may ask find their own, and nothing else.
OWNED = {
    "plans.plan": {"GET": (OFFICE, SUPERVISOR)},
    "plans.columns": {"POST": (OFFICE,)},
    "plans.crs": {"POST": (OFFICE,)},
    "plans.confirm": {"POST": (OFFICE,)},
    "plans.use_system": {"POST": (OFFICE,)},
    "plans.capacity": {"GET": (OFFICE, SUPERVISOR)},
    "board.whole": {"GET": (OFFICE, SUPERVISOR)},
    "board.rows": {"GET": (OFFICE, SUPERVISOR)},
    "board.plots": {"GET": (OFFICE, SUPERVISOR)},
    "board.extensions": {"GET": (OFFICE, SUPERVISOR)},
    "board_files.workbook": {"GET": (OFFICE, SUPERVISOR)},
    "board_files.document": {"GET": (OFFICE, SUPERVISOR)},
    "board_files.package": {"GET": (OFFICE, SUPERVISOR)},
    "together.plan": {"GET": (OFFICE, SUPERVISOR)},
    "plans.replace": {"POST": (OFFICE,)},
    "plans.delete": {"POST": (OFFICE,)},
    "plans.release_plan": {"POST": (OFFICE,)},
    "plans.list_ready": {"POST": (OFFICE,)},
    "plans.redeliver": {"POST": (OFFICE,)},
    "market.plan": {"GET": (OFFICE,)},
    "market.move": {"POST": (OFFICE,)},
    "plans.state_title": {"POST": (OFFICE,)},
    "plots.state_title": {"POST": (OFFICE,)},
    "rules.revoke": {"POST": (SUPERVISOR,)},
    "plots.plot": {"GET": (OFFICE, SUPERVISOR)},
    "plots.list_one": {"POST": (OFFICE,)},
    "plots.change_listing": {"POST": (OFFICE,)},
    "plots.state_demand": {"POST": (OFFICE,)},
    "base_layers.layer": {"GET": (OFFICE,)},
    "base_layers.withdraw": {"POST": (OFFICE,)},
    "base_layers.waiting": {"GET": (OFFICE,)},
    "base_layers.columns": {"POST": (OFFICE,)},
    "base_layers.crs": {"POST": (OFFICE,)},
    "base_layers.confirm": {"POST": (OFFICE,)},
    "base_layers.publish": {"POST": (OFFICE,)},
    "base_layers.discard": {"POST": (OFFICE,)},
    "layers.layer": {"GET": (ENTERPRISE,)},
    "layers.waiting": {"GET": (ENTERPRISE,)},
    "layers.columns": {"POST": (ENTERPRISE,)},
    "layers.crs": {"POST": (ENTERPRISE,)},
    "layers.confirm": {"POST": (ENTERPRISE,)},
    "layers.publish": {"POST": (ENTERPRISE,)},
    "layers.discard": {"POST": (ENTERPRISE,)},
    "answers.push": {"GET": (ENTERPRISE,)},
    "answers.plot": {"GET": (ENTERPRISE,)},
    "answers.answer": {"POST": (ENTERPRISE,)},
    "answers.answer_many": {"POST": (ENTERPRISE,)},
    "answers.contacted": {"POST": (ENTERPRISE,)},
    "service_areas.approve": {"POST": (OFFICE, SUPERVISOR)},
    "service_areas.refuse": {"POST": (OFFICE, SUPERVISOR)},
    "channels.test": {"POST": (ENTERPRISE,)},
    "channels.disable": {"POST": (ENTERPRISE,)},
    "channels.revoke": {"POST": (ENTERPRISE,)},
    "disputes.new": {"GET": (OFFICE, ENTERPRISE, OWNER)},
    "disputes.challenge": {"POST": (OFFICE, ENTERPRISE, OWNER)},
    "disputes.dispute": {"GET": (OFFICE, ENTERPRISE, OWNER, SUPERVISOR)},
    "disputes.answer": {"POST": (ENTERPRISE,)},
    "disputes.decide": {"POST": (SUPERVISOR,)},
    "disputes.settle": {"POST": (OFFICE, ENTERPRISE, OWNER)},
    "disputes.pause": {"POST": (OFFICE,)},
    "disputes.file": {"GET": (OFFICE, ENTERPRISE, OWNER, SUPERVISOR)},
    "certificates.chain": {"GET": (OFFICE, SUPERVISOR)},
    "clocks.clock": {"GET": (OFFICE, ENTERPRISE, SUPERVISOR)},
    "clocks.pause": {"POST": (OFFICE,)},
    "clocks.resume": {"POST": (OFFICE,)},
    "clocks.handle": {"POST": (SUPERVISOR,)},
    "works.works": {"GET": (ENTERPRISE, OFFICE, SUPERVISOR)},
    "works.replan": {"GET": (ENTERPRISE,)},
    "works.save_replan": {"POST": (ENTERPRISE,)},
    "works.describe": {"POST": (ENTERPRISE,)},
    "works.milestones": {"POST": (ENTERPRISE,)},
    "works.join": {"POST": (ENTERPRISE,)},
    "works.separate": {"POST": (ENTERPRISE,)},
    "works.done": {"POST": (ENTERPRISE,)},
    "answer_sheets.sheet": {"GET": (ENTERPRISE,)},
    "answer_sheets.download": {"GET": (ENTERPRISE,)},
    "answer_sheets.upload": {"POST": (ENTERPRISE,)},
    "answers.attachment": {"GET": (ENTERPRISE, OFFICE, SUPERVISOR)},
    "endpoints.change_url": {"POST": (ENTERPRISE,)},
    "endpoints.rotate": {"POST": (ENTERPRISE,)},
    "endpoints.end_rotation": {"POST": (ENTERPRISE,)},
    "endpoints.test": {"POST": (ENTERPRISE,)},
    "endpoints.disable": {"POST": (ENTERPRISE,)},
    "endpoints.redeliver": {"POST": (OFFICE, ENTERPRISE)},
    "endpoints.send_all_again": {"POST": (OFFICE,)},
    "applications.application": {"GET": (OWNER, OFFICE, ENTERPRISE, DEPARTMENT, SUPERVISOR)},
    "applications.save": {"POST": (OWNER,)},
    "applications.add": {"POST": (OWNER, OFFICE, ENTERPRISE)},
    "applications.remove": {"POST": (OWNER, OFFICE)},
    "items.item": {"GET": (ENTERPRISE, DEPARTMENT, OFFICE, OWNER, SUPERVISOR)},
    "items.moves": {"POST": (ENTERPRISE, DEPARTMENT, OFFICE, OWNER)},
    "items.design": {"POST": (ENTERPRISE, DEPARTMENT, OFFICE)},
    "items.external_works": {"POST": (ENTERPRISE, DEPARTMENT, OFFICE, OWNER)},
}
# Listings are public once they exist; the matrix only shows that a missing one is not found.
# Answer links open to whoever holds their token: tests/web/test_answer_links.py proves what they open.
PUBLIC_THINGS = {
    "land.listing": {"GET": EVERYONE},
    "certificates.certificate": {"GET": EVERYONE},
    "certificates.pdf": {"GET": EVERYONE},
    "certificates.json": {"GET": EVERYONE},
    "answer_links.push": {"GET": EVERYONE},
    "answer_links.plot": {"GET": EVERYONE},
    "answer_links.answer": {"POST": EVERYONE},
    "answer_links.contacted": {"POST": EVERYONE},
}
TABLE = {**OPEN, **ADMINISTRATION, **OWNED, **PUBLIC_THINGS}
# Systems come with a key and no cookie: below.
API = {
    "api_listings.listings",
    "api_listings.plot_tradable",
    "api_listings.listing_tradable",
    "api.permits",
    "api_answers.answers",
    "api_answers.standing",
    "api_answers.contacted",
    "api_answers.codes",
    "api_certificates.keys",
    "api_disputes.answer",
    "api_certificates.heads",
    "api_certificates.certificate",
    "api_pushes.pull",
    "api_pushes.acknowledge",
    "api_pushes.reconcile",
    "api_pushes.send_again",
    "openapi.spec",
}


def routes(app):
    for rule in app.url_map.iter_rules():
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            yield rule, method


@pytest.fixture(scope="module")
def rules(settings):
    """(endpoint, method) → rule, once for the parametrized walks."""
    return {(rule.endpoint, method): rule for rule, method in routes(create_app(settings))}


def test_every_route_stands_in_the_table(rules):
    known = {(endpoint, method) for endpoint, methods in TABLE.items() for method in methods}
    served = {key for key in rules if key[0] not in API | {"static"}}
    assert served - known == set(), "a new route needs a row in the matrix"
    assert known - served == set(), "the matrix names a route that is gone"


@pytest.fixture
def worlds(database, settings):
    kept = settings.var / "files"
    kept.mkdir(exist_ok=True, parents=True)
    (kept / KEPT_PDF).write_bytes(b"%PDF-1.4")
    (kept / KEPT_LAYER).write_text('{"type": "FeatureCollection", "features": []}')
    with transaction(database, ENGINE) as session:
        made = {city: make_world(session, city, x) for city, x in (("460100", 0), ("460200", 5000))}
        add_people(session, made["460100"])
        return made


def path(app, rule, world, role="", *, nobodys=False):
    """The address of a rule for a world's things; those of `nobodys` do not exist."""
    ids = dict(world.ids, listing_id=NOBODYS)
    if role == "department":
        ids["item_id"] = ids["department_item_id"]
    if rule.endpoint.startswith("service_areas."):
        ids["layer_id"] = ids["area_layer_id"]
    if rule.endpoint == "answers.contacted":
        ids["push_id"] = ids["project_push_id"]
    named = {name: NOBODYS if nobodys else ids[name] for name in rule.arguments if name in ids}
    words = {
        "number": "460199-000001",
        "utility": "water",
        "code": "en",
        "token": "0" * 43,
        "kind": "csv",
    }
    given = {name: words[name] for name in rule.arguments if name in words}
    with app.test_request_context():
        return url_for(rule.endpoint, **named, **given)


def ask(client, method, address):
    return client.get(address) if method == "GET" else client.send(address)


def plain(answer, address):
    """The answer without what differs on every page: nonces, tokens and the address itself."""
    body = re.sub(r'nonce="[^"]+"|value="[^"]{40,}"', "", answer.text)
    return re.sub(r"\d{3,}", "#", body.replace(address, "ADDRESS")), answer.status_code


def fingerprint(owner):
    """Everything that is stored, as one text."""
    with owner.connect() as connection:
        connection.execute(text("select set_config('app.role', 'engine', true)"))
        names = connection.scalars(
            text("select tablename from pg_tables where schemaname = 'public' order by 1")
        ).all()
        return [
            connection.scalar(
                text(
                    f"select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {n} t"
                )
            )
            for n in names
            if n != "spatial_ref_sys"
        ]


@pytest.fixture
def as_role(client, sign_in, worlds, database):
    def do(role):
        if role == "admin":
            with transaction(database, ENGINE) as session:
                admin = make_account(session, make_organisation(session, "admin", city=""))
            sign_in(client, admin)
        elif role != "public":
            sign_in(client, worlds["460100"].accounts[role])
        return client

    return do


@pytest.mark.parametrize("role", ROLES)
def test_roles_that_are_not_named_are_refused_and_change_nothing(
    app, rules, worlds, owner, as_role, role
):
    client = as_role(role)
    before = fingerprint(owner)
    for (endpoint, method), rule in rules.items():
        if endpoint in API | {"static"} or role in TABLE[endpoint][method]:
            continue
        answer = ask(client, method, path(app, rule, worlds["460100"]))
        if role == "public":
            assert answer.status_code == 302, (endpoint, method)
            assert answer.location.startswith("/signin"), (endpoint, method)
        else:
            assert answer.status_code == 403, (endpoint, method)
    assert fingerprint(owner) == before


@pytest.mark.parametrize("role", [OFFICE, ENTERPRISE, OWNER, DEPARTMENT, SUPERVISOR])
def test_anothers_things_look_like_nobodys_and_nothing_changes(
    app, rules, worlds, owner, as_role, role
):
    client = as_role(role)
    before = fingerprint(owner)
    for (endpoint, method), rule in rules.items():
        if endpoint not in OWNED or role not in OWNED[endpoint][method]:
            continue
        theirs = path(app, rule, worlds["460200"], role)
        nobodys = path(app, rule, worlds["460200"], nobodys=True)
        seen = plain(ask(client, method, theirs), theirs)
        assert seen[1] == 404, (endpoint, method)
        assert seen == plain(ask(client, method, nobodys), nobodys), (endpoint, method)
    assert fingerprint(owner) == before


@pytest.mark.parametrize("role", ROLES)
def test_own_pages_open(app, rules, worlds, as_role, role):
    client = as_role(role)
    for (endpoint, method), rule in rules.items():
        if method != "GET" or endpoint in API | {"static"} | set(PUBLIC_THINGS):
            continue
        if role in TABLE[endpoint][method]:
            answer = client.get(path(app, rule, worlds["460100"], role))
            assert answer.status_code == 200, (endpoint, answer.status_code)


@pytest.mark.parametrize(
    ("endpoint", "role"),
    [(endpoint, role) for endpoint, methods in OWNED.items() for role in methods.get("POST", ())],
)
def test_own_things_may_be_acted_on(app, rules, worlds, as_role, endpoint, role):
    """An empty form is a fault of the form, never a question of whose thing it is or an error of the system."""
    if endpoint == "plots.change_listing" or (endpoint.startswith("items.") and role == OFFICE):
        pytest.skip("nothing of its own to act on in this world; tests/web proves it with one")
    client = as_role(role)
    answer = ask(client, "POST", path(app, rules[endpoint, "POST"], worlds["460100"], role))
    shows_a_secret = endpoint == "endpoints.rotate"
    assert answer.status_code in {200 if shows_a_secret else 303, 400, 409, 422}, answer.status_code


@pytest.mark.parametrize("role", [OFFICE, ENTERPRISE, OWNER, DEPARTMENT, ADMIN])
def test_nothing_is_done_without_the_token_of_the_form(app, rules, worlds, owner, as_role, role):
    client = as_role(role)
    before = fingerprint(owner)
    for (endpoint, method), rule in rules.items():
        if method == "POST" and endpoint in TABLE and role in TABLE[endpoint][method]:
            answer = client.post(path(app, rule, worlds["460100"], role))
            assert answer.status_code == 400, endpoint
    assert fingerprint(owner) == before


@pytest.mark.parametrize("role", [OFFICE, OWNER, ADMIN])
def test_missing_things_are_not_found(app, rules, worlds, as_role, role):
    client = as_role(role)
    for (endpoint, method), rule in rules.items():
        if endpoint in ADMINISTRATION | PUBLIC_THINGS and role in TABLE[endpoint][method]:
            answer = ask(client, method, path(app, rule, worlds["460100"], nobodys=True))
            assert answer.status_code == 404, (endpoint, method)


def test_api_asks_for_a_key_of_the_right_system(client, worlds, database):
    with transaction(database, ENGINE) as session:
        exchange = session.get_one(
            Organisation, worlds["460100"].actors["exchange"].organisation_id
        )
        right = make_key(session, exchange)

    def answer(key):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return client.post("/api/v1/permits", json={}, headers=headers).status_code

    assert answer(None) == 401
    assert answer("lr_wrong") == 401
    assert answer(worlds["460100"].key) == 403  # an office's key
    assert answer(right) == 422


def test_api_does_not_take_a_browsers_cookie(client, sign_in, worlds):
    sign_in(client, worlds["460100"].accounts["office"])
    assert client.post("/api/v1/permits", json={}).status_code == 401


def test_public_api_answers_everyone(client, worlds):
    assert client.get("/api/v1/listings").status_code == 200
    document = client.get("/api/v1/openapi.json")
    assert document.status_code == 200
    assert set(document.json["paths"]) == {
        "/api/v1/listings",
        "/api/v1/listings/{listing_id}/tradable",
        "/api/v1/plots/{plot}/tradable",
        "/api/v1/permits",
        "/api/v1/answers",
        "/api/v1/codes",
        "/api/v1/keys",
        "/api/v1/disputes/{uid}/answer",
        "/api/v1/certificates/heads",
        "/api/v1/certificates/{number}",
        "/api/v1/pushes",
        "/api/v1/pushes/ack",
        "/api/v1/pushes/replay",
        "/api/v1/pushes/{uid}/contacted",
        "/api/v1/reconcile",
    }


def test_every_view_names_its_roles(app):
    for endpoint, view in app.view_functions.items():
        if endpoint != "static":
            assert getattr(view, "roles", frozenset()) <= frozenset(Role), endpoint
            assert getattr(view, "roles", None), endpoint
