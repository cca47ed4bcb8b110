import socket
from ipaddress import ip_address, ip_network

import pytest

from push.addresses import BadUrl, allowed, parse, refused
from push.transport import Failed, Fault, post
from tests.push.receiver import CountingListener

REFUSED = """
127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255
169.254.169.254 169.254.0.23 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1
192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b:1::1 100::1 2001::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe:: 3fff::1 5f00::1
fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 ff0e::1
"""
PUBLIC = """
1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255
192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.255 ::ffff:8.8.8.8 2400:3200::1 2606:4700:4700::1111 2001:4860:4860::8888
"""

# {port} is that of a listener on loopback; every spelling leads there, to a private network or nowhere.
HOSTILE = """
http://127.0.0.1:{port}/ https://127.0.0.1:{port}/ http://localhost:{port}/ https://localhost:{port}/ http://localhost.:{port}/
http://127.1:{port}/ http://127.0.1:{port}/ http://2130706433:{port}/ http://0x7f000001:{port}/ http://0x7f.1:{port}/
http://0177.0.0.1:{port}/ http://0177.1:{port}/ http://017700000001:{port}/ http://127.0.0.1.:{port}/ http://0:{port}/
http://0.0.0.0:{port}/ http://127.255.255.254:{port}/ http://127.0.0.2:{port}/ https://127.1:{port}/ https://2130706433:{port}/
http://[::1]:{port}/ https://[::1]:{port}/ http://[::]:{port}/ http://[::ffff:127.0.0.1]:{port}/ http://[::ffff:7f00:1]:{port}/
http://[::127.0.0.1]:{port}/ http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/ http://[64:ff9b::7f00:1]:{port}/ http://[64:ff9b::127.0.0.1]:{port}/
http://[2002:7f00:1::]:{port}/ http://[fe80::1]:{port}/ http://[fe80::1%25lo]:{port}/ http://[::1%25lo]:{port}/ http://[fd00:ec2::254]:{port}/
http://169.254.169.254/latest/meta-data/ https://169.254.169.254/ http://100.100.100.200/ http://10.0.0.1/ https://192.168.1.1/
http://user@127.0.0.1:{port}/ http://example.com@127.0.0.1:{port}/ http://127.0.0.1:{port}#@example.com/ http://:pw@127.0.0.1:{port}/
http://example.com\\@127.0.0.1:{port}/ http://127.0.0.1\\.example.com:{port}/ http:///127.0.0.1:{port}/ //127.0.0.1:{port}/ 127.0.0.1:{port}
file:///etc/passwd gopher://127.0.0.1:{port}/_ ftp://127.0.0.1:{port}/ redis://127.0.0.1:{port}/ unix:///run/redis.sock
http://①②⑦.⓪.⓪.①:{port}/ http://127。0。0。1:{port}/ http://ｌocalhost:{port}/ http://127.0.0.1:{port}%2f@8.8.8.8/ http://127.0.0.1%00.example.com:{port}/
http://[::ffff:a9fe:a9fe]/ http://224.0.0.1:{port}/ http://255.255.255.255:{port}/ http://240.0.0.1:{port}/ http://[ff02::1]:{port}/
"""


@pytest.mark.parametrize("address", REFUSED.split())
def test_addresses_of_this_machine_and_private_networks_are_refused(address):
    assert refused(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses_are_not_refused(address):
    assert not refused(ip_address(address))


def test_an_allowed_network_holds_its_ipv4_addresses_in_either_spelling():
    networks = (ip_network("10.20.0.0/16"), ip_network("fd12::/16"))
    for inside in ("10.20.3.4", "::ffff:10.20.3.4", "fd12::1"):
        assert allowed(ip_address(inside), networks)
    for outside in ("10.21.0.1", "::ffff:10.21.0.1", "fd13::1", "127.0.0.1"):
        assert not allowed(ip_address(outside), networks)


@pytest.mark.parametrize("url", HOSTILE.split())
def test_hostile_targets_are_refused_and_never_connected_to(url):
    with CountingListener() as four, CountingListener("::1", socket.AF_INET6) as six:
        for listener in (four, six):
            outcome = post(url.format(port=listener.port), b"{}", {}, timeout_s=2, allow=())
            assert isinstance(outcome, Failed)
            assert outcome.fault in {Fault.BAD_URL, Fault.REFUSED_ADDRESS, Fault.UNKNOWN_NAME}
        assert (four.connections, six.connections) == (0, 0)


def test_the_list_of_hostile_targets_is_long_enough():
    assert len(set(HOSTILE.split())) >= 60


def test_the_listener_counts_what_is_allowed():
    """The test above would be worth nothing with a listener that sees nothing."""
    with CountingListener() as listener:
        url = f"http://127.0.0.1:{listener.port}/"
        allow = (ip_network("127.0.0.1/32"),)
        assert post(url, b"{}", {}, timeout_s=2, allow=allow) == Failed(Fault.BROKEN)
        assert listener.connections == 1


@pytest.mark.parametrize(
    "url",
    ["", "http://", "https://a b/", "https://例子.中国/", "https://a/" + "x" * 500, "https://a:99999/", "https://a:0/",
     "https://a\n/", "https://-a/", "https://a\t/", "HTTP//a", "javascript:alert(1)", "https://[::1/", "https://a:port/"],
)  # fmt: skip
def test_unusable_urls_are_named_as_such(url):
    with pytest.raises(BadUrl):
        parse(url)


def test_a_usable_url_is_taken_apart():
    target = parse("HTTPS://Hooks.Example.CN:8443/in?x=1")
    assert (target.scheme, target.host, target.port, target.path) == (
        "https",
        "hooks.example.cn",
        8443,
        "/in?x=1",
    )
    assert target.netloc == "hooks.example.cn:8443"
    assert parse("https://[2400:3200::1]").netloc == "[2400:3200::1]"
