"""What the origin is told to do: the parameters, how each is written, and the frozen `Script` they add up to.

Pure: text in, values or messages out. A query string and a scenario file use the same names and the same syntax, and
every parameter composes with every other. One rule: an unknown name is an error: a typo must not make a test empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl

from penstock.perf.origin.distribution import Distribution, parse_distribution, parse_number, parse_size
from penstock.perf.origin.faults import (
    FirstAttempts,
    Share,
    parse_first_attempts,
    parse_sequence,
    parse_shares,
)

BODY_BYTES_MAX = 256 * 1024**2
LATENCY_S_MAX = 3600.0
Encoding: TypeAlias = Literal["identity", "gzip", "deflate", "br", "zstd"]
Framing: TypeAlias = Literal["length", "chunked", "close"]
Scope: TypeAlias = Literal["host", "global"]
Values: TypeAlias = Mapping[str, object]

ENDPOINT_PARAMETERS = frozenset({"id", "page", "per_page", "total", "url"})
"""Names in a query that belong to the path (`/items`, `/redirect-to`) or only make it unique (`id`)."""


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """`rate_per_s` requests a second, `burst` at once after a rest."""

    rate_per_s: float
    burst: float


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that was asked for one request; see `PARAMETERS` for the meaning of each. Hashable, shared, cached."""

    body_bytes: Distribution | None = None
    content_type: str | None = None
    status: int | None = None
    header: tuple[str, str] | None = None
    extra_headers: int = 0
    encoding: Encoding = "identity"
    framing: Framing = "length"
    chunk_bytes: int = 16 * 1024
    connection: Literal["keep", "close"] = "keep"
    latency_s: Distribution | None = None
    bandwidth_bytes_per_s: float | None = None
    drip_bytes_per_s: float = 100.0
    cut: float = 0.5
    bomb_bytes: int = 100 * 1024**2
    fault: tuple[Share, ...] = ()
    fail: tuple[FirstAttempts, ...] = ()
    sequence: tuple[str, ...] = ()
    limit: TokenBucket | None = None
    retry_after: str | None = None
    slots: int | None = None
    queue_max: int = 1000
    scope: Scope = "host"
    accept_reset: float = 0.0
    is_certain: bool = field(init=False)
    """No attempt can end as anything but `ok`."""
    is_plain: bool = field(init=False)
    """The answer is a 200 with Content-Length, the usual fields and an unencoded body at full speed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_certain", not (self.fault or self.fail or self.sequence))
        unusual = (self.content_type, self.status, self.header, self.bandwidth_bytes_per_s)
        is_usual = self.encoding == "identity" and self.framing == "length" and self.connection == "keep"
        object.__setattr__(self, "is_plain", is_usual and unusual == (None,) * 4 and not self.extra_headers)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One line of the table: where the value goes in `Script`, how it is written, what it does."""

    field: str
    syntax: str
    meaning: str


_SIZES = "SIZE | uniform:A,B | lognormal:MEDIAN,SIGMA"

PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "bytes": Parameter("body_bytes", _SIZES, "size of the body before encoding; the same at every attempt"),
        "type": Parameter("content_type", "TYPE", "Content-Type"),
        "status": Parameter("status", "200…599", "status of the normal answer"),
        "header": Parameter("header", "NAME:VALUE", "one more header field"),
        "headers": Parameter("extra_headers", "0…20000", "this many extra header fields"),
        "encoding": Parameter("encoding", "identity | gzip | deflate | br | zstd", "Content-Encoding"),
        "framing": Parameter("framing", "length | chunked | close", "how the end of the body is told"),
        "chunk": Parameter("chunk_bytes", "SIZE", "size of a chunk with framing=chunked (default 16K)"),
        "connection": Parameter("connection", "keep | close", "close: say `Connection: close`, and do"),
        "latency": Parameter(
            "latency_s",
            "SECONDS | uniform:A,B | lognormal:MEDIAN,SIGMA",
            "wait before the answer; repeatable per seed, host, path and attempt",
        ),
        "bandwidth": Parameter("bandwidth_bytes_per_s", "SIZE", "bytes per second of every body"),
        "drip": Parameter("drip_bytes_per_s", "SIZE", "bytes per second of drip-headers and drip-body (default 100)"),
        "cut": Parameter("cut", "0…1", "where in the body a fault strikes (default 0.5)"),
        "bomb": Parameter("bomb_bytes", "SIZE", "decoded size of gzip-bomb (default 100M)"),
        "fault": Parameter("fault", "FAULT[:SHARE],…", "this share of attempts ends so"),
        "fail": Parameter(
            "fail", "K:FAULT[:SHARE],…", "the first K attempts (or `always`) end so, for a share of paths"
        ),
        "sequence": Parameter("sequence", "FAULT,…", "attempt 1, 2, 3 … ends so; later ones are ok"),
        "limit": Parameter("limit", "RATE[,BURST]", "token bucket per virtual host in requests/s; else 429"),
        "retry_after": Parameter(
            "retry_after", "auto | none | date:SECONDS | TEXT", "Retry-After of 429 and 503; any text is sent as it is"
        ),
        "slots": Parameter("slots", "K", "at most K requests in service, the others queue first in, first out"),
        "queue": Parameter("queue_max", "N", "length of that queue (default 1000); full: 503"),
        "scope": Parameter("scope", "host | global", "whose slots these are (default host)"),
        "accept_reset": Parameter(
            "accept_reset", "SHARE", "scenario file only: share of new connections reset at accept, before any request"
        ),
    }
)

_CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "encoding": ("identity", "gzip", "deflate", "br", "zstd"),
        "framing": ("length", "chunked", "close"),
        "connection": ("keep", "close"),
        "scope": ("host", "global"),
    }
)


def parse_query(query: str) -> tuple[Values, list[str]]:
    """The values of a query string, and what is wrong with it. Names starting with `_` are ignored."""
    pairs = [
        pair
        for pair in parse_qsl(query, keep_blank_values=True, encoding="utf-8", errors="replace")
        if pair[0] not in ENDPOINT_PARAMETERS and not pair[0].startswith("_")
    ]
    values, errors = parse_parameters(pairs)
    if "accept_reset" in values:
        errors.append("accept_reset: expected in a scenario file only, because a connection comes before its requests")
    return values, errors


def parse_parameters(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, object], list[str]]:
    """Fields of `Script` by name, and one message (`name: expected …, got …`) for each pair that is wrong."""
    values: dict[str, object] = {}
    errors: list[str] = []
    for name, text in pairs:
        parameter = PARAMETERS.get(name)
        if parameter is None:
            errors.append(f"{name}: expected one of {', '.join(PARAMETERS)}, got an unknown name")
        elif parameter.field in values:
            errors.append(f"{name}: expected once, got it twice")
        else:
            try:
                values[parameter.field] = _parse_value(name, text)
            except ValueError as error:
                errors.append(f"{name}: {error}")
    return values, errors


def make_script(*layers: Values) -> Script:
    """The script of these layers; a later layer replaces an earlier one field by field."""
    merged: dict[str, object] = {}
    for layer in layers:
        merged.update(layer)
    return Script(**merged)  # type: ignore[arg-type]  # parse_parameters made each value for its field


def _parse_value(name: str, text: str) -> object:
    match name:
        case "bytes":
            return _parse_body_bytes(text)
        case "latency":
            return parse_distribution(text, _parse_latency)
        case "status":
            return _parse_integer(text, 200, 599)
        case "headers":
            return _parse_integer(text, 0, 20_000)
        case "slots":
            return _parse_integer(text, 1, 1_000_000)
        case "queue":
            return _parse_integer(text, 0, 1_000_000)
        case "chunk":
            return _parse_bounded_size(text, 1, 16 * 1024**2)
        case "bomb":
            return _parse_bounded_size(text, 1, 1024**3)
        case "bandwidth" | "drip":
            return float(_parse_bounded_size(text, 1, 1024**4))
        case "cut" | "accept_reset":
            return _parse_share(text)
        case "fault":
            return parse_shares(text)
        case "fail":
            return parse_first_attempts(text)
        case "sequence":
            return parse_sequence(text)
        case "limit":
            return _parse_limit(text)
        case "header":
            field_name, _, value = text.partition(":")
            return (_parse_field_text(field_name), _parse_field_text(value.strip()))
        case "type" | "retry_after":
            return _parse_retry_after(text) if name == "retry_after" else _parse_field_text(text)
        case _:
            return _parse_choice(text, _CHOICES[name])


def _parse_latency(text: str) -> float:
    seconds = parse_number(text)
    if seconds > LATENCY_S_MAX:
        raise ValueError(f"expected at most {LATENCY_S_MAX:g} seconds, got {text!r}")
    return seconds


def _parse_body_bytes(text: str) -> Distribution:
    distribution = parse_distribution(text, parse_size)
    if max(distribution.a, distribution.b if distribution.kind == "uniform" else 0) > BODY_BYTES_MAX:
        raise ValueError(f"expected at most {BODY_BYTES_MAX // 1024**2}M, got {text!r}")
    return distribution


def _parse_integer(text: str, low: int, high: int) -> int:
    if text.isascii() and text.isdigit() and low <= int(text) <= high:
        return int(text)
    raise ValueError(f"expected an integer from {low} to {high}, got {text!r}")


def _parse_bounded_size(text: str, low: int, high: int) -> int:
    size = parse_size(text)
    if not low <= size <= high:
        raise ValueError(f"expected {low} to {high} bytes, got {text!r}")
    return int(size)


def _parse_share(text: str) -> float:
    share = parse_number(text)
    if share > 1:
        raise ValueError(f"expected a number from 0 to 1, got {text!r}")
    return share


def _parse_limit(text: str) -> TokenBucket:
    rate_text, comma, burst_text = text.partition(",")
    rate_per_s = parse_number(rate_text)
    burst = parse_number(burst_text) if comma else max(1.0, rate_per_s)
    if rate_per_s <= 0 or burst < 1:
        raise ValueError(f"expected RATE > 0 and BURST >= 1, got {text!r}")
    return TokenBucket(rate_per_s, burst)


def _parse_field_text(text: str) -> str:
    if text and text.isascii() and text.isprintable():
        return text
    raise ValueError(f"expected printable ASCII, got {text!r}")


def _parse_retry_after(text: str) -> str:
    kind, colon, seconds = text.partition(":")
    if kind == "date" and colon:
        try:
            if not abs(float(seconds)) <= 1e9:
                raise ValueError("too far away, or not a number")
        except ValueError:
            raise ValueError(f"expected date:SECONDS from now, at most 1e9 away, got {text!r}") from None
    return _parse_field_text(text)


def _parse_choice(text: str, choices: tuple[str, ...]) -> str:
    if text in choices:
        return text
    raise ValueError(f"expected one of {', '.join(choices)}, got {text!r}")
