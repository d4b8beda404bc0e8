"""What the corpus' page says: the confusion matrix, the score of each half, and runs that did not take place."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.verdict.corpus import BY_NAME
from benchmarks.verdict.matrix import Result, matrix_table, page, scenario_table, score

ROOT = Path(__file__).resolve().parents[2]
RIGHT = Result(BY_NAME["rate-50"], "rate_limit", 1.0, ("80% of the places wait for the rate that was set",))
WRONG = replace(RIGHT, label="input", confidence=0.95)
DOUBTED = replace(RIGHT, label="input", confidence=0.6, scenario=BY_NAME["rate-per-host"])
SKIPPED = Result(BY_NAME["dns-200ms"], skipped="needs root")


def test_a_wrong_verdict_counts_double_only_when_it_was_sure() -> None:
    total = score([RIGHT, WRONG, DOUBTED, SKIPPED])
    assert (total.runs, total.right, total.sure_and_wrong) == (3, 1, 1)
    assert score([DOUBTED, RIGHT], "hold-out").share == 0.0
    assert score([DOUBTED, RIGHT], "design").share == 1.0
    assert score([SKIPPED]).share == 0.0


def test_the_matrix_has_truths_down_and_verdicts_across() -> None:
    lines = matrix_table([RIGHT, RIGHT, WRONG, SKIPPED]).splitlines()
    assert lines[0] == "| truth ↓ · verdict → | rate_limit | input | runs |"
    assert lines[2] == "| rate_limit | **2** | 1 | 3 |"
    assert len(lines) == 3


def test_the_page_lists_what_was_wrong_and_what_did_not_run() -> None:
    text = page([RIGHT, WRONG, SKIPPED], command="run.py", machine="2 cores", when="today")
    assert "| all | 2 | 1 | 50.0% | 1 |" in text
    assert "1 scenarios could not run here" in text
    assert "hold-out" in text
    table = scenario_table([WRONG, SKIPPED])
    assert "| **input** | 0.95 |" in table
    assert "not run | | needs root |" in table


@pytest.mark.slow
def test_one_command_runs_a_scenario_keeps_it_and_judges_it_again(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/verdict/run.py", "--only", "too-short", "--markdown", str(tmp_path / "v.md")]
    ran = subprocess.run([*command, "--keep", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    first = json.loads((tmp_path / "v.json").read_text())
    again = subprocess.run([*command, "--from", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    second = json.loads((tmp_path / "v.json").read_text())
    assert first["runs"] == second["runs"]
    assert first["runs"][0]["label"] == "mixed"
