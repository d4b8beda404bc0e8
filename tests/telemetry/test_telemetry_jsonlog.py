"""JSON lines: each one is an object a collector can read, from a closed and documented set, without secrets."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.telemetry.counters import Counters
from penstock.telemetry.jsonlog import (
    EVENTS,
    LEVELS,
    Event,
    JsonLog,
    finished_fields,
    line,
    progress_fields,
    started_fields,
)
from penstock.telemetry.rates import Rates
from penstock.telemetry.snapshot import Snapshot
from penstock.telemetry.stats import RunFacts, summary_dict

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
NOON_S = dt.datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=dt.UTC).timestamp()


def test_a_line_says_when_how_grave_and_what() -> None:
    text = line("progress", NOON_S, {"written": 3, "eta_s": None})
    assert text.endswith("}\n")
    assert list(json.loads(text).items()) == [
        ("time", "2026-01-31T12:00:00.250Z"),
        ("level", "info"),
        ("event", "progress"),
        ("written", 3),
        ("eta_s", None),
    ]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(event=st.sampled_from(EVENTS), fields=st.dictionaries(st.text(min_size=6), VALUES, max_size=4))
def test_whatever_the_fields_hold_a_line_is_one_line_of_strict_json(event: Event, fields: dict[str, object]) -> None:
    text = line(event, NOON_S, fields)
    assert text.count("\n") == 1
    assert text.isascii()

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    assert json.loads(text, parse_constant=refuse)["event"] == event


def test_numbers_that_json_does_not_have_become_null() -> None:
    fields = {"a": float("nan"), "b": [float("inf")], "c": {"d": -float("inf"), "e": 1.5}}
    found = json.loads(line("progress", NOON_S, fields))
    assert (found["a"], found["b"], found["c"]) == (None, [None], {"d": None, "e": 1.5})


def test_passwords_and_terminal_escapes_do_not_pass() -> None:
    text = line("error", NOON_S, {"message": "http://me:hunter2@host/ \x1b[31mred\x07"})
    assert "hunter2" not in text
    assert "\\u001b" not in text
    assert "http://host/" in text


def test_every_event_is_documented_with_its_level_and_no_other() -> None:
    section = REFERENCE.partition("\n## Log events\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", section, flags=re.MULTILINE)
    assert [name for name, _, _ in rows] == list(EVENTS)
    assert {name: level for name, level, _ in rows} == dict(LEVELS)


def look() -> Snapshot:
    counters = Counters()
    counters.admitted, counters.written, counters.ended = 10, 4, 5
    counters.success("http://a.test:80", 100, 0.01, 0.02)
    return Snapshot(3.25, counters, in_flight=2, queued=1, total=20, limit=8)


def test_progress_has_the_names_of_the_statistics() -> None:
    rates = Rates()
    rates.update(0.0, ended=0, bytes_body=0, left=20)
    rates.update(1.0, ended=5, bytes_body=100, left=15)
    fields = progress_fields(look(), rates)
    assert (fields["written"], fields["pending"], fields["input_total"]) == (4, 6, 20)
    assert fields["items_per_s"] == pytest.approx(5)
    assert fields["eta_s"] == pytest.approx(3)
    summary = summary_dict(look(), RunFacts(data="out/*"))
    items = summary["items"]
    assert isinstance(items, dict)
    of_now = {"ended", "items_per_s", "eta_s", "in_flight", "limit", "queued", "delayed", "bytes_held"}
    assert not set(fields) - set(summary) - set(items) - of_now


def test_the_start_says_what_is_resumed() -> None:
    fields = started_fields(look(), out="out", version="1.0")
    assert fields["concurrency"] == 8
    assert fields["from_earlier_runs"] == 0


def test_the_end_is_the_summary_without_what_is_long_or_holds_urls() -> None:
    snapshot = look()
    summary = summary_dict(snapshot, RunFacts(data="out/*"))
    fields = finished_fields({**summary, "series": {"end_s": [1] * 1000}, "settings": {"header": ["Cookie: x"]}}, 1)
    assert fields["exit_code"] == 1
    assert fields["items"] == summary["items"]
    assert not {"series", "settings", "examples", "hosts"} & set(fields)


# --- streams that misbehave


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, TextIO]]:
    """The reading end and a stream over the writing end of a pipe that has room for nothing."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 65536)
    except BlockingIOError:
        pass
    stream = os.fdopen(writing, "w", buffering=1)
    yield reading, stream
    with contextlib.suppress(OSError):
        stream.close()
    os.close(reading)


def test_a_reader_that_does_not_read_costs_progress_lines_and_no_waiting(full_pipe: tuple[int, TextIO]) -> None:
    reading, stream = full_pipe
    log = JsonLog(stream, lambda: NOON_S)
    log.write("progress", {"written": 1})
    while os.read(reading, 1 << 20) == b"x" * (1 << 20):
        pass
    log.write("progress", {"written": 2})
    os.set_blocking(reading, False)
    rest = os.read(reading, 1 << 20).replace(b"x", b"")
    assert json.loads(rest)["written"] == 2


class Gone(io.StringIO):
    """A stream whose reader has gone."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        raise BrokenPipeError


def test_a_reader_that_has_gone_is_not_written_to_again() -> None:
    stream = Gone()
    log = JsonLog(stream, lambda: NOON_S)
    for event in EVENTS:
        log.write(event, {})
    assert stream.writes == 1
