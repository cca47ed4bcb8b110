import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import pytest

from push import transport
from push.transport import Answered, Failed, Fault, Outcome, post
from tests.push.receiver import CountingListener, Receiver, Reply

LOOPBACK = (ip_network("127.0.0.0/8"),)
NAME = "receiver.test"


def send(url: str, timeout_s: float = 2, body: bytes = b"{}") -> Outcome:
    return post(url, body, {"webhook-id": "1"}, timeout_s=timeout_s, allow=LOOPBACK)


@contextmanager
def raw(script: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that hands its first connection to `script`; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            link, _ = server.accept()
            with link, suppress(OSError):  # the sender cuts the line: what these tests are about
                script(link)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(10)
        assert not thread.is_alive()


@contextmanager
def resolver(monkeypatch: pytest.MonkeyPatch, *answers: str) -> Iterator[list[str]]:
    """A name server that gives `NAME` these addresses, one set per question ("a b" is a set of two)."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *given: object, **named: object) -> list[object]:
        if host != NAME:
            return real(host, port, *given, **named)
        asked.append(host)
        several = answers[min(len(asked), len(answers)) - 1].split()
        return [entry for one in several for entry in real(one, port, *given, **named)]

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield asked


def test_the_body_goes_out_byte_for_byte_with_the_headers_given(receiver):
    body = '{"标题":"供地计划"}'.encode()
    assert send(receiver.url + "?a=%20b", body=body) == Answered(204)
    (request,) = receiver.requests
    assert request.body == body
    assert request.path == "/hook?a=%20b"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["webhook-id"] == "1"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(receiver, status):
    with CountingListener() as elsewhere:
        where = {"Location": f"http://127.0.0.1:{elsewhere.port}/"}
        receiver.behave = lambda _request: Reply(status, where)
        assert send(receiver.url) == Answered(status)
        assert elsewhere.connections == 0
    assert len(receiver.requests) == 1


def test_retry_after_is_handed_on_as_it_stands(receiver):
    receiver.behave = lambda _request: Reply(503, {"Retry-After": "120"})
    assert send(receiver.url) == Answered(503, "120")


def test_a_name_that_moves_after_it_was_judged_moves_nothing(receiver, monkeypatch):
    with CountingListener("127.0.0.2") as elsewhere:
        with resolver(monkeypatch, "127.0.0.1", "127.0.0.2") as asked:
            assert send(f"http://{NAME}:{receiver.port}/") == Answered(204)
        assert (asked, elsewhere.connections) == ([NAME], 0)
    assert receiver.requests[0].headers["host"] == f"{NAME}:{receiver.port}"


def test_a_name_that_moves_inside_is_refused(monkeypatch):
    with CountingListener() as inside, resolver(monkeypatch, "127.0.0.1"):
        url = f"https://{NAME}:{inside.port}/"
        assert post(url, b"", {}, timeout_s=2, allow=()) == Failed(Fault.REFUSED_ADDRESS)
        assert inside.connections == 0


def test_of_several_addresses_only_permitted_ones_are_used(receiver, monkeypatch):
    with resolver(monkeypatch, "10.1.2.3 127.0.0.1"):
        assert send(f"http://{NAME}:{receiver.port}/") == Answered(204)


def test_the_next_address_is_tried_when_one_does_not_answer(receiver, monkeypatch):
    with resolver(monkeypatch, "127.0.0.9 127.0.0.1"):
        assert send(f"http://{NAME}:{receiver.port}/") == Answered(204)


def test_public_addresses_get_no_plain_http(monkeypatch):
    with resolver(monkeypatch, "8.8.8.8"):
        assert send(f"http://{NAME}/") == Failed(Fault.PLAIN_HTTP)


def test_a_proxy_of_the_environment_is_not_used(receiver, monkeypatch):
    with CountingListener() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert send(receiver.url) == Answered(204)
        assert proxy.connections == 0


def test_an_unknown_name_is_a_fault_of_its_own():
    assert send("https://no-such-host.invalid/") == Failed(Fault.UNKNOWN_NAME)
    assert send(f"https://{'a' * 70}.test/") == Failed(Fault.UNKNOWN_NAME)


def test_a_closed_port_is_no_connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert send(f"http://127.0.0.1:{port}/") == Failed(Fault.NO_CONNECTION)


def _hang(link: socket.socket) -> None:
    while link.recv(65536):
        pass


def _drip_status(link: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK" * 100:
        link.sendall(bytes([byte]))
        time.sleep(0.05)


def _drip_headers(link: socket.socket) -> None:
    link.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(200):
        link.sendall(b"X-%d: y\r\n" % number)
        time.sleep(0.05)


def _endless_continue(link: socket.socket) -> None:
    for _ in range(200):
        link.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.05)


@pytest.mark.parametrize("script", [_hang, _drip_status, _drip_headers, _endless_continue])
def test_the_deadline_ends_every_exchange(script):
    with raw(script) as url:
        began = time.monotonic()
        assert send(url, timeout_s=0.6) == Failed(Fault.TIMEOUT)
        assert time.monotonic() - began < 1


def test_the_deadline_ends_a_tls_handshake_too():
    with raw(_hang) as url:
        began = time.monotonic()
        assert send(url.replace("http", "https"), timeout_s=0.6) == Failed(Fault.TIMEOUT)
        assert time.monotonic() - began < 1


def test_the_deadline_ends_the_question_for_a_name(monkeypatch):
    answer = threading.Event()

    def getaddrinfo(*_given: object, **_named: object) -> list[object]:
        answer.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    began = time.monotonic()
    assert send("https://slow.test/", timeout_s=0.3) == Failed(Fault.TIMEOUT)
    assert time.monotonic() - began < 0.6
    answer.set()


def _reset(link: socket.socket) -> None:
    link.recv(10)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _garbage(link: socket.socket) -> None:
    link.recv(65536)
    link.sendall(b"\x00\xff nonsense\r\n\r\n")


def _half_a_status(link: socket.socket) -> None:
    link.recv(65536)
    link.sendall(b"HTTP/1.1 20")


def _too_many_headers(link: socket.socket) -> None:
    link.recv(65536)
    link.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n")


def _long_header(link: socket.socket) -> None:
    link.recv(65536)
    link.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n")


@pytest.mark.parametrize(
    "script", [_reset, _garbage, _half_a_status, _too_many_headers, _long_header]
)
def test_what_is_no_answer_is_a_broken_connection(script):
    with raw(script) as url:
        assert send(url) == Failed(Fault.BROKEN)


def test_a_huge_answer_is_not_read():
    sent = 0

    def flood(link: socket.socket) -> None:
        nonlocal sent
        link.recv(65536)
        link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while sent < 1_000_000_000:
            sent += link.send(b"x" * 65536)

    with raw(flood) as url:
        assert send(url) == Answered(200)
    assert sent < 20_000_000


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for `NAME` and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "cert.pem", folder / "key.pem"
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"),
        *("-out", str(made[0]), "-keyout", str(made[1])),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return made


@pytest.fixture
def tls_receiver(certificate: tuple[Path, Path]) -> Iterator[tuple[Receiver, list[str | None]]]:
    """A receiver that speaks TLS, and the names it was asked for (SNI)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    names: list[str | None] = []
    context.sni_callback = lambda _link, name, _context: names.append(name)
    receiver = Receiver()
    receiver.speak_tls(context)
    with receiver:
        yield receiver, names


@pytest.fixture
def trusting(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    transport._tls.cache_clear()
    yield
    transport._tls.cache_clear()


@pytest.mark.usefixtures("trusting")
def test_the_name_stays_in_host_sni_and_certificate(tls_receiver, monkeypatch):
    receiver, names = tls_receiver
    with resolver(monkeypatch, "127.0.0.1"):
        assert send(f"https://{NAME}:{receiver.port}/hook") == Answered(204)
    assert names == [NAME]
    assert receiver.requests[0].headers["host"] == f"{NAME}:{receiver.port}"


@pytest.mark.usefixtures("trusting")
def test_a_certificate_of_another_name_is_refused_before_anything_is_said(tls_receiver):
    receiver, _ = tls_receiver
    assert send(f"https://127.0.0.1:{receiver.port}/") == Failed(Fault.TLS)
    assert send(f"https://localhost:{receiver.port}/") == Failed(Fault.TLS)
    assert receiver.requests == []


def test_a_certificate_nobody_vouches_for_is_refused(tls_receiver, monkeypatch):
    receiver, _ = tls_receiver
    with resolver(monkeypatch, "127.0.0.1"):
        assert send(f"https://{NAME}:{receiver.port}/") == Failed(Fault.TLS)
    assert receiver.requests == []
