"""Turns a resource and an outcome into what goes on the wire: bytes to send, seconds to wait, and how it ends.

Pure: the connection carries the steps out, nothing here touches a socket. One rule: `is_whole`, and so `complete` in
the log, is true only for an answer that a client may take for complete; one that is broken on purpose never is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum
from http import HTTPStatus
from typing import TypeAlias

from penstock.perf.origin.encodings import encode_body, make_gzip_bomb
from penstock.perf.origin.resource import TEXT, Request, Resource
from penstock.perf.origin.script import Encoding, Framing, Script

Step: TypeAlias = bytes | float
"""Bytes are sent; a float is waited for, in seconds."""

PIECE_BYTES = 256 * 1024
_TICK_S = 0.05
_FILLER = b"penstock" * 8
_GARBAGE = b"\x16\x03\x01 this is not HTTP\r\n\x00\xff\r\n\r\n"
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_MANY_HEADERS = 10_000
_PLAIN_HEAD = "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
_INFINITE_BYTES_PER_S = 16 * 1024**2
_LENGTH_FRAMED = frozenset({"truncate", "truncate-gzip", "length-long", "length-short", "gzip-bomb"})
_NEED_BODY = _LENGTH_FRAMED | {"truncate-chunked", "reset-body", "stall", "drip-body"}
# Outcomes after which a client that reads on holds an answer it must take for complete: also `length-short`, by its own
# Content-Length.
_WHOLE = frozenset(
    {"ok", "close-after", "reset-after", "drip-headers", "drip-body", "many-headers", "gzip-bomb", "length-short"}
)


class Ending(Enum):
    """What happens to the connection after the last step."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"
    HOLD = "hold"


@dataclass(slots=True)
class Answer:
    """`status` is 0 where no status line is sent. `steps` may be endless; the connection bounds it in time."""

    status: int
    steps: Iterable[Step]
    ending: Ending = Ending.KEEP
    is_whole: bool = True


def make_answer(resource: Resource, script: Script, outcome: str, request: Request, date: str) -> Answer:
    """The answer that `outcome` (a word of `faults.FAULTS`, not a status) makes of `resource`.

    `date` is the Date field's value. Raises ConfigError when an encoding's library is not installed.
    """
    is_usual = request.is_keep_alive and not request.is_http_10 and request.method != "HEAD"
    if outcome == "ok" and script.is_plain and is_usual and resource.status == 200 and not resource.headers:
        # Nearly every request of a benchmark. The same bytes as below, for a third of the time (2.3 → 0.8 µs).
        text = _PLAIN_HEAD % (date, resource.content_type, len(resource.body))
        return Answer(200, _send(text.encode("ascii"), resource.body, None))
    match outcome:
        case "reset-before":
            return Answer(0, (), Ending.RESET, is_whole=False)
        case "close-before":
            return Answer(0, (), Ending.CLOSE, is_whole=False)
        case "hang":
            return Answer(0, (), Ending.HOLD, is_whole=False)
        case "garbage":
            return Answer(0, (_GARBAGE,), Ending.CLOSE, is_whole=False)
    status = resource.status if resource.status != 200 or script.status is None else script.status
    is_bodyless = request.method == "HEAD" or status in (204, 304)
    body = resource.body
    if not body and outcome in _NEED_BODY:
        body = _FILLER
    encoding: Encoding = script.encoding
    if outcome == "gzip-bomb":
        encoding, body = "gzip", make_gzip_bomb(script.bomb_bytes)
    else:
        if outcome == "truncate-gzip":
            encoding = "gzip"
        body = encode_body(body, encoding)
        if outcome == "truncate-gzip":
            body = body[: max(1, _cut_position(len(body) - 1, script.cut))]
    framing = _choose_framing(script.framing, outcome, request)
    closes = framing == "close" or script.connection == "close" or not request.is_keep_alive
    fields = _make_fields(resource, script, outcome, encoding)
    if framing == "chunked":
        fields.append("Transfer-Encoding: chunked")
    elif framing == "length" and status != 204:
        fields.append(f"Content-Length: {_declared_length(len(body), outcome)}")
    if closes or request.is_http_10:
        fields.append("Connection: close" if closes else "Connection: keep-alive")
    head = _make_head(status, fields, date)
    payload = b"" if is_bodyless else body
    if framing == "chunked" and not is_bodyless:
        payload = b"" if outcome == "infinite" else _chunk(body, script.chunk_bytes)
    if is_bodyless and outcome == "infinite":
        outcome = "ok"
    return _damage(Answer(status, (), Ending.CLOSE if closes else Ending.KEEP), head, payload, script, outcome)


def make_error_answer(status: int, text: str, request: Request, date: str, retry_after: str | None = None) -> Answer:
    """A short text answer with that status; `retry_after` is the field's value."""
    body = f"{status} {_REASONS.get(status, '')}: {text}\n".encode("utf-8", "replace")
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    return make_answer(Resource(body, TEXT, status, headers), Script(), "ok", request, date)


def choose_retry_after(wanted: str | None, status: int, wall_s: float, wait_s: float = 0.0) -> str | None:
    """The Retry-After of a 429 or 503, or None for no such field.

    Without a wish of the script: `auto` for 429, none for 503. `auto` is the whole seconds until a token is there, at
    least 1. `wall_s` is the time `date:SECONDS` counts from.
    """
    wanted = wanted or ("auto" if status == 429 else "none")
    if status not in (429, 503) or wanted == "none":
        return None
    if wanted == "auto":
        return str(max(1, -int(-wait_s // 1)))
    kind, colon, seconds = wanted.partition(":")
    return formatdate(max(0.0, wall_s + float(seconds)), usegmt=True) if kind == "date" and colon else wanted


def _damage(answer: Answer, head: bytes, payload: bytes, script: Script, outcome: str) -> Answer:
    """Complete `answer` with the steps of `outcome`; its `ending` is that of an undamaged answer."""
    cut = _cut_position(len(payload), script.cut)
    if outcome == "truncate-chunked":
        cut = min(cut, max(0, len(payload) - len(b"0\r\n\r\n")))
    answer.is_whole = outcome in _WHOLE
    bandwidth = script.bandwidth_bytes_per_s
    match outcome:
        case "reset-headers":
            answer.steps, answer.ending = _send(head, b"", None), Ending.RESET
        case "reset-body":
            answer.steps, answer.ending = _send(head, payload[:cut], bandwidth), Ending.RESET
        case "reset-after":
            answer.steps, answer.ending = _send(head, payload, bandwidth), Ending.RESET
        case "close-after":
            answer.steps, answer.ending = _send(head, payload, bandwidth), Ending.CLOSE
        case "truncate" | "truncate-chunked":
            answer.steps, answer.ending = _send(head, payload[:cut], bandwidth), Ending.CLOSE
        case "stall":
            answer.steps, answer.ending = _send(head, payload[:cut], bandwidth), Ending.HOLD
        case "length-long":
            answer.steps, answer.ending = _send(head, payload, bandwidth), Ending.HOLD
        case "drip-headers":
            answer.steps = _drip_head(head, payload, script)
        case "drip-body":
            answer.steps = _send(head, payload, script.drip_bytes_per_s)
        case "infinite":
            answer.steps, answer.ending = _send_for_ever(head, script), Ending.CLOSE
        case _:
            answer.steps = _send(head, payload, bandwidth)
    return answer


def _choose_framing(wanted: Framing, outcome: str, request: Request) -> Framing:
    if outcome in _LENGTH_FRAMED:
        return "length"
    framing: Framing = "chunked" if outcome in ("truncate-chunked", "infinite") else wanted
    return "close" if framing == "chunked" and request.is_http_10 else framing


def _declared_length(size: int, outcome: str) -> int:
    if outcome == "length-long":
        return size + 100
    return size // 2 if outcome == "length-short" else size


def _make_fields(resource: Resource, script: Script, outcome: str, encoding: Encoding) -> list[str]:
    fields = [f"Content-Type: {script.content_type or resource.content_type}"]
    if encoding != "identity":
        fields.append(f"Content-Encoding: {encoding}")
    fields.extend([f"{name}: {value}" for name, value in resource.headers])
    if script.header is not None:
        fields.append(f"{script.header[0]}: {script.header[1]}")
    extra = script.extra_headers + (_MANY_HEADERS if outcome == "many-headers" else 0)
    if extra:
        fields.extend([f"X-Filler-{number}: {number}" for number in range(extra)])
    return fields


def _make_head(status: int, fields: list[str], date: str) -> bytes:
    lines = "\r\n".join(fields)
    return f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\nDate: {date}\r\n{lines}\r\n\r\n".encode("utf-8", "replace")


def _cut_position(size: int, share: float) -> int:
    """Where to cut so that at least one byte is missing."""
    return max(0, min(size - 1, int(size * share)))


def _chunk(body: bytes, chunk_bytes: int) -> bytes:
    pieces = []
    for start in range(0, len(body), chunk_bytes):
        piece = body[start : start + chunk_bytes]
        pieces.append(b"%x\r\n%s\r\n" % (len(piece), piece))
    pieces.append(b"0\r\n\r\n")
    return b"".join(pieces)


def _send(head: bytes, payload: bytes, bytes_per_s: float | None) -> Iterable[Step]:
    if bytes_per_s is not None and payload:
        return _pace(head, payload, bytes_per_s)
    if len(payload) <= PIECE_BYTES:
        return (head + payload,)
    return (head, *(payload[start : start + PIECE_BYTES] for start in range(0, len(payload), PIECE_BYTES)))


def _pace(head: bytes, payload: bytes, bytes_per_s: float) -> Iterator[Step]:
    if head:
        yield head
    piece_bytes = max(1, int(bytes_per_s * _TICK_S))
    for start in range(0, len(payload), piece_bytes):
        if start:
            yield piece_bytes / bytes_per_s
        yield payload[start : start + piece_bytes]


def _drip_head(head: bytes, payload: bytes, script: Script) -> Iterator[Step]:
    yield from _pace(b"", head, script.drip_bytes_per_s)
    if payload:
        yield from _send(b"", payload, script.bandwidth_bytes_per_s)


def _send_for_ever(head: bytes, script: Script) -> Iterator[Step]:
    yield head
    bytes_per_s = script.bandwidth_bytes_per_s or _INFINITE_BYTES_PER_S
    piece = _chunk(_FILLER * (max(len(_FILLER), script.chunk_bytes) // len(_FILLER)), script.chunk_bytes)[:-5]
    while True:
        yield piece
        yield len(piece) / bytes_per_s
