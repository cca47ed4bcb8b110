"""The one place that opens a connection to the outside.

The name is resolved once, every address is judged, and the connection goes to the address that was judged: an answer of
the name server that changes in between changes nothing. Redirects are answers like any other, environment proxies are
not used, and the whole exchange ends at the deadline however slowly the other side talks.
"""

import http.client
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from ipaddress import ip_address

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError
from urllib3.util.ssl_match_hostname import CertificateError

from push.addresses import Address, BadUrl, Network, Target, allowed, parse, refused

# More addresses of one name are not tried: each gets its share of the time.
_ADDRESSES = 3
_HEADER_LIMIT = 200


class Fault(StrEnum):
    """Why there is no answer. The words for people are in push/status.py."""

    BAD_URL = "bad_url"
    UNKNOWN_NAME = "unknown_name"
    REFUSED_ADDRESS = "refused_address"
    PLAIN_HTTP = "plain_http"
    NO_CONNECTION = "no_connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    BROKEN = "broken"
    INTERNAL = "internal"  # ours: a fault of this program, in its log
    SEALED = "sealed"  # ours: the stored secret does not open with this installation's key
    NO_SENDER = "no_sender"  # no mail server or gateway is configured
    LOST = "lost"  # the sending process ended; whether it was received is not known


@dataclass(frozen=True, slots=True)
class Answered:
    """The receiver's status and its Retry-After header as it stood."""

    status: int
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    fault: Fault


Outcome = Answered | Failed


class _Fail(Exception):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float,
    allow: Sequence[Network],
) -> Outcome:
    """Send `body` once and return what became of it within `timeout_s`. Raises nothing.

    Addresses in `allow` may be private and may speak plain http, as far as push.addresses lets any be allowed; all others
    must be public and speak https.
    """
    deadline = time.monotonic() + timeout_s
    try:
        target = parse(url)
        addresses = _permitted(_resolve(target, deadline), target, allow)
        return _exchange(_connect(target, addresses, deadline), target, body, headers, deadline)
    except BadUrl:
        return Failed(Fault.BAD_URL)
    except _Fail as fail:
        return Failed(fail.fault)


def _resolve(target: Target, deadline: float) -> list[Address]:
    """Ask the name server, but not longer than the deadline: the C library knows none."""
    with suppress(ValueError):
        return [ip_address(target.host)]
    found: queue.SimpleQueue[list[Address]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            answers = []
        found.put([ip_address(str(where[0])) for *_, where in answers])

    threading.Thread(target=ask, daemon=True).start()
    try:
        addresses = found.get(timeout=_left(deadline))
    except queue.Empty:
        raise _Fail(Fault.TIMEOUT) from None
    if not addresses:
        raise _Fail(Fault.UNKNOWN_NAME)
    return addresses


def _permitted(addresses: list[Address], target: Target, allow: Sequence[Network]) -> list[Address]:
    """Keep the addresses that may be connected to."""
    inside = [one for one in addresses if allowed(one, allow)]
    public = [one for one in addresses if one not in inside and not refused(one)]
    if target.scheme == "http":
        if not inside and public:
            raise _Fail(Fault.PLAIN_HTTP)
        public = []
    if not inside and not public:
        raise _Fail(Fault.REFUSED_ADDRESS)
    return [one for one in addresses if one in inside or one in public][:_ADDRESSES]


def _connect(target: Target, addresses: list[Address], deadline: float) -> HTTPConnection:
    fault = Fault.NO_CONNECTION
    for tried, address in enumerate(addresses):
        # Connecting and the TLS handshake may each take the timeout, hence half of this address's share.
        share = _left(deadline) / (len(addresses) - tried) / 2
        connection = _connection(target, address, share)
        try:
            connection.connect()
        except NewConnectionError:  # before its own base class, which is that of timeouts
            fault = Fault.NO_CONNECTION
        except (ConnectTimeoutError, TimeoutError):
            fault = Fault.TIMEOUT
        except (SSLError, ssl.SSLError, CertificateError):
            fault = Fault.TLS
        except (HTTPError, OSError, ValueError):
            fault = Fault.NO_CONNECTION
        else:
            return connection
        connection.close()
    raise _Fail(fault)


def _connection(target: Target, address: Address, timeout: float) -> HTTPConnection:
    """A connection to the judged address; the name stays in SNI and in what the certificate must say."""
    if target.scheme == "http":
        return HTTPConnection(str(address), target.port, timeout=timeout)
    name = target.host.rstrip(".")
    return HTTPSConnection(
        str(address),
        target.port,
        timeout=timeout,
        ssl_context=_tls(),
        server_hostname=name,
        assert_hostname=name,
    )


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _exchange(
    connection: HTTPConnection,
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    deadline: float,
) -> Outcome:
    """Send and read status and headers. The body of an answer means nothing and is not read."""
    fixed = {"Host": target.netloc, "Connection": "close"}
    connection.timeout = _left(deadline)
    with _cut_at(deadline, connection) as cut:
        try:
            connection.request(
                "POST", target.path, body, {**headers, **fixed}, preload_content=False
            )
            answer = connection.getresponse()
        except TimeoutError:
            return Failed(Fault.TIMEOUT)
        except (HTTPError, http.client.HTTPException, OSError, ValueError):
            return Failed(Fault.TIMEOUT if cut.is_set() else Fault.BROKEN)
        finally:
            connection.close()
        answer.close()
        if cut.is_set():  # the end of the line passes for the end of the headers
            return Failed(Fault.TIMEOUT)
        return Answered(answer.status, answer.headers.get("Retry-After", "")[:_HEADER_LIMIT])


@contextmanager
def _cut_at(deadline: float, connection: HTTPConnection) -> Iterator[threading.Event]:
    """Shut the connection at the deadline: a socket's own timeout starts anew with every byte that drips in."""
    passed = threading.Event()
    line = connection.sock

    def cut() -> None:
        passed.set()
        with suppress(OSError):
            # The plain socket's shutdown: that of a TLS socket forgets the session in the middle of a read.
            socket.socket.shutdown(line, socket.SHUT_RDWR)

    timer = threading.Timer(_left(deadline), cut)
    timer.daemon = True
    timer.start()
    try:
        yield passed
    finally:
        timer.cancel()


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.001)
