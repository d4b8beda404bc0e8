"""Writing styled lines to a stream: colours where they are wanted, and a frame redrawn in place on a terminal.

The only file here that knows `rich`, and it imports it when something is drawn. Decides nothing about content.
NO_COLOR (any value but empty, see no-color.org) takes the colours away and leaves bold and dim.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TextIO

from penstock.telemetry.styled import Line, Style, in_ascii, text_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

_STYLES: Mapping[Style, str] = {
    "": "",
    "bold": "bold",
    "dim": "dim",
    "good": "green",
    "bad": "red",
    "warn": "yellow",
    "accent": "cyan",
}


def write_lines(lines: Iterable[Line], stream: TextIO, environ: Mapping[str, str]) -> None:
    """Write finished lines (the summary): styled on a terminal, as they are elsewhere; never cut, never wrapped."""
    lines = list(lines) if can_encode(stream) else in_ascii(lines)
    if not is_terminal(stream) or environ.get("TERM") == "dumb":
        stream.write(text_of(lines))
        stream.flush()
        return
    output = console(stream, environ)
    output.print(_text(lines), soft_wrap=True)  # a command must survive being copied


def is_terminal(stream: TextIO) -> bool:
    """Whether the stream is an open terminal."""
    return not stream.closed and stream.isatty()


def can_encode(stream: TextIO) -> bool:
    """Whether the stream's encoding has the signs that the display uses (every UTF has; most others have not all)."""
    return (stream.encoding or "utf-8").lower().replace("_", "-").startswith("utf")


def console(stream: TextIO, environ: Mapping[str, str]) -> Console:
    """A rich console on that stream which leaves our text alone: no markup, no emoji, no highlighting, no wrapping."""
    from rich.console import Console

    return Console(
        file=stream,
        no_color=bool(environ.get("NO_COLOR")),
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        legacy_windows=None,
        _environ=environ,
    )


class LiveTerminal:
    """A block of lines at the bottom of the terminal, redrawn in place; what else is printed goes above it."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        import rich.live  # noqa: F401 - here, not at the first frame: 20-80 ms would be loop lag there

        self._stream = stream
        self._environ = environ
        self._live: Live | None = None
        self._console: Console | None = None
        self._is_ascii = not can_encode(stream)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows now; asked anew each time, the user may resize."""
        width, height = self._started().console.size
        return width, height

    def show(self, lines: list[Line]) -> None:
        """Replace the block."""
        text = _text(in_ascii(lines) if self._is_ascii else lines)
        # Cut at the terminal's edge: a wrapped line would be one row more than Live erases.
        text.no_wrap, text.overflow = True, "ellipsis"
        self._started().update(text, refresh=True)

    def say(self, text: str) -> None:
        """Print text above the block; long lines wrap."""
        lines: list[Line] = [[(text, "")]]
        self._started().console.print(_text(in_ascii(lines) if self._is_ascii else lines))

    def close(self) -> None:
        """Remove the block. Repeated calls do nothing."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _started(self) -> Live:
        if self._live is not None:
            return self._live
        from rich.live import Live

        output = console(self._stream, self._environ)
        live = Live(
            console=output,
            auto_refresh=False,  # no thread: the engine's heartbeat drives it
            transient=True,  # the summary follows and says it all
            # A process function that prints goes above the block; stdout only if it is the terminal, never a pipe.
            redirect_stdout=not sys.stdout.closed and sys.stdout.isatty(),
            redirect_stderr=True,
            vertical_overflow="crop",
        )
        live.start()
        # Live hides the cursor, and after a SIGKILL nobody would bring it back.
        output.show_cursor(True)
        self._live = live
        return live


def _text(lines: Iterable[Line]) -> Text:
    """All lines as one rich text."""
    from rich.text import Text

    spans: list[str | tuple[str, str]] = []
    for number, line in enumerate(lines):
        if number:
            spans.append("\n")
        spans.extend((text, _STYLES[style]) for text, style in line)
    return Text.assemble(*spans)
