"""The live display on stderr: a redrawn frame on a terminal, a line every few seconds elsewhere, or nothing.

It owns no thread and no timer: the engine calls `tick` from its heartbeat. The rule: the display never harms the run.
A terminal that is stopped (Ctrl-S) or a full pipe costs frames instead of blocking the loop; a closed one ends it.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Mapping
from typing import Literal, Protocol, TextIO, TypeAlias, assert_never

from penstock.telemetry.format import printable
from penstock.telemetry.frame import frame, plain_line
from penstock.telemetry.rates import Rates
from penstock.telemetry.snapshot import Snapshot
from penstock.telemetry.styled import Line, in_ascii, text_of
from penstock.telemetry.terminal import LiveTerminal, can_encode, is_terminal

Mode: TypeAlias = Literal["auto", "rich", "plain", "none"]

PLAIN_INTERVAL_S = 5.0
RICH_INTERVAL_S = 0.2


class Progress:
    """Shows a run while it goes on. Call `tick` up to four times a second and `close` at the end, always."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        *,
        mode: Mode = "auto",
        interval_s: float = PLAIN_INTERVAL_S,
        stream: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`snapshot` is called when something is to be drawn. It gives host rows only when they are wanted (`-v`).

        `auto` is `rich` on a terminal that can move its cursor and `plain` elsewhere. `interval_s` is the time between
        plain lines, > 0. `stream` defaults to stderr, `environ` (for NO_COLOR and TERM) to the process's own.
        """
        if not interval_s > 0:
            raise ValueError(f"expected interval_s > 0, got {interval_s}")
        stream = sys.stderr if stream is None else stream
        environ = os.environ if environ is None else environ
        self._snapshot = snapshot
        self._rates = Rates()
        self._display = _display(resolved_mode(mode, stream, environ), stream, environ, interval_s)
        self._next_s: float | None = None
        self._state = ""

    def tick(self, now_s: float, state: str = "") -> None:
        """Draw if it is time to, or if `state` is new. `now_s` is monotonic, in seconds.

        `state` overrides the snapshot's own. Nothing to do: 0.1 µs. A frame: 0.5 ms, 1 ms with 20 hosts.
        """
        display = self._display
        if display is None:
            return
        is_news = state != self._state
        if self._next_s is not None and now_s < self._next_s and not is_news:
            return
        self._state = state
        is_first = self._next_s is None
        self._next_s = now_s + display.interval_s
        snapshot = self._look(now_s)
        if is_first and display.waits_first and not is_news:
            return
        if state:
            snapshot.state = state
        self._draw(display, snapshot)

    def say(self, text: str) -> None:
        """Write a message for the user: above the frame, or between the plain lines. Nothing in mode `none`."""
        display = self._display
        if display is not None:
            safe = "\n".join(printable(line) for line in text.splitlines())
            self._guard(lambda: display.say(safe))

    def close(self) -> None:
        """Take the frame away and give the terminal back. Repeated calls do nothing. Call it before `os._exit`, too."""
        display, self._display = self._display, None
        if display is not None:
            try:
                display.close()
            except (OSError, ValueError):
                return  # the terminal has gone: there is nothing to give back

    def _look(self, now_s: float) -> Snapshot:
        snapshot = self._snapshot()
        counters = snapshot.counters
        left = None if snapshot.total is None else snapshot.total - counters.ended_ever
        self._rates.update(now_s, ended=counters.ended, bytes_body=counters.bytes_body, left=left)
        return snapshot

    def _draw(self, display: _Display, snapshot: Snapshot) -> None:
        self._guard(lambda: display.draw(snapshot, self._rates))

    def _guard(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, ValueError):
            # The reader of stderr has gone (EPIPE, EIO, closed file). That is no reason to stop a night's work.
            self.close()


def resolved_mode(mode: Mode, stream: TextIO, environ: Mapping[str, str]) -> Literal["rich", "plain", "none"]:
    """What `auto` stands for here: `rich` on a terminal that can move its cursor, else `plain`."""
    if mode != "auto":
        return mode
    return "rich" if is_terminal(stream) and environ.get("TERM") != "dumb" else "plain"


class _Display(Protocol):
    interval_s: float
    waits_first: bool

    def draw(self, snapshot: Snapshot, rates: Rates) -> None: ...

    def say(self, text: str) -> None: ...

    def close(self) -> None: ...


def _display(
    mode: Literal["rich", "plain", "none"], stream: TextIO, environ: Mapping[str, str], interval_s: float
) -> _Display | None:
    match mode:
        case "none":
            return None
        case "plain":
            return _Plain(stream, interval_s)
        case "rich":
            return _Rich(LiveTerminal(stream, environ), stream)
        case _:
            assert_never(mode)


class _Plain:
    """A line at a time. The first comes after one interval: a short run shows its summary only."""

    waits_first = True

    def __init__(self, stream: TextIO, interval_s: float) -> None:
        self.interval_s = interval_s
        self._stream = stream
        self._is_ascii = not can_encode(stream)

    def draw(self, snapshot: Snapshot, rates: Rates) -> None:
        if is_writable(self._stream):
            self.say(plain_line(snapshot, rates))

    def say(self, text: str) -> None:
        lines: list[Line] = [[(text, "")]]
        self._stream.write(text_of(in_ascii(lines) if self._is_ascii else lines))
        self._stream.flush()

    def close(self) -> None:
        return


class _Rich:
    """A frame that is redrawn in place."""

    interval_s = RICH_INTERVAL_S
    waits_first = False

    def __init__(self, terminal: LiveTerminal, stream: TextIO) -> None:
        self._terminal = terminal
        self._stream = stream

    def draw(self, snapshot: Snapshot, rates: Rates) -> None:
        if not is_writable(self._stream):
            return
        width, height = self._terminal.size
        self._terminal.show(frame(snapshot, rates, width=width, height=height - 1))

    def say(self, text: str) -> None:
        self._terminal.say(text)

    def close(self) -> None:
        self._terminal.close()


def is_writable(stream: TextIO) -> bool:
    """Whether a write would not block now. True where that cannot be known (no descriptor, Windows)."""
    if not hasattr(select, "poll"):
        return True
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # io.UnsupportedOperation is both: a StringIO or a closed file
        return True
    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    # POLLERR and POLLHUP count as writable: the write then says what is wrong.
    return bool(poller.poll(0))
