"""Proxies and authorities: what flag and environment say, without a network."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.fetch.proxies import Proxies, find_proxies
from penstock.fetch.trust import find_ca_file

P = "http://127.0.0.1:3128"
Q = "http://127.0.0.2:3128"


@pytest.mark.parametrize(
    ("flag", "environ", "http", "https", "no_proxy"),
    [
        (None, {}, "", "", ""),
        (None, {"http_proxy": P}, P, "", ""),
        (None, {"HTTPS_PROXY": P, "NO_PROXY": "a,b"}, "", P, "a,b"),
        (None, {"ALL_PROXY": P, "http_proxy": Q}, Q, P, ""),
        (None, {"all_proxy": P}, P, P, ""),
        (None, {"http_proxy": P, "HTTP_PROXY": Q}, P, "", ""),  # lower case first, as curl
        (P, {"HTTP_PROXY": Q, "NO_PROXY": "*"}, P, P, ""),
        ("", {"HTTP_PROXY": Q}, "", "", ""),
    ],
)
def test_precedence(flag: str | None, environ: dict[str, str], http: str, https: str, no_proxy: str) -> None:
    found = find_proxies(flag, environ)
    assert (found.http, found.https, found.no_proxy) == (http, https, no_proxy)


def test_each_scheme_has_its_proxy() -> None:
    proxies = Proxies(http=P, https=Q)
    assert [proxies.for_url(url) for url in ("http://x/", "https://x/", "HTTPS://x/", "http://https/")] == [P, Q, Q, P]


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://127.0.0.1", ("127.0.0.1", 80)),
        ("https://127.0.0.1", ("127.0.0.1", 443)),
        ("socks5h://127.0.0.1", ("127.0.0.1", 1080)),
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("http://ada:secret@127.0.0.1:3128/", ("127.0.0.1", 3128)),
        ("http://[::1]:3128", ("::1", 3128)),
    ],
)
def test_the_proxys_own_address_is_known(url: str, endpoint: tuple[str, int]) -> None:
    assert find_proxies(url, {}).endpoints == {endpoint}


def test_a_proxy_whose_name_is_unknown_is_left_to_the_requests() -> None:
    assert find_proxies("http://nowhere.invalid:1", {}).endpoints == frozenset()


@pytest.mark.parametrize("url", ["ftp://ada:secret@host:1", "http://", "http://host:port", "http://host:99999", "://x"])
def test_a_malformed_proxy_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="proxy: expected SCHEME://HOST:PORT") as caught:
        find_proxies(url, {})
    assert "secret" not in str(caught.value)
    assert caught.value.hint


def test_authorities_flag_then_environment_then_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"SSL_CERT_FILE": "/from/ssl", "REQUESTS_CA_BUNDLE": "/from/requests", "CURL_CA_BUNDLE": "/from/curl"}
    assert find_ca_file("/flag.pem", environ) == "/flag.pem"
    assert find_ca_file(None, environ) == "/from/ssl"
    del environ["SSL_CERT_FILE"]
    assert find_ca_file(None, environ) == "/from/requests"
    assert find_ca_file(None, {"CURL_CA_BUNDLE": "/from/curl", "SSL_CERT_FILE": ""}) == "/from/curl"
    system = tmp_path / "system.pem"
    system.write_text("")
    paths = ssl.DefaultVerifyPaths(str(system), None, "", "", "", "")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    assert find_ca_file(None, {}) == str(system)
