"""What libcurl's codes and HTTP statuses mean, without a network."""

from __future__ import annotations

import pycurl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.fetch.classify import failure_of_error, failure_of_status, redact
from penstock.model import FAILURE_KINDS


@given(code=st.integers(-5, 300), message=st.text(max_size=60), has_sent=st.booleans(), is_proxied=st.booleans())
def test_every_code_has_a_kind_of_the_closed_set(code: int, message: str, has_sent: bool, is_proxied: bool) -> None:
    failed = failure_of_error(code, message, has_sent=has_sent, is_proxied=is_proxied)
    assert failed.kind in FAILURE_KINDS
    assert not (failed.is_unsent and has_sent), "what has been sent is never called unsent"
    assert f"libcurl error {code}" in failed.message


@pytest.mark.parametrize(
    ("code", "message", "is_proxied", "kind"),
    [
        (pycurl.E_COULDNT_RESOLVE_HOST, "Could not resolve host: x", False, "dns"),
        (pycurl.E_COULDNT_CONNECT, "Failed to connect", False, "connect"),
        (pycurl.E_COULDNT_CONNECT, "Failed to connect", True, "proxy"),
        (pycurl.E_COULDNT_CONNECT, "CONNECT tunnel failed, response 403", True, "proxy"),
        (pycurl.E_COULDNT_RESOLVE_PROXY, "Could not resolve proxy", True, "proxy"),
        (pycurl.E_RECV_ERROR, "Proxy CONNECT aborted", True, "proxy"),
        (pycurl.E_RECV_ERROR, "Recv failure: Connection reset by peer", True, "reset"),
        (pycurl.E_RECV_ERROR, "Recv failure: Connection reset by peer", False, "reset"),
        (pycurl.E_GOT_NOTHING, "Empty reply from server", False, "reset"),
        (pycurl.E_PARTIAL_FILE, "end of response with 1 bytes missing", False, "truncated"),
        (pycurl.E_OPERATION_TIMEDOUT, "Operation timed out", False, "timeout_connect"),
        (pycurl.E_SSL_CONNECT_ERROR, "wrong version number", False, "tls"),
        (pycurl.E_PEER_FAILED_VERIFICATION, "self-signed certificate", False, "tls"),
        (pycurl.E_TOO_MANY_REDIRECTS, "Maximum (10) redirects followed", False, "redirects"),
        (pycurl.E_UNSUPPORTED_PROTOCOL, 'Protocol "file" is disabled (in redirect)', False, "redirects"),
        (pycurl.E_UNSUPPORTED_PROTOCOL, "Received HTTP/0.9 when not allowed", False, "protocol"),
        (pycurl.E_BAD_CONTENT_ENCODING, "", False, "decode"),
        (pycurl.E_URL_MALFORMAT, "", False, "bad_url"),
    ],
)
def test_codes(code: int, message: str, is_proxied: bool, kind: str) -> None:
    assert failure_of_error(code, message, has_sent=False, is_proxied=is_proxied).kind == kind


def test_a_timeout_after_the_request_is_no_connect_timeout() -> None:
    failed = failure_of_error(pycurl.E_OPERATION_TIMEDOUT, "Operation timed out", has_sent=True)
    assert (failed.kind, failed.is_unsent) == ("timeout_total", False)


@pytest.mark.parametrize(
    "code", [pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR, pycurl.E_GOT_NOTHING, pycurl.E_PARTIAL_FILE]
)
def test_a_broken_connection_may_have_carried_the_request(code: int) -> None:
    assert not failure_of_error(code, "", has_sent=False).is_unsent


@given(status=st.integers(100, 999), retry_after_s=st.none() | st.floats(0, 1e9))
def test_statuses(status: int, retry_after_s: float | None) -> None:
    failed = failure_of_status(status, retry_after_s)
    kinds = {1: "protocol", 2: "protocol", 3: "http_3xx", 4: "http_4xx"}
    assert failed.kind == ("http_429" if status == 429 else kinds.get(status // 100, "http_5xx"))
    assert (failed.http_status, failed.server_retry_after_s) == (status, retry_after_s)
    assert str(status) in failed.message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://ada:secret@host/x", "http://host/x"),
        ("via socks5h://u:p@10.0.0.1:1080 to https://token@host", "via socks5h://10.0.0.1:1080 to https://host"),
        ("http://host/a@b", "http://host/a@b"),
        ("http://host/?mail=a@b.c", "http://host/?mail=a@b.c"),
        ("mail a@b.c", "mail a@b.c"),
        ("http://ada:se@cret@host/", "http://host/"),
        ("http://ada:pa/ss@host/", "http://ada:pa/ss@host/"),  # the userinfo ends at the slash (RFC 3986 §3.2)
    ],
)
def test_userinfo_of_urls_is_taken_out(text: str, shown: str) -> None:
    assert redact(text) == shown
