"""What flows through a run: items in, responses between, outcomes out; and the closed set of failure kinds.

Plain data, no I/O. Per-item classes use slots and are not frozen: creating a frozen one costs about four times as much.
Keep here only what two or more of sources, fetch, process, sinks and engine share.
"""

from __future__ import annotations

import json as _json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

FailureKind: TypeAlias = Literal[
    # the input row; nothing was sent
    "bad_row",  # wrong number of columns, not an object, unreadable JSON
    "bad_encoding",  # the row is not UTF-8
    "bad_url",  # missing or malformed URL
    "bad_scheme",  # not http or https
    "bad_headers",  # the headers column is not a JSON object of strings, or could smuggle a line break
    # before the request was sent
    "address_refused",  # private, loopback or link-local address without --allow-private
    "dns",  # the name does not exist
    "dns_temporary",  # the resolver could not answer now
    "connect",  # refused or unreachable
    "tls",  # handshake or certificate
    "proxy",  # the proxy could not be reached or refused
    # while waiting or reading
    "timeout_connect",
    "timeout_first_byte",
    "timeout_idle",
    "timeout_speed",  # slower than --speed-limit for --speed-time
    "timeout_total",
    "reset",  # the connection broke before or inside the answer
    "truncated",  # the body is shorter than the server said
    "protocol",  # not HTTP, or HTTP that cannot be read
    "decode",  # Content-Encoding does not decode
    "too_large",  # decoded body over --max-filesize
    "redirects",  # more than --max-redirs, or to a scheme that is refused
    # the server's answer
    "http_3xx",
    "http_4xx",
    "http_429",
    "http_5xx",
    "fetch",  # your own fetch function raised
    # after the answer
    "process",  # the process function raised, or returned something else than dict, list of dict or None
    "process_timeout",
    "process_crash",  # the worker process died (segmentation fault, killed, out of memory)
    "sink",  # this record cannot be encoded
]
FAILURE_KINDS: tuple[FailureKind, ...] = get_args(FailureKind)


def kinds_matching(name: str) -> tuple[FailureKind, ...]:
    """The kinds a `--kind` word stands for: itself, or every kind it is a prefix of at an underscore.

    `timeout` stands for all `timeout_*`, `http_5xx` for itself. Empty when nothing matches.
    """
    return tuple(kind for kind in FAILURE_KINDS if kind == name or kind.startswith(name + "_"))


@dataclass(slots=True)
class Failure:
    """Why one attempt, or one item, did not succeed. A value: failures are normal.

    `kind` is the only thing counted; `message` is for people. `is_unsent` is True only when it is certain
    that no byte of the request left this machine, so that even a POST may be repeated.
    `server_retry_after_s` is what the server asked for, uncapped, or None.
    """

    kind: FailureKind
    message: str
    http_status: int | None = None
    server_retry_after_s: float | None = None
    is_unsent: bool = False


@dataclass(slots=True)
class Item:
    """One unit of input: a request to make, and the input's other columns, which travel to the output untouched.

    `id` is the 0-based position in the whole input, the same on every run over the same input.
    `host` is the politeness key, `scheme://host:port` in lower case. `row` holds the values of the
    source's `columns`, in that order (the URL column included). `attempts` counts tries so far.
    """

    id: int
    url: str
    host: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    row: tuple[object, ...] = ()
    attempts: int = 0


@dataclass(slots=True)
class BadRow:
    """A row of the input that is no request. It becomes a dead letter, never an abort.

    `row` holds what could be read, as in `Item` (shorter than the columns when the row was); `raw` the text of the
    row, decoded with replacement characters, at most 64 KiB of it.
    """

    id: int
    failure: Failure
    url: str = ""
    row: tuple[object, ...] = ()
    raw: str = ""


@dataclass(slots=True)
class Batch:
    """Consecutive rows of the input. `position` seeks back to the first of them; `end_id` is one past the last id."""

    first_id: int
    position: str
    items: Sequence[Item | BadRow]

    @property
    def end_id(self) -> int:
        return self.first_id + len(self.items)


@dataclass(slots=True)
class Response:
    """A complete, successful answer: what the process function receives and what the record is made of.

    Times are seconds: `dns_s`, `connect_s` and `tls_s` are 0 on a reused connection; `ttfb_s` is from the request
    being sent to the first byte of the answer (connect and queueing excluded); `total_s` is the whole last attempt.
    `fetch_time_us` is microseconds since the epoch, UTC, at the end of the fetch. `body` is decoded (gzip, br, zstd).
    """

    item_id: int
    url: str
    final_url: str
    fetch_status: int
    body: bytes
    content_type: str = ""
    fetch_time_us: int = 0
    attempts: int = 1
    dns_s: float = 0.0
    connect_s: float = 0.0
    tls_s: float = 0.0
    ttfb_s: float = 0.0
    total_s: float = 0.0
    content_truncated: bool = False
    raw_headers: Sequence[bytes] = ()
    columns: Sequence[str] = ()
    row: tuple[object, ...] = ()

    @property
    def input(self) -> dict[str, object]:
        """The input's columns of this item by name."""
        return dict(zip(self.columns, self.row, strict=False))

    @property
    def headers(self) -> dict[str, str]:
        """The last answer's header fields, names in lower case; repeated fields joined by `, ` (RFC 9110 §5.3)."""
        fields: dict[str, str] = {}
        for line in self.raw_headers:
            if line.startswith(b"HTTP/"):
                fields.clear()  # a redirect or 1xx came before: keep the last answer only
                continue
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                continue
            key, value = name.strip().lower(), value.strip()
            fields[key] = f"{fields[key]}, {value}" if key in fields else value
        return fields

    @property
    def mime_type(self) -> str:
        """The media type in lower case without parameters, or an empty string."""
        return self.content_type.partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The charset parameter of Content-Type in lower case, or an empty string. Nothing is guessed."""
        for parameter in self.content_type.split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                return value.strip().strip("\"'").lower()
        return ""

    @property
    def text(self) -> str:
        """The body decoded by its charset (UTF-8 if none or unknown); undecodable bytes become U+FFFD."""
        try:
            return self.body.decode(self.charset or "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body parsed as JSON. Raises ValueError, which the process stage turns into a dead letter."""
        return _json.loads(self.body)


@dataclass(slots=True)
class Written:
    """The item's records are to be written: one dict of added columns each (`[{}]` without a process function)."""

    item: Item
    response: Response
    records: Sequence[Mapping[str, object]]


@dataclass(slots=True)
class Skipped:
    """The process function returned None: counted, not written."""

    item: Item


@dataclass(slots=True)
class Failed:
    """The item is given up: a dead letter with the last failure."""

    item: Item | BadRow
    failure: Failure


Outcome: TypeAlias = Written | Skipped | Failed


@dataclass(slots=True)
class Ack:
    """What a sink has made durable since it was last asked. `ids` are item ids; counts are items, not records.

    `shards` of records, and `bytes_durable` in all files committed; 0 where a sink has no such thing.
    """

    ids: list[int] = field(default_factory=list)
    written: int = 0
    failed: int = 0
    skipped: int = 0
    shards: int = 0
    bytes_durable: int = 0
