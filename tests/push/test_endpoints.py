import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError
from standardwebhooks import Webhook, WebhookVerificationError

from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, Invalid, NotAllowed, NotFound
from push.deliver import deliver
from push.endpoints import (
    OVERLAP,
    add_endpoint,
    change_url,
    disable_endpoint,
    end_rotation,
    endpoints_of,
    rotate_secret,
    send_test_event,
    systems_of,
)
from push.fanout import fan_out
from push.models import Attempt, Delivery, Endpoint
from push.networks import approve
from push.vault import Vault
from tests.factories import make_enterprise, make_office, make_supervisor
from tests.push.conftest import SECRET

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
URL = "https://hooks.example.cn/in"
ADMIN = Actor(Role.ADMIN, 999_999)


@pytest.fixture
def other(world) -> Actor:
    with transaction(world.engine, ENGINE) as session:
        return Actor(Role.ENTERPRISE, make_enterprise(session).id)


def add(world, actor: Actor, enterprise_id: int | None = None, url: str = URL) -> Endpoint:
    with transaction(world.engine, actor) as session:
        return add_endpoint(session, world.vault, enterprise_id or world.enterprise_id, url, NOW)[0]


def test_the_secret_is_shown_to_the_enterprise_that_adds_it(world):
    with transaction(world.engine, world.enterprise) as session:
        endpoint, secret = add_endpoint(session, world.vault, world.enterprise_id, f" {URL} ", NOW)
    assert secret.startswith("whsec_")
    assert endpoint.url == URL
    assert secret not in endpoint.secret
    assert world.vault.open(endpoint.secret, world.enterprise_id) == secret


def test_the_administrator_may_add_one_for_an_enterprise(world):
    assert add(world, ADMIN).enterprise_id == world.enterprise_id


def test_nobody_adds_a_receiver_for_another_enterprise(world, other):
    for actor in (other, world.office, Actor(Role.SUPERVISOR, 1), Actor(Role.PUBLIC)):
        with pytest.raises(NotAllowed):
            add(world, actor)


@pytest.mark.parametrize(
    "url", ["", "hooks.example.cn", "ftp://a/", "https://u@a/", "https://水务.中国/"]
)
def test_a_url_that_cannot_be_used_is_refused_with_the_reason(world, url):
    with pytest.raises(Invalid) as refused:
        add(world, world.enterprise, url=url)
    (problem,) = refused.value.problems
    assert problem.code == "bad_url"
    assert f"“{url}”" in problem.message


def test_the_same_url_is_not_added_twice_but_again_after_it_was_disabled(world):
    first = add(world, world.enterprise)
    with pytest.raises(Conflict):
        add(world, world.enterprise)
    with transaction(world.engine, world.enterprise) as session:
        disable_endpoint(session, first.id, "换系统", NOW)
    second = add(world, world.enterprise)
    with transaction(world.engine, world.enterprise) as session:
        seen = endpoints_of(session, world.enterprise_id)
    assert [(one.id, one.disabled_reason) for one in seen] == [
        (second.id, ""),
        (first.id, "换系统"),
    ]


def test_another_enterprise_s_receiver_looks_as_if_it_were_not_there(world, other):
    endpoint = add(world, world.enterprise)
    for actor in (other, world.office):
        with transaction(world.engine, actor) as session:
            assert endpoints_of(session, world.enterprise_id) == []
        for act in (
            lambda session: disable_endpoint(session, endpoint.id, "", NOW),
            lambda session: send_test_event(session, endpoint.id, NOW),
            lambda session: rotate_secret(session, world.vault, endpoint.id, NOW),
            lambda session: end_rotation(session, endpoint.id),
            lambda session: change_url(session, endpoint.id, "https://evil.example/", NOW),
        ):
            with pytest.raises(NotFound), transaction(world.engine, actor) as session:
                act(session)
    with transaction(world.engine, ENGINE) as session:
        assert session.get_one(Endpoint, endpoint.id).disabled_at is None


def test_disabling_closes_what_was_owed(world):
    endpoint = add(world, world.enterprise)
    world.record(3)
    with transaction(world.engine, ENGINE) as session:
        fan_out(session, NOW)
    with transaction(world.engine, world.enterprise) as session:
        disable_endpoint(session, endpoint.id, "停用", NOW)
    assert world.states() == ["dead"] * 3


def test_a_test_event_goes_to_the_one_receiver_and_no_office_sees_it(
    world, receiver, push_settings
):
    target = world.add_endpoint(receiver.url)
    add(world, world.enterprise)
    with transaction(world.engine, world.enterprise) as session:
        delivery_id = send_test_event(session, target.id, NOW)
    deliver(world.engine, push_settings, world.vault, threading.Event())
    (request,) = receiver.requests
    assert b'"type":"endpoint.test"' in request.body
    assert [(one.id, one.state) for one in world.deliveries()] == [(delivery_id, "delivered")]
    with transaction(world.engine, world.office) as session:
        assert session.scalars(select(Delivery)).all() == []


def test_a_disabled_receiver_gets_no_test_event(world):
    endpoint = add(world, world.enterprise)
    with transaction(world.engine, world.enterprise) as session:
        disable_endpoint(session, endpoint.id, "", NOW)
    with pytest.raises(Conflict), transaction(world.engine, world.enterprise) as session:
        send_test_event(session, endpoint.id, NOW)


def test_while_a_secret_is_changed_both_sign_and_then_the_new_one_alone(
    world, receiver, push_settings
):
    endpoint = world.add_endpoint(receiver.url)
    now = datetime.now(UTC)
    with transaction(world.engine, world.enterprise) as session:
        new = rotate_secret(session, world.vault, endpoint.id, now)
    assert new != SECRET

    def accepted(secret: str) -> bool:
        world.record()
        deliver(world.engine, push_settings, world.vault, threading.Event())
        request = receiver.requests[-1]
        try:
            Webhook(secret).verify(request.body, dict(request.headers))
        except WebhookVerificationError:
            return False
        return True

    assert (accepted(new), accepted(SECRET)) == (True, True)
    with transaction(world.engine, ENGINE) as session:
        session.get_one(Endpoint, endpoint.id).old_secret_until = now  # the day is over
    assert (accepted(new), accepted(SECRET)) == (True, False)


def test_a_leaked_secret_can_be_ended_at_once_and_none_is_forgotten_in_a_change(world):
    endpoint = world.add_endpoint("https://example.com/")
    with transaction(world.engine, world.enterprise) as session:
        rotate_secret(session, world.vault, endpoint.id, NOW)
        with pytest.raises(Conflict):
            rotate_secret(session, world.vault, endpoint.id, NOW + OVERLAP - timedelta(seconds=1))
        end_rotation(session, endpoint.id)
        rotate_secret(session, world.vault, endpoint.id, NOW)
        rotate_secret(session, world.vault, endpoint.id, NOW + OVERLAP)
    with transaction(world.engine, ENGINE) as session:
        found = session.get_one(Endpoint, endpoint.id)
        assert found.old_secret_until == NOW + 2 * OVERLAP


def test_a_new_address_keeps_the_secret_and_forgets_the_failures_of_the_old(world):
    endpoint = world.add_endpoint("https://old.example.com/")
    with transaction(world.engine, ENGINE) as session:
        found = session.get_one(Endpoint, endpoint.id)
        found.failures, found.failing_since, found.resting_until = 9, NOW, NOW
    with transaction(world.engine, world.enterprise) as session:
        change_url(session, endpoint.id, " https://new.example.com/ ", NOW)
    with transaction(world.engine, ENGINE) as session:
        found = session.get_one(Endpoint, endpoint.id)
        assert (found.url, found.failures, found.resting_until) == (
            "https://new.example.com/",
            0,
            None,
        )
        assert world.vault.open(found.secret, world.enterprise_id) == SECRET


def test_a_new_address_is_judged_like_a_first_one(world):
    add(world, world.enterprise)
    endpoint = add(world, world.enterprise, url="https://second.example.com/")
    for url, error in (("ftp://a/", Invalid), (URL, Conflict)):
        with pytest.raises(error), transaction(world.engine, world.enterprise) as session:
            change_url(session, endpoint.id, url, NOW)
    with transaction(world.engine, world.enterprise) as session:
        change_url(session, endpoint.id, "https://second.example.com/", NOW)
        disable_endpoint(session, endpoint.id, "", NOW)
    with pytest.raises(Conflict), transaction(world.engine, world.enterprise) as session:
        change_url(session, endpoint.id, "https://third.example.com/", NOW)


def test_a_secret_that_cannot_be_opened_is_told_and_sends_nothing(world, receiver, push_settings):
    world.add_endpoint(receiver.url)
    world.record()
    deliver(world.engine, push_settings, Vault("another key"), threading.Event())
    assert ([one.error for one in world.attempts()], receiver.requests) == (["sealed"], [])


# --- the two walls around delivery tables -----------------------------------------------------------------------------
TABLES = (Endpoint, Delivery, Attempt)


@pytest.fixture
def walled(world, receiver, push_settings, other):
    """One endpoint, delivery and attempt each of two enterprises in two cities' offices, and who may see how many."""
    world.add_endpoint(receiver.url)
    world.record()
    with transaction(world.engine, ENGINE) as session:
        stranger = make_office(session, city="460200")
        supervisors = [make_supervisor(session, city=city) for city in ("460200", "")]
        office_city = session.scalar(
            text("select city from organisation where id = :id"), {"id": world.office_id}
        )
    world.add_endpoint(receiver.url, other.organisation_id)
    world.record(enterprise_id=other.organisation_id)
    deliver(world.engine, push_settings, world.vault, threading.Event())
    assert len(world.deliveries()) == len(world.attempts()) == 2
    return {
        world.enterprise: (1, 1, 1),
        other: (1, 1, 1),
        world.office: (0, 2, 2),
        Actor(Role.OFFICE, stranger.id): (0, 0, 0),
        Actor(Role.SUPERVISOR, supervisors[0].id, city="460200"): (0, 0, 0),
        Actor(Role.SUPERVISOR, supervisors[0].id, city=office_city): (0, 2, 2),
        Actor(Role.SUPERVISOR, supervisors[1].id): (0, 2, 2),
        Actor(Role.OWNER, world.enterprise_id): (0, 0, 0),
        Actor(Role.DEPARTMENT, world.enterprise_id): (0, 0, 0),
        Actor(Role.EXCHANGE, world.enterprise_id): (0, 0, 0),
        Actor(Role.PUBLIC): (0, 0, 0),
        ADMIN: (2, 0, 0),
        ENGINE: (2, 2, 2),
    }


def test_row_level_security_alone_keeps_deliveries_apart(world, walled):
    """Plain SQL passes the query layer by."""
    for actor, expected in walled.items():
        with transaction(world.engine, actor) as session:
            seen = tuple(
                session.scalar(text(f"select count(*) from {one.__tablename__}")) for one in TABLES
            )
        assert seen == expected, actor


def test_the_query_layer_alone_keeps_deliveries_apart(world, walled):
    """Every row is visible to the database: the transaction has become the engine's behind the ORM's back."""
    for actor, expected in walled.items():
        with transaction(world.engine, actor) as session:
            session.execute(text("select set_config('app.role', 'engine', true)"))
            seen = tuple(len(session.scalars(select(one)).all()) for one in TABLES)
        assert seen == expected, actor


@pytest.mark.parametrize(
    "change",
    [
        "update delivery set attempts_made = 9",
        "update attempt set status = 200",
        "update outbox_event set fanned_out_at = null",
    ],
)
def test_nobody_but_the_product_changes_what_is_owed(world, walled, change):
    for actor in set(walled) - {ENGINE}:
        with transaction(world.engine, actor) as session:
            assert session.execute(text(change)).rowcount == 0, actor


def test_a_body_that_was_written_cannot_be_changed_even_by_the_product(world, walled):
    for change in ("update outbox_event set body = ''", "delete from outbox_event"):
        with pytest.raises(ProgrammingError), transaction(world.engine, ENGINE) as session:
            session.execute(text(change))


def test_what_cannot_be_sent_is_told_and_holds_up_nobody(world, receiver, push_settings):
    """A fault of our own is an attempt that failed, not a worker that dies of the same delivery again and again."""
    broken = world.add_endpoint(receiver.url)
    world.add_endpoint(receiver.url + "/whole")
    with transaction(world.engine, ENGINE) as session:
        found = session.get_one(Endpoint, broken.id)
        found.secret = world.vault.seal("whsec_not base64!", world.enterprise_id)
    world.record()
    deliver(world.engine, push_settings, world.vault, threading.Event())
    assert [one.path for one in receiver.requests] == ["/hook/whole"]
    assert sorted(one.error for one in world.attempts()) == ["", "internal"]


def test_an_address_of_people_is_no_system_and_its_secret_is_never_shown(world):
    """Answer links are derived from it."""
    mail = world.add_endpoint("mailto:duty@water.example")
    with transaction(world.engine, world.enterprise) as session:
        assert systems_of(session, world.enterprise_id) == []
    for act in (
        lambda session: rotate_secret(session, world.vault, mail.id, NOW),
        lambda session: end_rotation(session, mail.id),
        lambda session: change_url(session, mail.id, URL, NOW),
    ):
        with pytest.raises(NotFound), transaction(world.engine, world.enterprise) as session:
            act(session)
    with pytest.raises(NotFound), transaction(world.engine, ADMIN) as session:
        approve(session, mail.id, "10.20.0.0/16", NOW)
