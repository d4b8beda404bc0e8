"""What other HTTP libraries answer, as the `Response` or `Failure` that Penstock's own client gives.

The rule: the same status, body and header lines, or the outputs of two clients would differ.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable

from penstock.fetch.classify import failure_of_status, redact
from penstock.model import Failure, FailureKind, Response


def response_of(
    number: int,
    url: str,
    *,
    final_url: str,
    status: int,
    body: bytes,
    headers: Iterable[tuple[bytes, bytes]],
    ttfb_s: float,
    total_s: float,
) -> Response | Failure:
    """A `Response` for a complete 2xx answer, else the failure of its status. `ttfb_s` is from the start of the call to
    the answer's header fields, connecting included."""
    response = Response(
        number,
        redact(url),
        redact(final_url),
        status,
        body,
        fetch_time_us=time.time_ns() // 1000,
        ttfb_s=ttfb_s,
        total_s=total_s,
        raw_headers=[b"%s: %s\r\n" % pair for pair in headers],
        columns=("url",),
        row=(url,),
    )
    if not 200 <= status < 300:
        wish = response.headers.get("retry-after", "")
        return failure_of_status(status, float(wish) if wish.isascii() and wish.isdigit() else None)
    response.content_type = response.headers.get("content-type", "")
    return response


def failure_of(kind: FailureKind, error: BaseException) -> Failure:
    """The failure for what a client raised; one that an error of TLS caused is always `tls`."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    text = redact(f"{type(error).__name__}: {error}".rstrip(": "))
    return Failure(kind if cause is None else "tls", text)
