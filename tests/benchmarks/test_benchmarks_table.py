"""The peers' report: what stands in a cell of the table, and when an aim is met."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from benchmarks.peers.rows import Row
from benchmarks.peers.session import Cell, Plan, Results, Sample
from benchmarks.peers.table import as_json, markdown, summarise

CELL = Cell("1k", is_tls=False)


def row(name: str) -> Row:
    return Row(name, f"title of {name}", "rows", lambda job: [], lambda job, usage, want: (0, ""))


def sample(name: str, number: int, cpu_us: float) -> Sample:
    """A round with 0.3 s start-up and `cpu_us` a record."""
    long_s, short_s = 0.3 + 20_000 * cpu_us / 1e6, 0.3 + 200 * cpu_us / 1e6
    return Sample(number, CELL.title, name, 20_000, long_s, long_s + 1, 200, short_s, short_s + 0.5, 0.0)


def plan() -> Plan:
    return Plan([CELL], 20_000, 200, 6, 1, None, 60.0, 600.0, Path("/nowhere"))


def results() -> Results:
    costs = {"penstock": 30.0, "aiohttp": 150.0, "curl": 30.0, "bare-multi": 12.0}
    samples = [sample(name, n, cost * (1 + n / 100)) for name, cost in costs.items() for n in range(1, 7)]
    return Results(samples, rounds_done={CELL.title: 6})


def test_ratios_pair_the_rounds_so_that_drift_cancels_out() -> None:
    summary = summarise(results().samples, CELL.title, "aiohttp")
    assert summary is not None
    assert summary.ratio is not None
    assert abs(summary.ratio.low - 5.0) < 1e-6
    assert abs(summary.ratio.high - 5.0) < 1e-6
    assert summary.cpu_us.low < summary.cpu_us.high


def test_a_row_without_samples_has_no_summary() -> None:
    assert summarise(results().samples, CELL.title, "scrapy") is None


def test_errors_and_missing_programs_stand_in_the_table_instead_of_numbers() -> None:
    found = results()
    found.errors[CELL.title, "wget2"] = "expected 20000 records, got 19999"
    found.unavailable[CELL.title, "aria2c"] = "not installed (apt-get install -y aria2)"
    page = markdown(found, plan(), [row("penstock"), row("wget2"), row("aria2c")], {"kernel": "6"}, "the command")
    assert "| title of wget2 | rows | | **error:** expected 20000 records, got 19999 |" in page
    assert "| title of aria2c | rows | | not installed (apt-get install -y aria2) |" in page
    assert "| kernel | 6 |" in page
    assert "`the command`" in page


def test_aims_say_yes_no_or_cannot_tell() -> None:
    page = markdown(results(), plan(), [row("penstock")], {}, "")
    assert "| at least 4 × less CPU than the aiohttp script | 5.00 [5.00, 5.00] | yes |" in page
    assert "| at most 1.3 × the CPU of `curl -Z` | 1.00 [1.00, 1.00] | yes |" in page
    assert "µs | yes |" in page
    slow = results()
    slow.samples = [
        dataclasses.replace(one, cpu_s=one.cpu_s * (3 if one.round < 4 else 1)) if one.row == "penstock" else one
        for one in slow.samples
    ]
    page = markdown(slow, plan(), [row("penstock")], {}, "")
    assert "cannot tell |" in next(line for line in page.splitlines() if "the aiohttp script" in line)


def test_json_holds_every_sample_and_can_be_read_back() -> None:
    found = results()
    content = json.loads(json.dumps(as_json(found, plan(), {"kernel": "6"}, "the command")))
    assert len(content["samples"]) == len(found.samples)
    assert {one["row"] for one in content["summaries"][CELL.title]} == {"penstock", "aiohttp", "curl", "bare-multi"}
