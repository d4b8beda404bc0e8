"""What a libcurl error or an HTTP status means: one of the closed set of failure kinds. Pure.

The error numbers are libcurl's (curl/curl.h, CURLcode). Whether to try again is not decided here.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from penstock.model import Failure, FailureKind

_KIND_OF_CODE: dict[int, FailureKind] = {
    1: "protocol",  # UNSUPPORTED_PROTOCOL: in an answer, HTTP/0.9 or a redirect to another scheme
    3: "bad_url",
    5: "proxy",  # COULDNT_RESOLVE_PROXY
    6: "dns",
    7: "connect",
    8: "protocol",  # WEIRD_SERVER_REPLY
    16: "reset",  # HTTP2 framing layer
    18: "truncated",  # PARTIAL_FILE
    23: "decode",  # WRITE_ERROR (our own size limit and decoders are recognised before)
    28: "timeout_total",
    35: "tls",
    47: "redirects",
    52: "reset",  # GOT_NOTHING
    55: "reset",  # SEND_ERROR
    56: "reset",  # RECV_ERROR
    61: "decode",  # BAD_CONTENT_ENCODING
    63: "too_large",
    92: "reset",  # HTTP2_STREAM
    95: "reset",  # HTTP3
    96: "connect",  # QUIC_CONNECT_ERROR
    97: "proxy",
    100: "protocol",  # TOO_LARGE: header block over libcurl's limit
    **dict.fromkeys((51, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98), "tls"),
}
_UNSENT_CODES = frozenset({3, 5, 6, 7, 35, 60, 77, 96})
_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s]*@")  # up to the last @ of the authority: a password may hold one


def failure_of_error(code: int, message: str, *, has_sent: bool, is_proxied: bool = False) -> Failure:
    """The failure for a CURLcode. `has_sent`: some byte of the request has left, so connection and TLS were up.
    `is_proxied`: the connection was to a proxy."""
    kind = _KIND_OF_CODE.get(code, "protocol")
    if code == 28:
        if not has_sent:
            kind = "timeout_connect"
    elif code == 1 and "HTTP/0.9" not in message:
        kind = "redirects"  # the item's own scheme was checked before: only a redirect can lead elsewhere
    elif is_proxied and (code == 7 or (code == 56 and "CONNECT" in message)):
        kind = "proxy"  # 7 is also what libcurl makes of a tunnel that was refused
    is_unsent = not has_sent and (code in _UNSENT_CODES or kind == "timeout_connect")
    return Failure(kind, redact(f"{message} (libcurl error {code})"), is_unsent=is_unsent)


def failure_of_status(status: int, server_retry_after_s: float | None) -> Failure:
    """The failure for an HTTP status outside 200–299."""
    if status == 429:
        kind: FailureKind = "http_429"
    elif 300 <= status < 400:
        kind = "http_3xx"
    elif 400 <= status < 500:
        kind = "http_4xx"
    elif status >= 500:
        kind = "http_5xx"
    else:
        kind = "protocol"
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "unknown status"
    message = f"HTTP {status} {phrase}"
    if server_retry_after_s is not None:
        message += f", Retry-After {server_retry_after_s:g} s"
    return Failure(kind, message, http_status=status, server_retry_after_s=server_retry_after_s)


def redact(text: str) -> str:
    """`text` without the userinfo of any URL in it."""
    return _CREDENTIALS.sub("", text) if "@" in text else text
