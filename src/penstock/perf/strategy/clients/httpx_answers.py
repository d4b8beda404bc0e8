"""What httpx raises and gives, as the values of a client: the same for its blocking and its async form."""

from __future__ import annotations

from time import perf_counter

import httpx

from penstock.model import Failure, Response
from penstock.perf.strategy.clients.answers import failure_of, response_of


def httpx_failure(error: httpx.HTTPError | httpx.InvalidURL) -> Failure:
    """The failure of an attempt; kinds as of libcurl's, as far as httpx tells them apart."""
    match error:
        case httpx.TimeoutException():
            return failure_of("timeout_total", error)
        case httpx.ConnectError():
            return failure_of("connect", error)
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return failure_of("bad_url", error)
        case httpx.RemoteProtocolError():
            return failure_of("truncated", error)
        case _:
            return failure_of("reset", error)


def httpx_response(
    number: int, url: str, answer: httpx.Response, body: bytes, began_s: float, answered_s: float
) -> Response | Failure:
    """The answer whose body has been read just now. Times are those of `perf_counter`."""
    return response_of(
        number,
        url,
        final_url=str(answer.url),
        status=answer.status_code,
        body=body,
        headers=answer.headers.raw,
        ttfb_s=answered_s - began_s,
        total_s=perf_counter() - began_s,
    )
