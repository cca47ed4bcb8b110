"""Which addresses and URLs a webhook may go to: judged on the address that will be connected to, never on the name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_URL_LIMIT = 500
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?")
_PORTS = {"http": 80, "https": 443}

# IANA's special-purpose registries (RFC 6890 and its successors). Python's is_global is not used: it calls multicast
# and addresses wrapped by NAT64 global.
_REFUSED_V4 = tuple(
    IPv4Network(one)
    for one in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; some clouds keep their metadata here
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Everything that was ever given out lies in 2000::/3; loopback, ULA, link-local, multicast and NAT64 lie outside.
_GIVEN_OUT_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    IPv6Network(one)
    for one in (
        "2001::/23",  # Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries any IPv4 address
        "3ffe::/16",  # the 6bone, given back (RFC 3701)
        "3fff::/20",
    )
)


# Where an enterprise's receiver may lie if an administrator approves it: private networks, those shared by carriers, and
# this machine itself. Link-local, multicast and reserved ranges never: nobody's receiver is there, but metadata is.
APPROVABLE: tuple[Network, ...] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)
# Metadata services of clouds that lie inside those.
_NEVER: tuple[Address, ...] = (IPv4Address("100.100.100.200"), IPv6Address("fd00:ec2::254"))


class BadUrl(ValueError):
    """Not a URL a webhook may have."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart; `netloc` is the Host header."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str) -> Target:
    """Take a webhook's URL apart.

    Raises:
        BadUrl: not http or https, not plain ASCII, too long, or with a user name, a fragment or a strange host or port.
    """
    if len(url) > _URL_LIMIT or not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        raise BadUrl(url)
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError as error:
        raise BadUrl(url) from error
    if scheme not in _PORTS or "@" in parts.netloc or "#" in url or port == 0:
        raise BadUrl(url)
    if not (_is_ipv6(host) if ":" in host else _HOST.fullmatch(host)):
        raise BadUrl(url)
    query = f"?{parts.query}" if parts.query else ""
    return Target(scheme, host, port or _PORTS[scheme], (parts.path or "/") + query)


def allowed(address: Address, networks: Iterable[Network]) -> bool:
    """Whether `address` lies in one of `networks` and may be approved at all."""
    plain = _plain(address)
    return (
        plain not in _NEVER
        and any(plain in network for network in APPROVABLE)
        and any(plain in network for network in networks)
    )


def refused(address: Address) -> bool:
    """Whether `address` belongs to this machine, a private network or no one, and may be reached by allowance only."""
    plain = _plain(address)
    if isinstance(plain, IPv4Address):
        return any(plain in network for network in _REFUSED_V4)
    return plain not in _GIVEN_OUT_V6 or any(plain in network for network in _REFUSED_V6)


def _plain(address: Address) -> Address:
    """The IPv4 address inside ::ffff:0:0/96, which the kernel connects to as IPv4; else the address itself."""
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _is_ipv6(host: str) -> bool:
    try:
        return isinstance(ip_address(host), IPv6Address) and "%" not in host
    except ValueError:
        return False
