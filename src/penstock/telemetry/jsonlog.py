"""The talk of a run as JSON lines: one object a line, an event of a closed set each, for log collectors.

It formats and writes; when something happens is the caller's business. The rule: a line holds no URL, no header and no
setting that could be a secret, and a reader that is slow or gone costs lines of progress, never the run's time.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import threading
from collections.abc import Callable, Mapping
from typing import Literal, TextIO, TypeAlias, get_args

from penstock.telemetry.format import printable
from penstock.telemetry.progress import is_writable
from penstock.telemetry.rates import Rates
from penstock.telemetry.snapshot import Snapshot

Event: TypeAlias = Literal[
    "run_started", "progress", "drain_started", "loop_late", "notice", "warning", "error", "run_finished"
]
EVENTS: tuple[Event, ...] = get_args(Event)
Level: TypeAlias = Literal["info", "warning", "error"]
LEVELS: Mapping[Event, Level] = {
    "run_started": "info",
    "progress": "info",
    "drain_started": "warning",
    "loop_late": "warning",
    "notice": "info",
    "warning": "warning",
    "error": "error",
    "run_finished": "info",
}
# Of stats.json: too long for a line, or with URLs in it.
_NOT_LOGGED = frozenset({"series", "probes", "shape", "hosts", "examples", "settings", "extra", "format"})


class JsonLog:
    """Writes events to a stream, from any thread. Once the stream has gone it is silent."""

    def __init__(self, stream: TextIO, now_s: Callable[[], float], *, is_quiet: bool = False) -> None:
        """`now_s`: Unix time. `is_quiet`: warnings and errors only."""
        self._stream = stream
        self._now_s = now_s
        self._is_quiet = is_quiet
        self._is_gone = False
        self._lock = threading.Lock()

    def write(self, event: Event, fields: Mapping[str, object]) -> None:
        """One line. Progress is left out while the reader does not read; every other event waits for it."""
        if self._is_gone or (self._is_quiet and LEVELS[event] == "info"):
            return
        if not self._lock.acquire(blocking=event != "progress"):
            return  # another thread writes, and may wait for the reader
        try:
            if event != "progress" or is_writable(self._stream):
                self._stream.write(line(event, self._now_s(), fields))
                self._stream.flush()
        except (OSError, ValueError):
            self._is_gone = True  # the reader has gone: no reason to stop a night's work
        finally:
            self._lock.release()


def line(event: Event, now_s: float, fields: Mapping[str, object]) -> str:
    """`{"time": "2026-01-31T12:00:00.000Z", "level": …, "event": …, …fields}` and a line break, in ASCII.

    Numbers that JSON does not have (infinite, not a number) become null; texts lose control characters and passwords.
    """
    time = dt.datetime.fromtimestamp(now_s, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    document = {"time": time, "level": LEVELS[event], "event": event, **fields}
    return json.dumps(_plain(document), allow_nan=False) + "\n"


def started_fields(snapshot: Snapshot, *, out: str, version: str) -> dict[str, object]:
    return {
        "out": out,
        "version": version,
        "concurrency": snapshot.limit,
        "input_total": snapshot.total,
        "is_input_total_estimated": snapshot.is_total_estimated,
        "from_earlier_runs": snapshot.counters.earlier.done,
    }


def progress_fields(snapshot: Snapshot, rates: Rates) -> dict[str, object]:
    """Names as in stats.json; `eta_s` and the rates are None until they are known."""
    counters = snapshot.counters
    return {
        "elapsed_s": round(snapshot.elapsed_s, 3),
        "admitted": counters.admitted,
        "ended": counters.ended_ever,
        "written": counters.written,
        "failed": counters.failed,
        "skipped": counters.skipped,
        "pending": counters.pending,
        "input_total": snapshot.total,
        "attempts": counters.attempts,
        "retries": counters.retries,
        "throttled": counters.throttled,
        "bytes_body": counters.bytes_body,
        "items_per_s": rates.items_per_s,
        "bytes_body_per_s": rates.bytes_per_s,
        "eta_s": rates.eta_s,
        "in_flight": snapshot.in_flight,
        "limit": snapshot.limit,
        "queued": snapshot.queued,
        "delayed": snapshot.delayed,
        "deferred": snapshot.deferred,
        "bytes_held": snapshot.bytes_held,
        "loop_lag_s_p95": snapshot.loop_lag_s_p95,
    }


def finished_fields(summary: Mapping[str, object], exit_code: int) -> dict[str, object]:
    """`summary` is the content of stats.json; what is long or holds URLs is left there."""
    return {"exit_code": exit_code, **{name: value for name, value in summary.items() if name not in _NOT_LOGGED}}


def _plain(value: object) -> object:
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case str():
            return printable(value)
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return printable(str(value))
