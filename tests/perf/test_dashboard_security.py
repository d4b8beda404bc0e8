"""Who may talk to the dashboard, decided on values; and where it may be told to listen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.perf.dashboard.address import Address, parse_address
from penstock.perf.dashboard.security import SECURITY_HEADERS, Asked, Gate

TOKEN = "a-token-of-this-run"
LOOPBACK = Gate.of(Address("127.0.0.1", 8787), TOKEN, "the-machine")
EVERYWHERE = Gate.of(Address("0.0.0.0", 8787), TOKEN, "the-machine")


def status(gate: Gate, asked: Asked) -> int:
    refusal = gate.refuse_stranger(asked)
    return refusal.status if refusal else 200


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8787", "localhost:8787", "LOCALHOST:8787", "[::1]:8787", "localhost", "localhost:9000", " localhost "],
)
def test_our_own_names_are_let_in_on_any_port(host: str) -> None:
    # Behind `ssh -L 9000:127.0.0.1:8787` the browser says localhost:9000.
    assert status(LOOPBACK, Asked("GET", (host,))) == 200


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("",),
        ("evil.example",),
        ("evil.example:8787",),
        ("localhost.evil.example:8787",),
        ("127.0.0.1.evil.example",),
        ("127.0.0.1@evil.example",),
        ("evil.example#127.0.0.1",),
        ("localhost.",),
        ("127.0.0.2:8787",),
        ("the-machine:8787",),
        ("192.168.1.2:8787",),
        ("localhost:8787", "evil.example"),
        ("localhost:8787", "localhost:8787"),
        ("localhost:87870000",),
        ("localhost:x",),
        ("[::1",),
        ("lоcalhost",),
        ("localhost\x00",),
    ],
)
def test_a_loopback_server_answers_to_no_other_name(hosts: tuple[str, ...]) -> None:
    refusal = LOOPBACK.refuse_stranger(Asked("GET", hosts))
    assert refusal
    assert refusal.status == 421
    assert "link" in refusal.hint


@given(st.lists(st.text(max_size=40), max_size=3))
def test_whatever_host_header_comes_only_ours_is_let_in(hosts: list[str]) -> None:
    if status(LOOPBACK, Asked("GET", tuple(hosts))) == 200:
        (host,) = hosts
        assert host.strip().lower().rpartition("]")[0] + "]" == "[::1]" or (
            host.strip().lower().partition(":")[0] in {"localhost", "127.0.0.1"}
        )


@pytest.mark.parametrize("host", ["192.168.1.2:8787", "[fe80::1]:8787", "the-machine:8787", "localhost:8787"])
def test_a_server_on_all_addresses_answers_to_addresses_and_the_machines_name(host: str) -> None:
    assert status(EVERYWHERE, Asked("GET", (host,))) == 200


def test_a_server_on_all_addresses_answers_to_no_other_name() -> None:
    assert status(EVERYWHERE, Asked("GET", ("evil.example:8787",))) == 421


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://localhost:9000",
        "http://127.0.0.1:8787",
        "https://localhost:8787",
        "http://localhost:8787/",
        "http://localhost:8787, http://evil.example",
        "localhost:8787",
    ],
)
def test_an_origin_that_is_not_the_page_itself_is_refused(method: str, origin: str) -> None:
    assert status(LOOPBACK, Asked(method, ("localhost:8787",), origin)) == 403


def test_the_pages_own_origin_is_let_in() -> None:
    assert status(LOOPBACK, Asked("POST", ("localhost:8787",), "http://localhost:8787", "same-origin", "cors")) == 200


@pytest.mark.parametrize(
    ("method", "site", "mode", "expected"),
    [
        ("GET", "same-origin", "cors", 200),
        ("GET", "none", "navigate", 200),
        ("GET", "cross-site", "navigate", 200),  # a link on another site: the page holds nothing by itself
        ("GET", "same-site", "navigate", 200),
        ("GET", "cross-site", "no-cors", 403),
        ("GET", "same-site", "cors", 403),
        ("POST", "cross-site", "navigate", 403),  # a form on another site
        ("POST", "cross-site", "cors", 403),
        ("POST", "same-site", "cors", 403),
        ("POST", "same-origin", "cors", 200),
        ("GET", "anything-new", "cors", 403),
    ],
)
def test_a_request_that_another_site_caused_is_refused(method: str, site: str, mode: str, expected: int) -> None:
    assert status(LOOPBACK, Asked(method, ("localhost:8787",), None, site, mode)) == expected


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_token_of_the_run_is_accepted(scheme: str) -> None:
    assert LOOPBACK.refuse_without_token(Asked("POST", (), authorization=f"{scheme} {TOKEN}")) is None


@pytest.mark.parametrize(
    "authorization",
    [None, "", TOKEN, "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"],
)
def test_anything_but_the_token_is_refused_and_not_repeated(authorization: str | None) -> None:
    refusal = LOOPBACK.refuse_without_token(Asked("POST", (), authorization=authorization))
    assert refusal
    assert refusal.status == 401
    assert TOKEN[:-1] not in refusal.error + refusal.hint


@given(st.text())
def test_no_other_text_is_the_token(given_token: str) -> None:
    is_right = given_token.strip() == TOKEN
    assert (LOOPBACK.refuse_without_token(Asked("GET", (), authorization=f"Bearer {given_token}")) is None) == is_right


def test_the_gate_does_not_show_its_token() -> None:
    assert TOKEN not in repr(LOOPBACK)


def test_repeated_headers_are_seen_all() -> None:
    headers = [(b"host", b"localhost"), (b"host", b"evil"), (b"origin", b"a"), (b"origin", b"b")]
    asked = Asked.of("GET", headers)
    assert asked.hosts == ("localhost", "evil")
    assert asked.origin == "a, b"


def test_the_policy_lets_nothing_inline_run_and_nothing_be_framed() -> None:
    policy = dict(SECURITY_HEADERS)["content-security-policy"]
    assert "unsafe" not in policy
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in policy


# --- addresses


@pytest.mark.parametrize(
    ("text", "address", "is_loopback"),
    [
        ("8787", Address("127.0.0.1", 8787), True),
        ("0", Address("127.0.0.1", 0), True),
        ("localhost:80", Address("localhost", 80), True),
        ("127.3.2.1:1", Address("127.3.2.1", 1), True),
        ("[::1]:8787", Address("::1", 8787), True),
        ("0.0.0.0:8787", Address("0.0.0.0", 8787), False),
        ("[::]:8787", Address("::", 8787), False),
        ("a-host.example:65535", Address("a-host.example", 65535), False),
    ],
)
def test_addresses_are_read_and_told_apart(text: str, address: Address, is_loopback: bool) -> None:
    assert parse_address(text) == address
    assert address.is_loopback is is_loopback
    assert parse_address(str(address)) == address


@pytest.mark.parametrize("text", ["", "urls.txt", "host", "host:", ":8787", "host:99999", "http://host:1", "::1", "-1"])
def test_what_is_no_address_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--dashboard: expected HOST:PORT or PORT, got") as refused:
        parse_address(text)
    assert "--dashboard=127.0.0.1:8787" in str(refused.value.hint)
