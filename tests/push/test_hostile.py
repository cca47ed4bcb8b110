"""No URL leads inside: hundreds of hostile targets are refused, and listeners on loopback see nobody."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network

import pytest

from push.transport import Failed, Fault, post
from tests.push.hostile import NAMES, targets
from tests.push.receiver import CountingListener, Receiver, Reply

REFUSALS = {Fault.BAD_URL, Fault.REFUSED_ADDRESS, Fault.UNKNOWN_NAME, Fault.PLAIN_HTTP}


class Everywhere:
    """Listeners on the loopback addresses that hostile targets name, all at one port."""

    def __init__(self, listeners: list[CountingListener]) -> None:
        self._listeners = listeners
        self.port = listeners[0].port

    @property
    def connections(self) -> int:
        return sum(one.connections for one in self._listeners)


@pytest.fixture
def everywhere() -> Iterator[Everywhere]:
    with ExitStack() as stack:
        # 0.0.0.0 and :: take whatever is sent to any address of this machine.
        four = stack.enter_context(CountingListener("0.0.0.0"))
        six = stack.enter_context(CountingListener("::", socket.AF_INET6, four.port))
        yield Everywhere([four, six])


def test_hundreds_of_hostile_targets_are_refused_and_nobody_is_connected_to(everywhere):
    urls = targets(everywhere.port)
    assert len(urls) >= 300
    accepted = {}
    for url in urls:
        outcome = post(url, b"{}", {}, timeout_s=2, allow=())
        if not (isinstance(outcome, Failed) and outcome.fault in REFUSALS):
            accepted[url] = outcome
    assert accepted == {}
    assert everywhere.connections == 0


def test_the_listeners_count_what_is_allowed(everywhere):
    """The test above would be worth nothing with listeners that see nothing."""
    for host, network in (("127.0.0.1", "127.0.0.1/32"), ("[::1]", "::1/128")):
        allow = (ip_network(network),)
        outcome = post(f"http://{host}:{everywhere.port}/", b"{}", {}, timeout_s=2, allow=allow)
        assert outcome == Failed(Fault.BROKEN)
    assert everywhere.connections == 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_leads_inside_is_refused(everywhere, monkeypatch, name, scheme):
    inside = {"six.example": "::1", "mapped.example": "::ffff:127.0.0.1"}.get(name, "127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (inside, 0))])
    outcome = post(f"{scheme}://{name}:{everywhere.port}/", b"{}", {}, timeout_s=2, allow=())
    assert outcome == Failed(Fault.REFUSED_ADDRESS)
    assert everywhere.connections == 0


def test_a_name_that_flips_between_the_check_and_the_connection_connects_nowhere_else(
    everywhere, monkeypatch
):
    """Asked once only: the second answer, which leads inside, is never heard."""
    answers = iter(["93.184.215.14", "127.0.0.1", "127.0.0.1"])
    asked = []

    def resolve(host, *_, **__):
        asked.append(host)
        return [(0, 0, 0, "", (next(answers), 0))]

    tried = []

    def connect(address, *_, **__):
        tried.append(address[0])
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    post(f"https://rebind.example:{everywhere.port}/", b"{}", {}, timeout_s=2, allow=())
    assert asked == ["rebind.example"]
    assert set(tried) <= {"93.184.215.14"}
    assert everywhere.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_inside_is_not_followed(everywhere, status):
    where = {"Location": f"http://127.0.0.2:{everywhere.port}/"}
    with Receiver(lambda _request: Reply(status, where)) as receiver:
        allow = (ip_network("127.0.0.0/8"),)
        post(receiver.url, b"{}", {}, timeout_s=2, allow=allow)
    assert everywhere.connections == 0


@pytest.mark.parametrize(
    ("url", "network"),
    [
        ("http://169.254.169.254/", "169.254.0.0/16"),
        ("http://100.100.100.200/", "100.100.0.0/16"),
        ("http://[fd00:ec2::254]/", "fd00:ec2::/48"),
        ("http://224.0.0.1/", "224.0.0.0/16"),
        ("http://0.0.0.0/", "0.0.0.0/16"),
        ("http://[::]/", "::/128"),
    ],
)
def test_metadata_and_nobody_s_addresses_are_refused_even_when_a_network_holds_them(url, network):
    outcome = post(url, b"{}", {}, timeout_s=1, allow=(ip_network(network),))
    assert outcome == Failed(Fault.REFUSED_ADDRESS)


def test_no_thread_is_left_behind():
    before = threading.active_count()
    post("http://10.0.0.1/", b"{}", {}, timeout_s=1, allow=())
    assert threading.active_count() == before
