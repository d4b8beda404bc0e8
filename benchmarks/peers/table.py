"""Turns a session's samples into the Markdown table and the JSON beside it. No measuring here."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.peers.intervals import Estimate, at_least, at_most, median_estimate, paired_ratios
from benchmarks.peers.rows import CONCURRENCY, Row
from benchmarks.peers.session import Plan, Results, Sample

REFERENCE = "penstock"
_COLUMNS = (
    "client",
    "writes",
    "n",
    "CPU µs a record",
    "records/s",
    "start-up CPU s",
    "whole µs a record",
    "ratio",
    "Penstock needs",
)


@dataclass(frozen=True)
class Aim:
    """A goal of the project: how many times Penstock's CPU this peer must need at least."""

    row: str
    text: str
    ratio_least: float


AIMS = (
    Aim("aiohttp", "at least 4 × less CPU than the aiohttp script", 4.0),
    Aim("daft", "at least 1.5 × less CPU than Daft", 1.5),
    Aim("scrapy", "at least 20 × less CPU than Scrapy", 20.0),
    Aim("curl", "at most 1.3 × the CPU of `curl -Z`", 1 / 1.3),
)
OVERHEAD_ROW, OVERHEAD_MOST_US = "bare-multi", 40.0
SINK_ROW = "bare-parquet"


@dataclass(frozen=True)
class Summary:
    """One row of one cell, medians with intervals. `ratio` is this row's CPU over Penstock's in the same round."""

    row: str
    records: int
    cpu_us: Estimate
    whole_cpu_us: Estimate
    startup_cpu_s: Estimate
    records_per_s: Estimate | None
    ratio: Estimate | None


def summarise(samples: Sequence[Sample], cell: str, row: str) -> Summary | None:
    """The summary of a row in a cell; None when it has no sample there."""
    own = {sample.round: sample for sample in samples if sample.cell == cell and sample.row == row}
    if not own:
        return None
    values = list(own.values())
    rates = [rate for sample in values if (rate := sample.records_per_s) is not None]
    top, bottom = _paired(samples, cell, row, REFERENCE)
    ratios = paired_ratios(top, bottom)
    return Summary(
        row=row,
        records=values[0].records,
        cpu_us=median_estimate([sample.marginal_cpu_us for sample in values]),
        whole_cpu_us=median_estimate([sample.whole_cpu_us for sample in values]),
        startup_cpu_s=median_estimate([sample.startup_cpu_s for sample in values]),
        records_per_s=median_estimate(rates) if rates else None,
        ratio=median_estimate(ratios) if ratios else None,
    )


def markdown(results: Results, plan: Plan, rows: Sequence[Row], facts: dict[str, str], command: str) -> str:
    """The whole report page."""
    parts = [_header(results, plan, facts, command)]
    for cell in plan.cells:
        parts.append(_cell_table(results, cell.title, rows))
        parts.append(_aims(results, cell.title))
    return "\n".join(part for part in parts if part) + "\n"


def as_json(results: Results, plan: Plan, facts: dict[str, str], command: str) -> dict[str, object]:
    """Everything needed to compute the table again: facts, plan, estimates, raw samples."""
    names = sorted({sample.row for sample in results.samples})
    return {
        "format": 1,
        "command": command,
        "facts": facts,
        "plan": {
            "records": plan.records,
            "records_start": plan.records_start,
            "rounds": plan.rounds,
            "seed": plan.seed,
            "concurrency": CONCURRENCY,
        },
        "elapsed_s": round(results.elapsed_s, 1),
        "steal_share": round(results.steal_share, 5),
        "others_share": round(results.others_share, 5),
        "is_cut_short": results.is_cut_short,
        "summaries": {
            cell.title: [
                dataclasses.asdict(summary)
                for name in names
                if (summary := summarise(results.samples, cell.title, name))
            ]
            for cell in plan.cells
        },
        "unavailable": [{"cell": cell, "row": row, "why": why} for (cell, row), why in results.unavailable.items()],
        "errors": [{"cell": cell, "row": row, "error": text} for (cell, row), text in results.errors.items()],
        "samples": [dataclasses.asdict(sample) for sample in results.samples],
    }


def _header(results: Results, plan: Plan, facts: dict[str, str], command: str) -> str:
    done = ", ".join(f"{cell} {count}" for cell, count in results.rounds_done.items())
    fact_lines = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    disturbed = (
        f"{results.steal_share:.2%} of processor time stolen by the hypervisor, "
        f"{results.others_share:.1%} used by other programs"
    )
    rounds = max(results.rounds_done.values(), default=1)
    coverage = median_estimate([0.0] * rounds).coverage
    cut = "\n**Cut short by the time limit: the rounds differ between the parts.**\n" if results.is_cut_short else ""
    return f"""# Penstock and its peers

Reproduce with `{command}` (see [benchmarks/README.md](../../benchmarks/README.md)).
{cut}
One nginx on its own core, every client on another, one at a time, {CONCURRENCY} requests in flight, HTTP/1.1 with
keep-alive, distinct URLs. n = {plan.records:,} records a run (fewer for slow peers), rounds done: {done}.
In each round all rows run in random order (seed {plan.seed}). The output of every run is checked: each record once, all
lengths, all digests where the peer writes them, 200 bodies hashed. A row that fails a check shows the error instead.

**CPU** is user + system time of the whole process tree. Start-up is taken apart: each row also runs with
n₀ = {plan.records_start} records in each round; *µs a record* is (CPU(n) − CPU(n₀)) ÷ (n − n₀), *records/s* likewise
from wall time, *whole* is CPU(n) ÷ n with start-up in it. *Ratio* is the peer's µs a record over Penstock's in the
same round: above 1, Penstock needs less. In brackets: the order-statistic interval of the median, which covers it with
{coverage:.1%} at {rounds} rounds. wrk fetches one URL and keeps nothing: the cost of HTTP alone, in C.

| | |
|---|---|
{fact_lines}
| session | {results.elapsed_s / 60:.1f} min, {disturbed} |
"""


def _cell_table(results: Results, cell: str, rows: Sequence[Row]) -> str:
    lines = [
        f"## {cell}\n",
        f"| {' | '.join(_COLUMNS)} |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        if trouble := results.unavailable.get((cell, row.name)):
            lines.append(f"| {row.title} | {row.writes} | | {trouble} | | | | | |")
        elif trouble := results.errors.get((cell, row.name)):
            lines.append(f"| {row.title} | {row.writes} | | **error:** {trouble} | | | | | |")
        elif summary := summarise(results.samples, cell, row.name):
            lines.append(_table_line(row, summary))
    return "\n".join(lines) + "\n"


def _table_line(row: Row, summary: Summary) -> str:
    ratio, verdict = "", ""
    if summary.ratio is not None and row.name != REFERENCE:
        ratio, verdict = _shown(summary.ratio, ".2f"), _less_or_more(summary.ratio)
    rate = _shown(summary.records_per_s, ",.0f") if summary.records_per_s else ""
    return (
        f"| {row.title} | {row.writes} | {summary.records:,} | {_shown(summary.cpu_us, ',.1f')} | {rate} "
        f"| {summary.startup_cpu_s.median:.2f} | {summary.whole_cpu_us.median:,.1f} | {ratio} | {verdict} |"
    )


def _less_or_more(ratio: Estimate) -> str:
    if ratio.low > 1:
        return "less"
    return "more" if ratio.high < 1 else "cannot tell"


def _aims(results: Results, cell: str) -> str:
    lines = []
    for aim in AIMS:
        summary = summarise(results.samples, cell, aim.row)
        if summary and summary.ratio:
            met = at_least(summary.ratio, aim.ratio_least)
            lines.append(f"| {aim.text} | {_shown(summary.ratio, '.2f')} | {met} |")
    own, bare = _paired(results.samples, cell, REFERENCE, OVERHEAD_ROW)
    if own:
        overhead = median_estimate([a - b for a, b in zip(own, bare, strict=True)])
        text = f"engine at most {OVERHEAD_MOST_US:.0f} µs a record over a bare libcurl loop"
        lines.append(f"| {text} | {_shown(overhead, '.1f')} µs | {at_most(overhead, OVERHEAD_MOST_US)} |")
        lines.extend(_left_over(results, cell))
    if not lines:
        return ""
    return "\n".join(["| aim | measured | met |", "|---|--:|---|", *lines]) + "\n"


def _left_over(results: Results, cell: str) -> list[str]:
    """What Penstock needs besides libcurl, SHA-256 and Parquet: the rounds in which all three rows stand. No aim."""
    by_row = [
        {one.round: one.marginal_cpu_us for one in results.samples if one.cell == cell and one.row == row}
        for row in (REFERENCE, OVERHEAD_ROW, SINK_ROW)
    ]
    rounds = sorted(by_row[0].keys() & by_row[1].keys() & by_row[2].keys())
    if not rounds:
        return []
    left = median_estimate([by_row[0][n] - by_row[1][n] - by_row[2][n] for n in rounds])
    return [f"| (engine without libcurl, SHA-256 and Parquet) | {_shown(left, '.1f')} µs | |"]


def _paired(samples: Sequence[Sample], cell: str, top: str, bottom: str) -> tuple[list[float], list[float]]:
    """µs a record of both rows in the rounds that both have, in the order of the rounds."""
    tops, bottoms = (
        {sample.round: sample.marginal_cpu_us for sample in samples if sample.cell == cell and sample.row == row}
        for row in (top, bottom)
    )
    both = sorted(tops.keys() & bottoms.keys())
    return [tops[number] for number in both], [bottoms[number] for number in both]


def _shown(estimate: Estimate, form: str) -> str:
    return f"{estimate.median:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"
