"""series.jsonl: what is written is what was seen, and a disk that takes nothing does no harm."""

from __future__ import annotations

import json
from pathlib import Path

from penstock.engine.seriesfile import SeriesFile
from penstock.telemetry.window import COLUMNS, RunShape, Window


def test_each_process_begins_with_a_header_and_adds_a_line_per_window(tmp_path: Path) -> None:
    path = tmp_path / "series.jsonl"
    for started in ("first", "second"):
        series = SeriesFile(path, started)
        collect = series.collector(lambda flush: flush(), lambda: RunShape(8, 4))
        for second in range(1, 8):
            collect(Window(float(second), 1.0, answers=second, ttfb_s_p50=0.123456789))
        series.flush()
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["started"] for line in lines if isinstance(line, dict)] == ["first", "second"]
    assert lines[0]["columns"] == list(COLUMNS)
    assert lines[0]["shape"]["concurrency_per_host"] == 4
    windows = [dict(zip(COLUMNS, line, strict=True)) for line in lines if isinstance(line, list)]
    assert [window["answers"] for window in windows] == [*range(1, 8)] * 2
    assert windows[0]["ttfb_s_p50"] == 0.123457


def test_windows_reach_the_file_every_few_seconds_through_the_other_thread(tmp_path: Path) -> None:
    posted = []
    series = SeriesFile(tmp_path / "series.jsonl", "now")
    collect = series.collector(posted.append, lambda: None)
    for second in range(1, 4):
        collect(Window(float(second), 1.0))
    assert not posted
    collect(Window(4.0, 1.0))
    assert len(posted) == 1
    assert not (tmp_path / "series.jsonl").exists()
    posted[0]()
    assert len((tmp_path / "series.jsonl").read_text("utf-8").splitlines()) == 5


def test_a_file_that_cannot_be_written_loses_the_lines_and_nothing_else(tmp_path: Path) -> None:
    series = SeriesFile(tmp_path / "no" / "such" / "folder" / "series.jsonl", "now")
    series.add(Window(1.0, 1.0))
    series.flush()
    series.flush()
    assert not (tmp_path / "no").exists()
