"""Progress on real and pretended terminals: modes, pacing, colours, and that it never blocks or breaks the run."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

import pytest

from penstock.telemetry.counters import Counters, Earlier
from penstock.telemetry.progress import Progress, is_writable, resolved_mode
from penstock.telemetry.snapshot import Snapshot

TERMINAL = {"TERM": "xterm-256color", "COLUMNS": "60", "LINES": "24"}
COLOUR = re.compile(r"\x1b\[(?:3[0-7]|9[0-7]|38;[\d;]+)m")
ESCAPE = re.compile(r"\x1b\[[?\d;]*[A-Za-z]")


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Engine:
    """Gives snapshots and counts how often it was asked."""

    def __init__(self) -> None:
        self.looks = 0
        self.counters = Counters()

    def __call__(self) -> Snapshot:
        self.looks += 1
        self.counters.admitted = self.counters.ended = 100 * self.looks
        return Snapshot(float(self.looks), self.counters, in_flight=7, total=1000)


def shown(stream: io.StringIO) -> str:
    return ESCAPE.sub("", stream.getvalue())


@pytest.mark.parametrize(
    ("mode", "stream", "environ", "expected"),
    [
        ("auto", Terminal(), TERMINAL, "rich"),
        ("auto", Terminal(), {"TERM": "dumb"}, "plain"),
        ("auto", io.StringIO(), TERMINAL, "plain"),
        ("rich", io.StringIO(), {}, "rich"),
        ("plain", Terminal(), TERMINAL, "plain"),
        ("none", Terminal(), TERMINAL, "none"),
    ],
)
def test_auto_is_rich_only_where_the_cursor_moves(
    mode: str, stream: io.StringIO, environ: dict[str, str], expected: str
) -> None:
    assert resolved_mode(mode, stream, environ) == expected  # type: ignore[arg-type] # parametrised literals are str


def test_none_draws_nothing_and_never_asks() -> None:
    engine, stream = Engine(), Terminal()
    progress = Progress(engine, mode="none", stream=stream, environ=TERMINAL)
    for second in range(20):
        progress.tick(float(second), "draining")
    progress.say("hello")
    progress.close()
    assert (engine.looks, stream.getvalue()) == (0, "")


def test_plain_writes_a_line_every_interval_and_asks_no_more_often() -> None:
    engine, stream = Engine(), io.StringIO()
    progress = Progress(engine, mode="auto", interval_s=5.0, stream=stream, environ={})
    for quarter in range(4 * 21):
        progress.tick(quarter / 4)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert [line.split(" · ")[1] for line in lines] == ["200 / 1,000", "300 / 1,000", "400 / 1,000", "500 / 1,000"]
    assert engine.looks == 5, "the first look, and one for each line"
    assert "20.0/s" in lines[-1]


def test_a_resumed_run_has_only_the_rest_to_go() -> None:
    class Resumed(Engine):
        def __init__(self) -> None:
            super().__init__()
            self.counters = Counters(Earlier(written=600))

        def __call__(self) -> Snapshot:
            snapshot = super().__call__()
            self.counters.admitted += 600
            return snapshot

    stream = io.StringIO()
    progress = Progress(Resumed(), mode="plain", interval_s=5.0, stream=stream)
    progress.tick(0.0)
    progress.tick(5.0)
    progress.close()
    assert " · 800 / 1,000 · 80.0 % · 20.0/s · ETA 10 s · " in stream.getvalue()


def test_a_new_state_is_told_at_once_and_only_once() -> None:
    engine, stream = Engine(), io.StringIO()
    progress = Progress(engine, mode="plain", interval_s=5.0, stream=stream)
    progress.tick(0.0)
    progress.tick(0.25)
    progress.tick(0.5, "draining: 7 in flight")
    progress.tick(0.75, "draining: 7 in flight")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("draining: 7 in flight")


def test_plain_text_has_no_escapes_and_messages_cannot_bring_any() -> None:
    stream = io.StringIO()
    progress = Progress(Engine(), mode="plain", stream=stream)
    progress.say("cannot use http://u:p@h/\x1b[2J\nhint: try again")
    progress.tick(0.0, "\x1b[31mstate")
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().startswith("cannot use http://h/?[2J\nhint: try again\n")


def test_a_frame_keeps_to_sixty_columns_and_replaces_the_one_before() -> None:
    stream = Terminal()
    progress = Progress(Engine(), stream=stream, environ=TERMINAL)
    progress.tick(0.0)
    before = len(stream.getvalue())
    progress.tick(0.25, "draining: 7 in flight")
    second = stream.getvalue()[before:]
    assert second.count("\x1b[1A") == 3, "up over the four lines of the first frame"
    assert "draining: 7 in flight" in second
    assert max(len(line.strip("\r")) for line in shown(stream).splitlines()) <= 60
    progress.close()
    progress.close()


def test_a_frame_is_cut_to_the_terminal_not_wrapped() -> None:
    stream = Terminal()
    environ = {**TERMINAL, "COLUMNS": "20"}
    progress = Progress(Engine(), stream=stream, environ=environ)
    progress.tick(0.0)
    lines = shown(stream).splitlines()
    progress.close()
    assert len(lines) == 5, "a wrapped line would be one row more than what is erased"
    assert max(len(line) for line in lines) == 20


@pytest.mark.parametrize(("extra", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)])
def test_no_color_takes_the_colours_and_nothing_else(extra: dict[str, str], is_coloured: bool) -> None:
    stream = Terminal()
    progress = Progress(Engine(), stream=stream, environ=TERMINAL | extra)
    progress.tick(0.0)
    progress.close()
    assert bool(COLOUR.search(stream.getvalue())) == is_coloured
    assert "100 / 1,000 · 10.0 %" in shown(stream)


def test_frames_are_not_drawn_more_often_than_five_times_a_second() -> None:
    engine = Engine()
    progress = Progress(engine, stream=Terminal(), environ=TERMINAL)
    for millisecond in range(0, 1000, 20):
        progress.tick(millisecond / 1000)
    progress.close()
    assert engine.looks == 5


def test_the_cursor_is_visible_while_the_frame_stands_because_sigkill_could_not_bring_it_back() -> None:
    stream = Terminal()
    progress = Progress(Engine(), stream=stream, environ=TERMINAL)
    progress.tick(0.0)
    assert stream.getvalue().rfind("\x1b[?25h") > stream.getvalue().rfind("\x1b[?25l")
    progress.close()
    assert stream.getvalue().rfind("\x1b[?25h") > stream.getvalue().rfind("\x1b[?25l")


def test_a_message_goes_above_the_frame() -> None:
    stream = Terminal()
    progress = Progress(Engine(), stream=stream, environ=TERMINAL)
    progress.tick(0.0)
    before = len(stream.getvalue())
    progress.say("the ledger is being rebuilt")
    after = ESCAPE.sub("", stream.getvalue()[before:])
    progress.close()
    assert after.index("the ledger is being rebuilt") < after.index("100 / 1,000")


def test_closing_gives_stdout_and_stderr_back() -> None:
    out, err = sys.stdout, sys.stderr
    progress = Progress(Engine(), stream=Terminal(), environ=TERMINAL)
    progress.tick(0.0)
    assert sys.stdout is out, "stdout is no terminal here: data must not end up on stderr"
    progress.close()
    assert (sys.stdout, sys.stderr) == (out, err)


def test_a_terminal_that_went_away_ends_the_display_not_the_run() -> None:
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w", encoding="utf-8")
    engine = Engine()
    progress = Progress(engine, mode="plain", interval_s=1.0, stream=stream)
    os.close(reader)
    progress.tick(0.0)
    progress.tick(2.0)
    progress.tick(4.0)
    progress.say("still here")
    progress.close()
    assert engine.looks == 2, "after the first failed write nothing is drawn any more"
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_a_closed_stream_ends_the_display_not_the_run() -> None:
    stream = io.StringIO()
    progress = Progress(Engine(), mode="plain", interval_s=1.0, stream=stream)
    stream.close()
    progress.tick(0.0)
    progress.tick(2.0)
    progress.tick(4.0)


def test_a_full_pipe_costs_lines_instead_of_blocking_the_loop() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(reader, "rb") as unread, os.fdopen(writer, "w", encoding="utf-8") as stream:
        engine = Engine()
        progress = Progress(engine, mode="plain", interval_s=1.0, stream=stream)
        filled = 0
        try:
            while True:
                filled += os.write(writer, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(writer, True)
        assert not is_writable(stream)
        for second in range(5):
            progress.tick(float(second))  # would block for ever
        unread.read(filled)
        assert is_writable(stream)
        progress.tick(9.0)
        stream.flush()
        assert b"600 / 1,000" in unread.readline()
    assert engine.looks == 6


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_a_real_terminal_gets_frames_and_is_left_clean() -> None:
    master, slave = os.openpty()
    with os.fdopen(master, "rb", buffering=0) as screen, os.fdopen(slave, "w", encoding="utf-8") as stream:
        progress = Progress(Engine(), stream=stream, environ=TERMINAL)
        progress.tick(0.0)
        progress.close()
        # Nothing is closed yet, so all that was written is there to read; one read may give a part of it.
        erased = b"\r" + 4 * b"\x1b[1A\x1b[2K"
        drawn = b""
        while not drawn.endswith(erased):  # pytest's timeout bounds it
            drawn += screen.read(65_536)
    assert "100 / 1,000" in drawn.decode()


def test_a_stream_that_cannot_encode_the_signs_gets_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1")
    progress = Progress(Engine(), mode="plain", interval_s=1.0, stream=stream)
    progress.tick(0.0)
    progress.tick(1.0)
    assert raw.getvalue().isascii()
    assert b"200 / 1,000" in raw.getvalue()


def test_an_interval_that_is_no_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="interval_s > 0"):
        Progress(Engine(), interval_s=0.0)


@pytest.mark.slow
def test_importing_the_display_does_not_import_rich() -> None:
    code = "import sys, penstock.telemetry.progress, penstock.telemetry.summary; print('rich' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
