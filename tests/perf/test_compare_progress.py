"""What is being measured, on stderr: a live line, plain lines, or nothing; and never harm from a broken terminal."""

from __future__ import annotations

import errno
import io

import pytest

from penstock.perf.compare.progress import PLAIN_INTERVAL_S, TerminalProgress, progress_line
from penstock.telemetry.styled import text_of


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    """A terminal whose window was closed."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


def test_plain_lines_come_at_once_and_then_every_two_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    with TerminalProgress(stream=stream, environ={}, clock=clock) as progress:
        for step in range(21):
            clock.now_s = 100.0 + step * 0.25
            progress.show(f"step {step}", step / 20, 5.0 - step / 4)
    lines = stream.getvalue().splitlines()
    assert [line.split("step ")[1].split(" ")[0] for line in lines] == ["0", "8", "16"]
    assert lines[1] == " 40 % · step 8 · at most 3 s left"
    assert PLAIN_INTERVAL_S == 2.0


def test_a_terminal_gets_a_line_that_is_redrawn_and_taken_away() -> None:
    stream = Terminal()
    environ = {"TERM": "xterm", "COLUMNS": "100"}
    with TerminalProgress(stream=stream, environ=environ, clock=Clock()) as progress:
        for name in ("sync", "threads"):
            progress.show(f"round 1 · {name}", 0.5, 12.0)
    text = stream.getvalue()
    assert "round 1 · sync" in text
    assert "round 1 · threads" in text
    assert "━" in text
    assert text.rstrip("\r\n").endswith(("\x1b[2K", "\x1b[?25h")) or "\x1b[1A\x1b[2K" in text


def test_none_says_nothing() -> None:
    stream = Terminal()
    with TerminalProgress("none", stream=stream, environ={}) as progress:
        progress.show("anything", 0.1, 1.0)
        progress.say("a message")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("mode", ["plain", "rich"])
def test_a_message_stays(mode: str) -> None:
    stream = io.StringIO()
    with TerminalProgress(mode, stream=stream, environ={"TERM": "xterm", "COLUMNS": "80"}) as progress:  # type: ignore[arg-type]
        progress.say("something to know\x1b[2J")
    assert "something to know?[2J" in stream.getvalue()


@pytest.mark.parametrize("mode", ["plain", "rich"])
def test_a_reader_that_has_gone_costs_the_display_only(mode: str) -> None:
    with TerminalProgress(mode, stream=Broken(), environ={"TERM": "xterm"}, clock=Clock()) as progress:  # type: ignore[arg-type]
        progress.show("a", 0.1)
        progress.show("b", 0.2)
        progress.say("c")


def test_a_stream_without_unicode_gets_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    with TerminalProgress("plain", stream=stream, environ={}, clock=Clock()) as progress:
        progress.show("round 1 · threads", 0.25, 3.0)
        stream.flush()
        assert raw.getvalue().decode("ascii") == " 25 % | round 1 | threads | at most 3 s left\n"


@pytest.mark.parametrize(("share", "bars"), [(-1.0, 0), (0.0, 0), (0.5, 12), (1.0, 24), (7.0, 24)])
def test_the_bar_has_one_length(share: float, bars: int) -> None:
    text = text_of([progress_line("x", share, None, is_bar=True)])
    assert text.count("━") == bars
    assert text.count("━") + text.count("╍") == 24


def test_what_is_unknown_is_left_out() -> None:
    assert text_of([progress_line("starting sync", None, None, is_bar=True)]) == "starting sync\n"
