"""Receivers in private networks: denied, until an administrator approves a subnet for that one endpoint."""

import threading
from datetime import UTC, datetime

import pytest

from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Conflict, Invalid, NotAllowed, NotFound
from push.deliver import deliver
from push.endpoints import change_url, disable_endpoint
from push.networks import approve, networks_of, revoke
from tests.factories import make_account, make_enterprise, make_organisation

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
NOWHERE = "192.168.77.0/24"


@pytest.fixture
def admin(world) -> Actor:
    with transaction(world.engine, ENGINE) as session:
        return make_account(session, make_organisation(session, "admin", city="")).actor


@pytest.fixture
def pay(world, push_settings):
    return lambda: deliver(world.engine, push_settings, world.vault, threading.Event())


def allow(world, actor: Actor, endpoint_id: int, network: str = "127.0.0.1/32"):
    with transaction(world.engine, actor) as session:
        return approve(session, endpoint_id, network, NOW)


def in_force(world, endpoint_id: int) -> list[str]:
    with transaction(world.engine, world.enterprise) as session:
        return [str(one.network) for one in networks_of(session, [endpoint_id])[endpoint_id]]


def test_denied_until_approved_and_again_after_it_was_revoked(world, receiver, pay, admin):
    endpoint = world.add_endpoint(receiver.url, network=NOWHERE)
    world.record()
    pay()
    assert [one.error for one in world.attempts()] == ["refused_address"]
    assert receiver.requests == []

    approved = allow(world, admin, endpoint.id)
    assert approved.approved_by == admin.account_id
    assert in_force(world, endpoint.id) == [NOWHERE, "127.0.0.1/32"]
    world.record()
    pay()
    assert len(receiver.requests) == 1

    with transaction(world.engine, admin) as session:
        assert revoke(session, approved.id, NOW).revoked_at == NOW
    assert in_force(world, endpoint.id) == [NOWHERE]
    world.record()
    pay()
    assert len(receiver.requests) == 1


def test_an_approval_is_for_one_endpoint(world, receiver, pay, admin):
    first = world.add_endpoint(receiver.url, network=NOWHERE)
    world.add_endpoint(receiver.url + "/other", network=NOWHERE)
    allow(world, admin, first.id)
    world.record()
    pay()
    assert [one.path for one in receiver.requests] == ["/hook"]


def test_an_approval_holds_for_the_host_and_port_it_was_given_for(world, receiver, admin):
    endpoint = world.add_endpoint(receiver.url, network=NOWHERE)
    allow(world, admin, endpoint.id)
    with transaction(world.engine, world.enterprise) as session:
        change_url(session, endpoint.id, receiver.url + "/v2", NOW)
    assert len(in_force(world, endpoint.id)) == 2
    with transaction(world.engine, world.enterprise) as session:
        change_url(session, endpoint.id, "http://127.0.0.1:6379/", NOW)
    assert in_force(world, endpoint.id) == []


def test_only_the_administrator_approves_and_revokes(world, admin):
    endpoint = world.add_endpoint("https://10.1.2.3/")
    approved = allow(world, admin, endpoint.id, "10.1.0.0/16")
    for actor in (world.enterprise, world.office, Actor(Role.SUPERVISOR, 1), Actor(Role.PUBLIC)):
        with pytest.raises(NotAllowed):
            allow(world, actor, endpoint.id)
        with pytest.raises(NotAllowed), transaction(world.engine, actor) as session:
            revoke(session, approved.id, NOW)
    with pytest.raises(NotFound):
        allow(world, admin, 999_999)
    with pytest.raises(NotFound), transaction(world.engine, admin) as session:
        revoke(session, 999_999, NOW)


def test_another_enterprise_sees_no_approval(world):
    endpoint = world.add_endpoint("https://10.1.2.3/")
    with transaction(world.engine, ENGINE) as session:
        other = Actor(Role.ENTERPRISE, make_enterprise(session).id)
    with transaction(world.engine, other) as session:
        assert networks_of(session, [endpoint.id]) == {endpoint.id: []}


@pytest.mark.parametrize(
    "network",
    ["10.20.0.0/16", " 10.20.30.0/24 ", "172.16.5.4/32", "192.168.0.0/16", "100.64.0.0/16", "fd12:3456::/48", "::1/128",
     "127.0.0.1"],
)  # fmt: skip
def test_private_subnets_can_be_approved(world, admin, network):
    endpoint = world.add_endpoint("https://10.1.2.3/", network="10.9.0.0/16")
    allow(world, admin, endpoint.id, network)
    with pytest.raises(Conflict):
        allow(world, admin, endpoint.id, network)


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ("", "不是网段"),
        ("10.20.0.0/8", "不是网段"),
        ("10.20.1.0/16", "不是网段"),
        ("water.example", "不是网段"),
        ("10.0.0.0/8", "太大"),
        ("fc00::/7", "太大"),
        ("0.0.0.0/0", "不在可以批准"),
        ("::/0", "不在可以批准"),
        ("169.254.169.254/32", "不在可以批准"),
        ("224.0.0.0/16", "不在可以批准"),
        ("8.8.8.0/24", "不在可以批准"),
        ("172.0.0.0/8", "不在可以批准"),
        ("2400:3200::/48", "不在可以批准"),
    ],
)
def test_what_is_no_private_subnet_is_refused_with_the_reason(world, admin, network, says):
    endpoint = world.add_endpoint("https://10.1.2.3/")
    with pytest.raises(Invalid) as refused:
        allow(world, admin, endpoint.id, network)
    (problem,) = refused.value.problems
    assert says in problem.message
    assert problem.where == "network"


def test_a_disabled_endpoint_gets_no_approval(world, admin):
    endpoint = world.add_endpoint("https://10.1.2.3/")
    with transaction(world.engine, world.enterprise) as session:
        disable_endpoint(session, endpoint.id, "", NOW)
    with pytest.raises(Conflict):
        allow(world, admin, endpoint.id)
