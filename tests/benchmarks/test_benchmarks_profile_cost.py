"""The cost of profiles: a small run of the benchmark goes through, and its page says what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_tiny_run_measures_every_workload_and_writes_its_page(tmp_path: Path) -> None:
    page = tmp_path / "cost.md"
    words = ["--pairs", "1", "--scale", "0.01", "--kinds", "none,cpu,await", "--out", str(page)]
    command = [sys.executable, "benchmarks/profile_cost.py", *words]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    rows = json.loads(page.with_suffix(".json").read_text("utf-8"))["rows"]
    by_work: dict[str, list[str]] = {}
    for row in rows:
        by_work.setdefault(row["workload"], []).append(row["kind"])
    long = [kinds for work, kinds in by_work.items() if "as long" in work]
    assert long == [["none", "await"]]
    assert [kinds for work, kinds in by_work.items() if "as long" not in work] == [["none", "cpu", "await"]] * 4
    assert all(row["cpu"]["median"] > 0 and row["cpu"]["n"] >= 1 for row in rows)
    lines = page.read_text("utf-8").splitlines()
    assert sum(line.startswith("| penstock fetch |") for line in lines) == 3
