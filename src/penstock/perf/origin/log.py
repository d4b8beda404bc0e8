"""The request log: one JSON line for each request, written when the request ends. The oracle of the tests.

Lines are collected and written together, at most 100 ms later, so that logging costs a few microseconds a request.
Read it with `read_log`. The file is opened for appending; nothing else writes to it.

| field | meaning |
|---|---|
| `t_ns`, `wall_s` | when the request had been read: monotonic clock, and seconds since the epoch |
| `duration_ns` | from then to the end of the answer |
| `host`, `local` | Host field without its port in lower case; local address |
| `method`, `path` | as sent; the path with its query |
| `attempt` | how many requests for this path this host has seen, this one included |
| `outcome` | what was planned: a fault word, a status, `ok`, `rate-limited`, `queue-full`, `bad-request` |
| `status` | the status sent, 0 for none |
| `bytes_sent` | bytes of head and body handed to the kernel; exact where `complete`, else to the last whole piece |
| `complete` | every byte of an answer that a client may take for complete was handed over |
| `connection_id`, `request_id` | number of the connection, and of the request within it, from 1 |
| `inflight` | requests in flight on this host when it began, this one included |
| `body_bytes` | size of the request's body |
"""

from __future__ import annotations

import json
from asyncio import AbstractEventLoop, TimerHandle
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import BinaryIO, TypeAlias

Entry: TypeAlias = tuple[
    int, float, int, str, str, str, str, int, str, int, int, bool, int, int, int, int
]  # the fields of LoggedRequest, in that order

FLUSH_S = 0.1
_BATCH_MAX = 512


@dataclass(slots=True)
class LoggedRequest:
    """One line of the log; the module's table says what the fields mean."""

    t_ns: int
    wall_s: float
    duration_ns: int
    host: str
    local: str
    method: str
    path: str
    attempt: int
    outcome: str
    status: int
    bytes_sent: int
    complete: bool
    connection_id: int
    request_id: int
    inflight: int
    body_bytes: int


class RequestLog:
    """Appends to one file. Raises OSError when the file cannot be opened or written."""

    def __init__(self, path: Path, loop: AbstractEventLoop) -> None:
        self._file: BinaryIO = path.open("ab")
        self._loop = loop
        self._entries: list[Entry] = []
        self._timer: TimerHandle | None = None

    def append(self, entry: Entry) -> None:
        self._entries.append(entry)
        if len(self._entries) >= _BATCH_MAX:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Hand every line so far to the kernel."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._entries:
            self._file.write("".join(map(_format_line, self._entries)).encode("ascii"))
            self._file.flush()
            self._entries.clear()

    def close(self) -> None:
        self.flush()
        self._file.close()


def read_log(path: Path) -> list[LoggedRequest]:
    """The requests of a log, in the order they ended. Raises ValueError on a line that is not of this format."""
    with path.open("rb") as lines:
        return [LoggedRequest(**json.loads(line)) for line in lines]


def _format_line(entry: Entry) -> str:
    (t_ns, wall_s, duration_ns, host, local, method, path, attempt) = entry[:8]
    (outcome, status, bytes_sent, complete, connection_id, request_id, inflight, body_bytes) = entry[8:]
    return (
        f'{{"t_ns": {t_ns}, "wall_s": {wall_s:.6f}, "duration_ns": {duration_ns}, '
        f'"host": {encode_basestring_ascii(host)}, "local": "{local}", "method": "{method}", '
        f'"path": {encode_basestring_ascii(path)}, "attempt": {attempt}, "outcome": "{outcome}", '
        f'"status": {status}, "bytes_sent": {bytes_sent}, "complete": {"true" if complete else "false"}, '
        f'"connection_id": {connection_id}, "request_id": {request_id}, "inflight": {inflight}, '
        f'"body_bytes": {body_bytes}}}\n'
    )
