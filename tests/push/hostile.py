"""Targets that lead to this machine, a private network, metadata or nowhere, in every spelling a URL has room for."""

from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address

# Every range that nobody public may have: an address of each, at both ends where the range is small.
V4 = [
    "0.0.0.0",
    "0.0.0.1",
    "0.255.255.255",
    "10.0.0.1",
    "10.20.30.40",
    "10.255.255.254",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.254",
    "127.0.0.1",
    "127.0.0.2",
    "127.1.2.3",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.253",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.255.254",
    "172.16.0.1",
    "172.20.1.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.1.1",
    "192.168.255.254",
    "198.18.0.1",
    "198.19.255.254",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.254",
    "255.255.255.255",
]
V6 = [
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:db8::1",
    "3fff::1",
    "3ffe::1",
    "5f00::1",
    "4000::1",
    "8000::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fdff:ffff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff01::1",
    "ff02::1",
    "ff05::1:3",
    "ff0e::1",
]
# Written for a listener on 127.0.0.1 or ::1 at {port}.
TRICKS = [
    "http://localhost:{port}/",
    "https://localhost:{port}/",
    "http://localhost.:{port}/",
    "http://LOCALHOST:{port}/",
    "http://LocalHost.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://127.1:{port}",
    "http://0:{port}/",
    "http://0.0:{port}/",
    "http://0x0:{port}/",
    "http://127.0.0.1.:{port}/",
    "https://127.0.0.1.:{port}/",
    "http://127.0.0.01:{port}/",
    "http://127.000.000.001:{port}/",
    "http://00127.0.0.1:{port}/",
    "http://0x7f.0x0.0x0.0x1:{port}/",
    "http://0x7F000001:{port}/",
    "http://0x7f.1:{port}/",
    "http://0x7f.0.1:{port}/",
    "http://0177.1:{port}/",
    "http://0177.0.0.01:{port}/",
    "http://017700000001:{port}/",
    "http://0x00000007f000001:{port}/",
    "http://4294967297:{port}/",
    "http://45080379393:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}/",
    "http://[::0001]:{port}/",
    "http://[0::1]:{port}/",
    "http://[::1%25lo]:{port}/",
    "http://[::1%lo]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[::FFFF:127.0.0.1]:{port}/",
    "http://[::ffff:7F00:1]:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://user:pw@127.0.0.1:{port}/",
    "http://:pw@127.0.0.1:{port}/",
    "http://@127.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://example.com:80@127.0.0.1:{port}/",
    "https://example.com%40127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@localhost:{port}/",
    "http://127.0.0.1:{port}#@example.com/",
    "http://example.com#@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/#x",
    "http://127.0.0.1:{port}?@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}/",
    "http:/\\127.0.0.1:{port}/",
    "http://127.0.0.1\\.example.com:{port}/",
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "///127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "localhost:{port}",
    "http:/127.0.0.1:{port}/",
    "://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}%2f@8.8.8.8/",
    "http://127.0.0.1%00.example.com:{port}/",
    "http://127.0.0.1%0a:{port}/",
    "http://127.0.0.1%09:{port}/",
    "http://127.0.0.1%20:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://127%2e0%2e0%2e1:{port}/",
    "http://lo%63alhost:{port}/",
    "http://%6c%6f%63%61%6c%68%6f%73%74:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://127．0．0．1:{port}/",
    "http://127｡0｡0｡1:{port}/",
    "http://ｌocalhost:{port}/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/",
    "http://𝟏𝟐𝟕.𝟎.𝟎.𝟏:{port}/",
    "http://１２７.0.0.1:{port}/",
    "http://loc\xadalhost:{port}/",
    "http://localhost\u200b:{port}/",
    "http://٠:{port}/",
    "http://127.0.0.1／:{port}/",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "gopher://127.0.0.1:{port}/_",
    "ftp://127.0.0.1:{port}/",
    "redis://127.0.0.1:{port}/",
    "dict://127.0.0.1:{port}/",
    "ldap://127.0.0.1:{port}/",
    "tftp://127.0.0.1:{port}/",
    "unix:///run/redis.sock",
    "http+unix://%2Frun%2Fredis.sock/",
    "ws://127.0.0.1:{port}/",
    "jar:http://127.0.0.1:{port}/!/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "view-source:http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://example.com",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/",
]
# Names that anybody may let point inside; the resolver of the test says where.
NAMES = [
    "localtest.example",
    "rebind.example",
    "metadata.example",
    "internal.example",
    "six.example",
    "mapped.example",
]


def spellings(address: str) -> Iterator[str]:
    """An IPv4 address as hosts of a URL: dotted, decimal, hex, octal, short, wrapped in every IPv6 that carries one."""
    number = int(IPv4Address(address))
    a, b, c, d = IPv4Address(address).packed
    yield from (address, str(number), f"0x{number:08x}", f"0{number:o}")
    yield f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"
    yield f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield f"{a}.{b * 65536 + c * 256 + d}"
    high, low = f"{a:02x}{b:02x}", f"{c:02x}{d:02x}"
    yield f"[::ffff:{address}]"
    yield f"[::ffff:{high}:{low}]"
    yield f"[64:ff9b::{high}:{low}]"  # NAT64
    yield f"[2002:{high}:{low}::1]"  # 6to4


def targets(port: int) -> list[str]:
    """Every hostile URL, for a listener at `port`."""
    made = [one.replace("{port}", str(port)) for one in TRICKS]
    for address in V4:
        made += [f"http://{host}:{port}/" for host in spellings(address)]
        made.append(f"https://{address}:{port}/")
    for address in V6:
        made += [f"{scheme}://[{address}]:{port}/" for scheme in ("http", "https")]
        made.append(f"https://[{ip_address(address).exploded}]:{port}/")
    return list(dict.fromkeys(made))
