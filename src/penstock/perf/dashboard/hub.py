"""Hands what the run publishes to every open page. Lives on the server's event loop; the run only drops messages off.

`publish` and `beat` may be called from the run's thread: they assign or append and never wait. All else runs on the
server's loop. The rule: a page that is slow loses increments, never the run's time; it gets the whole again instead.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from penstock.perf.dashboard.history import History, row_of
from penstock.perf.dashboard.live import encoded
from penstock.telemetry.window import COLUMNS, Window

CLIENTS_MAX = 16
_PENDING_MAX = 8
_BLOCKED_FROM_S = 1.5


@dataclass(frozen=True, slots=True)
class Update:
    """What the run says, about once a second: windows that are new, and the present state as a JSON object.

    `live` None: nothing new about the state (nobody looks). `judge`, if given, makes the verdict as JSON values; it is
    called here and not by the run, which it would hold up for some milliseconds.
    """

    windows: tuple[Window, ...] = ()
    live: bytes | None = None
    judge: Callable[[], Mapping[str, object]] | None = None


class Client:
    """One open page: a short queue of events to send. `take` waits for the next; None after the last."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._pending: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._news.set()
        self._is_behind = True  # as at its start: the whole state first

    def push(self, event: bytes) -> None:
        """Queue an event. When the page is too slow for that, it will get the whole state instead."""
        if self._is_behind:
            return
        self._pending.append(event)
        if len(self._pending) > _PENDING_MAX:
            self.start_over()
        self._news.set()

    def start_over(self) -> None:
        """Forget what waits; the whole state comes next."""
        self._pending.clear()
        self._is_behind = True
        self._news.set()

    def wake(self) -> None:
        self._news.set()

    async def take(self, heartbeat_s: float) -> bytes | None:
        """The next bytes to send; a comment when there is nothing for `heartbeat_s` seconds; None after the end."""
        while True:
            if self._is_behind:
                self._is_behind = False
                return self._hub.whole()
            if self._pending:
                return self._pending.popleft()
            if self._hub.is_finished:
                return None
            self._news.clear()
            try:
                async with asyncio.timeout(heartbeat_s):
                    await self._news.wait()
            except TimeoutError:
                return b": still here\n\n"


class Hub:
    """The present and the past of one run, and the pages that look at it. Make it on the server's loop."""

    def __init__(self, about: dict[str, object], *, clients_max: int = CLIENTS_MAX) -> None:
        """`about`: what does not change during the run, JSON values; sent to each page at its start."""
        self._loop = asyncio.get_running_loop()
        self._about = encoded(about)
        self._history = History()
        self._live = self._verdict = b"null"
        self._clients: set[Client] = set()
        self._clients_max = clients_max
        self._is_blocked = False
        self._changed = 0
        self.beat_s = math.nan
        self.is_finished = False

    # --- from the run's thread

    def beat(self) -> None:
        """The run's loop turns. Cost: 0.1 µs."""
        self.beat_s = time.monotonic()

    def publish(self, update: Update) -> None:
        """Hand over news. Never waits; what comes after the server has gone is dropped."""
        with suppress(RuntimeError):  # its loop is closed
            self._loop.call_soon_threadsafe(self._take, update)

    @property
    def clients(self) -> int:
        """How many pages are open."""
        return len(self._clients)

    @property
    def arrivals(self) -> int:
        """How many pages have been opened so far: changes when somebody new waits for the state."""
        return self._changed

    # --- on the server's loop

    def join(self) -> Client | None:
        """A new page; None when there are too many."""
        if len(self._clients) >= self._clients_max:
            return None
        client = Client(self)
        self._clients.add(client)
        self._changed += 1
        return client

    def leave(self, client: Client) -> None:
        self._clients.discard(client)

    def whole(self) -> bytes:
        """The event that a page starts with: everything up to now."""
        kind = b"finished" if self.is_finished else b"history"
        head = b'{"about":' + self._about + b',"columns":' + _COLUMNS
        rows = b',"fine":' + self._history.fine_rows() + b',"coarse":' + self._history.coarse_rows()
        return _event(kind, head + rows + self._present())

    def tick(self) -> None:
        """Twice a second: tell the pages when the run's loop is blocked, and for how long; and when it turns again."""
        silent_s = time.monotonic() - self.beat_s  # NaN before the first beat: not blocked
        is_blocked = not self.is_finished and silent_s > _BLOCKED_FROM_S
        if is_blocked or self._is_blocked:
            blocked_s = round(silent_s, 1) if is_blocked else 0
            self._push(_event(b"blocked", encoded({"blocked_s": blocked_s})))
        self._is_blocked = is_blocked

    def finish(self, update: Update) -> None:
        """The last news; every stream then ends."""
        self._take(update)
        self.is_finished = True
        last = self._history.close()
        self._push(_event(b"finished", self._news([], [last] if last is not None else [])))
        for client in self._clients:
            client.wake()

    def _take(self, update: Update) -> None:
        fine, coarse = [], []
        coarse_s = self._history.coarse_s
        for window in update.windows:
            row = row_of(window)
            closed = self._history.add(window, row)
            fine.append(row)
            if closed is not None:
                coarse.append(closed)
        if update.live is not None:
            self._live = update.live
        if update.judge is not None:
            self._verdict = encoded(update.judge())
        if self._history.coarse_s != coarse_s:
            for client in self._clients:
                client.start_over()
        elif fine or update.live is not None:
            self._push(_event(b"update", self._news(fine, coarse)))

    def _news(self, fine: list[bytes], coarse: list[bytes]) -> bytes:
        return b'{"fine":[' + b",".join(fine) + b'],"coarse":[' + b",".join(coarse) + b"]" + self._present()

    def _present(self) -> bytes:
        """The rest of an event's JSON object: the state and the verdict, as last heard."""
        return b',"live":' + self._live + b',"verdict":' + self._verdict + b"}"

    def _push(self, event: bytes) -> None:
        for client in self._clients:
            client.push(event)


_COLUMNS = json.dumps(COLUMNS).encode("ascii")


def _event(kind: bytes, data: bytes) -> bytes:
    """One server-sent event (HTML standard, 9.2). `data` is JSON on one line."""
    return b"event: " + kind + b"\ndata: " + data + b"\n\n"
