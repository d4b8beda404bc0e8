"""What is being measured right now, on stderr: a line redrawn on a terminal, a line every 2 s elsewhere, or nothing.

No thread and no timer: a drawing thread would take CPU from what is measured. The rule: it draws between runs only, and
a terminal that has gone costs the display, not the measurement.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, TextIO

from penstock.telemetry.format import clock_text, percent_text, printable
from penstock.telemetry.progress import Mode, is_writable, resolved_mode
from penstock.telemetry.styled import Line, in_ascii, text_of
from penstock.telemetry.terminal import LiveTerminal, can_encode

PLAIN_INTERVAL_S = 2.0
_BAR_WIDTH = 24


class Progress(Protocol):
    """Where a measurement tells what it does."""

    def show(self, what: str, share: float | None = None, left_s: float | None = None) -> None:
        """`what` begins now. `share` of all is done (0 to 1); at most about `left_s` seconds are left."""
        ...

    def say(self, text: str) -> None:
        """A message for the user, which stays."""
        ...


class Silent:
    """Tells nobody."""

    def show(self, what: str, share: float | None = None, left_s: float | None = None) -> None:
        return

    def say(self, text: str) -> None:
        return


class TerminalProgress:
    """`with TerminalProgress("auto") as progress:` shows what is given to it until the block ends.

    `auto` is `rich` on a terminal that can move its cursor and `plain` elsewhere.
    """

    def __init__(
        self,
        mode: Mode = "auto",
        *,
        stream: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        environ = os.environ if environ is None else environ
        self._mode = resolved_mode(mode, self._stream, environ)
        self._live = LiveTerminal(self._stream, environ) if self._mode == "rich" else None
        self._clock = clock
        self._next_s = float("-inf")

    def __enter__(self) -> TerminalProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def show(self, what: str, share: float | None = None, left_s: float | None = None) -> None:
        if self._mode == "none":
            return
        now_s = self._clock()
        if self._live is None and now_s < self._next_s:
            return
        self._next_s = now_s + PLAIN_INTERVAL_S
        self._guard(lambda: self._draw(progress_line(what, share, left_s, is_bar=self._live is not None)))

    def say(self, text: str) -> None:
        if self._mode != "none":
            self._guard(lambda: self._write("\n".join(printable(line) for line in text.splitlines())))

    def close(self) -> None:
        """Take the live line away and give the terminal back. Repeated calls do nothing."""
        live, self._live = self._live, None
        self._mode = "none"
        if live is not None:
            try:
                live.close()
            except (OSError, ValueError):
                return  # the terminal has gone: there is nothing to give back

    def _draw(self, line: Line) -> None:
        if not is_writable(self._stream):
            return
        if self._live is not None:
            self._live.show([line])
        else:
            self._write("".join(text for text, _ in line))

    def _write(self, text: str) -> None:
        if self._live is not None:
            self._live.say(text)
            return
        lines: list[Line] = [[(text, "")]]
        self._stream.write(text_of(lines if can_encode(self._stream) else in_ascii(lines)))
        self._stream.flush()

    def _guard(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, ValueError):
            self.close()  # the reader of stderr has gone (EPIPE, EIO, a closed file)


def progress_line(what: str, share: float | None, left_s: float | None, *, is_bar: bool) -> Line:
    """`━━━━╍╍╍╍  42 % · io-20ms · round 3 · threads · at most 12 s left`."""
    line: Line = []
    if share is not None:
        share = min(1.0, max(0.0, share))
        if is_bar:
            full = round(share * _BAR_WIDTH)
            line += [("━" * full, "accent"), ("╍" * (_BAR_WIDTH - full), "dim"), ("  ", "")]
        line += [(f"{percent_text(share):>5}", "bold"), (" · ", "dim")]
    line.append((printable(what), ""))
    if left_s is not None:
        line += [(" · ", "dim"), (f"at most {clock_text(left_s)} left", "dim")]
    return line
