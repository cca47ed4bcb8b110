from ipaddress import ip_address, ip_network

import pytest

from push.addresses import BadUrl, allowed, parse, refused

REFUSED = """
127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255
169.254.169.254 169.254.0.23 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1
192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b:1::1 100::1 2001::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe:: 3ffe::1 3fff::1 5f00::1
fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 ff0e::1
"""
PUBLIC = """
1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255
192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.255 ::ffff:8.8.8.8 2400:3200::1 2606:4700:4700::1111 2001:4860:4860::8888
"""


@pytest.mark.parametrize("address", REFUSED.split())
def test_addresses_of_this_machine_and_private_networks_are_refused(address):
    assert refused(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses_are_not_refused(address):
    assert not refused(ip_address(address))


def test_an_allowed_network_holds_its_ipv4_addresses_in_either_spelling():
    networks = (ip_network("10.20.0.0/16"), ip_network("fd12::/16"), ip_network("8.8.8.0/24"))
    for inside in ("10.20.3.4", "::ffff:10.20.3.4", "fd12::1"):
        assert allowed(ip_address(inside), networks)
    for outside in ("10.21.0.1", "::ffff:10.21.0.1", "fd13::1", "127.0.0.1", "8.8.8.8"):
        assert not allowed(ip_address(outside), networks)


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
