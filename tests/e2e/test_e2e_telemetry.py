"""What a real run tells of itself: the series adds up to the run, survives a kill, and can be left out."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import suppress
from typing import Any

import pytest

from penstock.perf.origin.process import OriginProcess
from penstock.telemetry.window import COLUMNS, windows_of

pytestmark = pytest.mark.slow


def listing(origin: OriginProcess, count: int, latency_s: float) -> str:
    return "\n".join(f"{origin.url}/page/{n}?latency={latency_s}&bytes=2K" for n in range(count))


def lines_of(penstock: Any) -> list[Any]:
    """What series.jsonl holds; a last line that was cut off by a kill is left out."""
    path = penstock.folder / "out" / "_penstock" / "series.jsonl"
    text = path.read_text("utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def test_the_series_of_a_run_adds_up_to_its_counters(penstock: Any, fresh: OriginProcess) -> None:
    penstock.write("list.txt", listing(fresh, 600, 0.05))
    penstock("fetch", "list.txt", "-o", "out", "-j", "10")
    stats = json.loads((penstock.folder / "out" / "_penstock" / "stats.json").read_text())
    windows = windows_of(stats["series"])
    assert len(windows) >= 3
    assert sum(window.answers for window in windows) == stats["attempts"] == 600
    assert sum(window.written for window in windows) == 600
    assert sum(window.bytes_body for window in windows) == stats["bytes_body"]
    assert sum(window.connects for window in windows) == stats["connects"]
    # Measured apart: places are held (our clock) at least as long as answers take (libcurl's).
    assert sum(window.slot_s for window in windows) > 0.95 * sum(window.total_s for window in windows) > 600 * 0.047
    assert stats["phases"]["ttfb_s"]["n"] == 600
    assert stats["phases"]["ttfb_s"]["p50"]["value"] >= 0.049
    assert stats["verdict"]["label"] in ("mixed", "concurrency")
    assert 0 <= stats["verdict"]["confidence"] <= 1
    assert stats["settings"]["concurrency"] == 10
    assert sum(stats["cpu_by_thread"].values()) > 0
    lines = lines_of(penstock)
    assert lines[0]["columns"] == list(COLUMNS)
    assert sum(line[COLUMNS.index("answers")] for line in lines[1:]) == 600


def test_the_series_survives_a_kill_and_goes_on_after_it(penstock: Any, fresh: OriginProcess) -> None:
    penstock.write("list.txt", listing(fresh, 1500, 0.05))
    process = penstock.start("fetch", "list.txt", "-o", "out", "-j", "8")
    for _ in range(6000):
        if len(lines_of(penstock)) >= 4:
            break
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = lines_of(penstock)
    assert len(before) >= 4
    assert not (penstock.folder / "out" / "_penstock" / "stats.json").exists()
    penstock("fetch", "list.txt", "-o", "out", "-j", "100")
    after = lines_of(penstock)
    assert after[: len(before)] == before
    assert len([line for line in after if isinstance(line, dict)]) == 2


def test_without_telemetry_there_is_no_series_and_no_verdict(penstock: Any, fresh: OriginProcess) -> None:
    penstock.write("list.txt", listing(fresh, 20, 0.0))
    penstock("fetch", "list.txt", "-o", "out", "--no-telemetry")
    internal = penstock.folder / "out" / "_penstock"
    stats = json.loads((internal / "stats.json").read_text())
    assert "series" not in stats
    assert "verdict" not in stats
    assert not (internal / "series.jsonl").exists()
    assert stats["phases"]["total_s"]["n"] == 20


def test_no_secret_reaches_the_settings(penstock: Any, fresh: OriginProcess) -> None:
    penstock.write("list.txt", f"http://user:secret1@{fresh.url.removeprefix('http://')}/page/1")
    flags = ["-H", "Authorization: Bearer secret2", "--cookie", "a=secret3"]
    penstock("fetch", "list.txt", "-o", "out", *flags)
    text = "".join(path.read_text("utf-8") for path in sorted((penstock.folder / "out" / "_penstock").glob("*.json*")))
    assert "Authorization" in text
    assert "secret" not in text
