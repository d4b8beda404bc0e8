"""A transport around a transport that records a span for some attempts (OpenTelemetry, HTTP client conventions).

Which items are traced is decided by their id, so an item's attempts are traced together or not at all. Nothing is sent
to servers: no `traceparent`. The rule: an attempt that is not traced costs one function call more, and no span says a
secret: no user name, no password, no signature of a URL.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass
from time import time_ns
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from penstock.fetch.classify import redact
from penstock.fetch.transport import Transport
from penstock.model import Failure, Item, Response

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, Tracer
    from opentelemetry.util.types import AttributeValue

RETRIED_MAX = 4_096
_AT_ONCE = 64  # 2 ms of the loop
# Knuth's multiplicative hash (TAOCP vol. 3, 6.4) spreads consecutive ids evenly: 2^64 divided by the golden ratio, odd.
_SPREAD = 0x9E3779B97F4A7C15
_BITS = 64
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})
_SECRET_PARAMETERS = frozenset(
    {"awsaccesskeyid", "signature", "sig", "x-goog-signature", "x-amz-signature", "x-amz-credential"}
    | {"x-amz-security-token", "access_token", "token", "api_key", "apikey", "key", "password", "secret"}
)
# What may be user names, a fragment, a parameter that is a secret, or one whose name is escaped.
_NEEDS_CARE = re.compile(
    rf"[@#]|[?&](?:[^=&]*[%+][^=&]*|{'|'.join(map(re.escape, sorted(_SECRET_PARAMETERS)))})=", re.I
)


@dataclass(slots=True)
class _Attempt:
    """One traced attempt that has ended. `outcome`: attributes of the answer, the failure, or the exception's name."""

    item: Item
    number: int
    started_ns: int
    ended_ns: int
    outcome: dict[str, AttributeValue] | Failure | str


class TracingTransport:
    """`inner`, with a span for each attempt at a share of the items.

    Each traced item is a trace of its own: its first attempt is the root, linked to the run's span, and its retries
    are children of the first. One trace for a whole run would have more spans than any viewer opens.

    Spans are made after the fact, several at once: alone among other work one costs 200 to 300 µs, because its code is
    in no cache; among others 35 µs. So none is current while its attempt runs.
    """

    def __init__(self, inner: Transport, tracer: Tracer, *, ratio: float, run: SpanContext | None = None) -> None:
        """`ratio`: share of items to trace, 0 to 1; the tracer's own sampler decides after it. `run`: the run's span.

        Raises ValueError when `ratio` is out of range.
        """
        if not 0 <= ratio <= 1:
            raise ValueError(f"expected a ratio from 0 to 1, got {ratio!r}")
        from opentelemetry.trace import Link

        self._inner = inner
        self._tracer = tracer
        self._below = round(ratio * (1 << _BITS))
        self._links = [Link(run)] if run is not None else []
        self._ended: list[_Attempt] = []
        self._first: OrderedDict[int, SpanContext] = OrderedDict()

    @property
    def buffered_bytes(self) -> int:
        return self._inner.buffered_bytes

    def fetch(self, item: Item) -> Coroutine[Any, Any, Response | Failure]:
        """One attempt, as `inner` makes it. Not a coroutine itself: 0.2 µs where nothing is traced, else 35 µs."""
        if (item.id * _SPREAD) % (1 << _BITS) >= self._below:
            return self._inner.fetch(item)
        return self._traced(item)

    def sweep(self, now_s: float) -> None:
        """As `inner` does it; and make the spans that are due."""
        self._make_spans()
        self._inner.sweep(now_s)

    async def aclose(self) -> None:
        self._make_spans()
        await self._inner.aclose()

    async def _traced(self, item: Item) -> Response | Failure:
        number, started_ns = item.attempts, time_ns()
        try:
            result = await self._inner.fetch(item)
        except BaseException as error:
            self._ended.append(_Attempt(item, number, started_ns, time_ns(), type(error).__qualname__))
            raise
        # What is kept until the span is made must not hold the body.
        outcome = answer_attributes(result) if isinstance(result, Response) else result
        self._ended.append(_Attempt(item, number, started_ns, time_ns(), outcome))
        if len(self._ended) >= _AT_ONCE:
            self._make_spans()
        return result

    def _make_spans(self) -> None:
        ended, self._ended = self._ended, []
        for attempt in ended:
            self._make_span(attempt)

    def _make_span(self, attempt: _Attempt) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import NonRecordingSpan, SpanKind, StatusCode, set_span_in_context

        item, outcome = attempt.item, attempt.outcome
        first = self._first.get(item.id)
        span = self._tracer.start_span(
            item.method if item.method in _METHODS else "HTTP",
            Context() if first is None else set_span_in_context(NonRecordingSpan(first), Context()),
            SpanKind.CLIENT,
            attributes=request_attributes(item, attempt.number) | outcome_attributes(outcome),
            links=self._links,
            start_time=attempt.started_ns,
        )
        if isinstance(outcome, dict):
            self._first.pop(item.id, None)
        elif isinstance(outcome, Failure):
            span.set_status(StatusCode.ERROR, None if outcome.http_status is not None else outcome.message)
            self._remember(item.id, span.get_span_context())
        else:
            span.set_status(StatusCode.ERROR)
        span.end(attempt.ended_ns)

    def _remember(self, item_id: int, span: SpanContext) -> None:
        if item_id not in self._first:
            self._first[item_id] = span
            if len(self._first) > RETRIED_MAX:  # of given-up items the first span is never asked for again
                self._first.popitem(last=False)


def request_attributes(item: Item, number: int) -> dict[str, AttributeValue]:
    """What is known before attempt `number` (from 1), by OpenTelemetry's HTTP client conventions, 1.23 and later."""
    address, port = _server(item.host)
    attributes: dict[str, AttributeValue] = {
        "http.request.method": item.method,
        "url.full": redacted_url(item.url),
        "server.address": address,
        "penstock.item.id": item.id,
        "penstock.item.attempts": number,
    }
    if port is not None:
        attributes["server.port"] = port
    if item.method not in _METHODS:
        attributes["http.request.method"] = "_OTHER"
        attributes["http.request.method_original"] = item.method
    if number > 1:
        attributes["http.request.resend_count"] = number - 1
    return attributes


def outcome_attributes(outcome: dict[str, AttributeValue] | Failure | str) -> dict[str, AttributeValue]:
    """What an attempt came to: `answer_attributes`, a failure, or the name of an exception."""
    if isinstance(outcome, Failure):
        return failure_attributes(outcome)
    return outcome if isinstance(outcome, dict) else {"error.type": outcome}


def answer_attributes(response: Response) -> dict[str, AttributeValue]:
    """Status, decoded size, and libcurl's phases in seconds."""
    return {
        "http.response.status_code": response.fetch_status,
        "penstock.body_bytes": len(response.body),
        "penstock.dns_s": response.dns_s,
        "penstock.connect_s": response.connect_s,
        "penstock.tls_s": response.tls_s,
        "penstock.ttfb_s": response.ttfb_s,
        "penstock.total_s": response.total_s,
    }


def failure_attributes(failure: Failure) -> dict[str, AttributeValue]:
    """`error.type` is the status code if there was an answer, as the conventions say, else the kind of failure."""
    attributes: dict[str, AttributeValue] = {"penstock.failure_kind": failure.kind, "error.type": failure.kind}
    if failure.http_status is not None:
        attributes["http.response.status_code"] = failure.http_status
        attributes["error.type"] = str(failure.http_status)
    if failure.server_retry_after_s is not None:
        attributes["penstock.server_retry_after_s"] = failure.server_retry_after_s
    return attributes


def redacted_url(url: str) -> str:
    """The URL without user name, password and fragment, and with `REDACTED` for parameters that tend to be secrets."""
    if not _NEEDS_CARE.search(url):
        return url  # most: taking a URL apart and together again costs 15 µs
    try:
        parts = urlsplit(redact(url))
        _ = parts.port  # raises when it is none: a password with an unescaped slash is taken for one
    except ValueError:
        return ""  # nothing that cannot be read is repeated
    query = parts.query
    if query:
        named = parse_qsl(query, keep_blank_values=True)
        if any(name.lower() in _SECRET_PARAMETERS for name, _ in named):
            query = urlencode([(name, _shown(name, value)) for name, value in named])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def _shown(name: str, value: str) -> str:
    return "REDACTED" if name.lower() in _SECRET_PARAMETERS else value


def _server(host: str) -> tuple[str, int | None]:
    """Name and port of a politeness key, `scheme://name:port`."""
    authority = host.partition("://")[2].rpartition("@")[2]
    name, _, port = authority.rpartition(":")
    if name and port.isdecimal():
        return name.strip("[]"), int(port)
    return authority.strip("[]"), None
