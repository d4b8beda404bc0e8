from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.policy.addresses import AddressPolicy

DEFAULT = AddressPolicy()


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "carrier"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("169.254.1.1", "link-local"),
        ("169.254.169.254", "cloud metadata"),
        ("192.0.2.1", "documentation"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("198.18.0.1", "benchmarking"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("2606:4700::1111%eth0", "scoped"),
        ("fc00::1", "unique-local"),
        ("fd12:3456:789a::1", "unique-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("100::1", "discard"),
        ("::ffff:127.0.0.1", "carries 127.0.0.1, which is loopback"),
        ("::ffff:169.254.169.254", "cloud metadata"),
        ("::127.0.0.1", "reserved"),
        ("64:ff9b::10.0.0.1", "carries 10.0.0.1, which is private"),
        ("64:ff9b:1::808:808", "local translation"),
        ("2002:c0a8:0101::1", "carries 192.168.1.1, which is private"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
        ("4000::1", "reserved"),
    ],
)
def test_special_addresses_are_refused_and_the_message_names_the_flag(address: str, word: str) -> None:
    reason = DEFAULT.refusal(address)
    assert reason is not None
    assert reason.startswith(address)
    assert word in reason
    assert "--allow-private" in reason


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "93.184.216.34",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2001:4860:4860::8888",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ],
)
def test_public_addresses_may_be_dialled(address: str) -> None:
    assert DEFAULT.refusal(address) is None


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f.0.0.1", "2130706433", "127.0.0.01", "1.2.3.4/32", "%eth0"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert "expected an IP address" in str(DEFAULT.refusal(text))


def test_the_hint_works_when_followed() -> None:
    for address in ("10.1.2.3", "fd00::7", "::ffff:127.0.0.1", "2002:c0a8:0101::1", "fe80::1%eth0"):
        reason = DEFAULT.refusal(address)
        assert reason is not None
        cidr = reason.partition("--allow-private ")[2].split(",")[0]
        assert AddressPolicy.parse([cidr]).refusal(address) is None


def test_allowing_a_network_allows_that_network_and_no_more() -> None:
    policy = AddressPolicy.parse(["127.0.0.0/8, 10.1.0.0/16", "fd00::/8"])
    for address in ("127.0.0.9", "10.1.200.3", "fd00::1", "::ffff:127.0.0.1", "8.8.8.8"):
        assert policy.refusal(address) is None
    for address in ("10.2.0.1", "192.168.0.1", "::1", "fe80::1", "169.254.169.254"):
        assert policy.refusal(address) is not None


def test_a_bare_address_is_a_network_of_one() -> None:
    policy = AddressPolicy.parse(["127.0.0.1"])
    assert policy.refusal("127.0.0.1") is None
    assert policy.refusal("127.0.0.2") is not None


def test_all_allows_everything() -> None:
    policy = AddressPolicy.parse(["ALL"])
    for address in ("127.0.0.1", "169.254.169.254", "fe80::1%eth0", "::"):
        assert policy.refusal(address) is None


def test_nothing_given_allows_nothing_special() -> None:
    assert AddressPolicy.parse([]) == DEFAULT


def test_every_value_that_cannot_be_read_is_reported() -> None:
    with pytest.raises(ConfigError) as caught:
        AddressPolicy.parse(["10.0.0.1/8,nonsense", "", "127.0.0.1", "10.0.0.0/33"])
    text = str(caught.value)
    for part in ("did you mean 10.0.0.0/8?", "'nonsense'", "got nothing", "'10.0.0.0/33'"):
        assert part in text
    assert "127.0.0.1" not in text
    assert "--allow-private" in str(caught.value.hint)


# 6to4 relay anycast: refused here although the registry leaves its reachability open.
RELAY = ipaddress.ip_network("192.88.99.0/24")
PROTOCOLS_V4 = ipaddress.ip_network("192.0.0.0/24")
PROTOCOLS_V6 = ipaddress.ip_network("2001::/23")
CARRIERS = [ipaddress.ip_network(text) for text in ("::ffff:0:0/96", "64:ff9b::/96", "2002::/16")]
SPECIAL = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    *("192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4"),
    *("240.0.0.0/4", "::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "fc00::/7", "fe80::/10"),
    *("fec0::/10", "ff00::/8"),
]


def addresses_in(text: str) -> st.SearchStrategy[str]:
    network = ipaddress.ip_network(text)
    return st.integers(int(network[0]), int(network[-1])).map(
        lambda number: str(ipaddress.IPv4Address(number) if network.version == 4 else ipaddress.IPv6Address(number))
    )


special = st.sampled_from(SPECIAL).flatmap(addresses_in)
special_v4 = st.sampled_from([text for text in SPECIAL if ":" not in text]).flatmap(addresses_in)
any_address = st.ip_addresses().map(str) | special | addresses_in("2000::/3")


@given(special)
def test_every_address_of_every_special_network_is_refused(address: str) -> None:
    assert DEFAULT.refusal(address) is not None


@settings(max_examples=500)
@given(any_address)
def test_refusals_agree_with_the_standard_library(text: str) -> None:
    address = ipaddress.ip_address(text)
    if any(address in network for network in (RELAY, PROTOCOLS_V4, PROTOCOLS_V6, *CARRIERS)):
        return  # stricter here, or judged by the IPv4 address inside
    is_public = address.is_global and not address.is_multicast and not address.is_reserved
    if isinstance(address, ipaddress.IPv6Address):
        is_public = is_public and not address.is_site_local and address in ipaddress.ip_network("2000::/3")
        is_public = is_public and address not in ipaddress.ip_network("3fff::/20")  # RFC 9637 is newer than 3.11
    assert (DEFAULT.refusal(text) is None) == is_public


@given(st.ip_addresses(v=4).map(str) | special_v4)
def test_an_ipv4_address_inside_an_ipv6_one_is_judged_the_same(text: str) -> None:
    number = int(ipaddress.IPv4Address(text))
    for carrier in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80 | 1):
        address = str(ipaddress.IPv6Address(carrier))
        assert (DEFAULT.refusal(address) is None) == (DEFAULT.refusal(text) is None)


@given(any_address, st.integers(0, 32))
def test_allowing_a_network_around_an_address_allows_it(text: str, prefix: int) -> None:
    network = ipaddress.ip_network(f"{text}/{prefix}", strict=False)
    assert AddressPolicy.parse([str(network)]).refusal(text) is None


@given(st.text(max_size=20))
def test_any_text_gets_an_answer(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        assert DEFAULT.refusal(text) is not None
