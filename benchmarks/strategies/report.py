"""Writes docs/report/strategies.md and .html: `python benchmarks/strategies/report.py`, six minutes.

Runs `penstock compare --preset all` and `costs.py`, or takes what they wrote (`--comparison`, `--costs`). It judges
nothing anew. The rule: a sentence of the page is made from the numbers beside it, or it is not there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.strategies.effects import interpreter_section, process_section, thread_section, uvloop_section

from penstock.perf.compare.asjson import from_json
from penstock.perf.compare.figures import known, ordered, standing
from penstock.perf.compare.model import Comparison
from penstock.perf.compare.page import compare_html
from penstock.perf.compare.pictures import latency_svg, throughput_svg
from penstock.telemetry.format import rate_text

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "report" / "strategies.md"
COMMAND = ["compare", "--preset", "all"]
_SENTENCES = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code of the comparison when it was refused."""
    args = _parse(arguments)
    args.work.mkdir(parents=True, exist_ok=True)
    comparison, costs = args.comparison, args.costs
    if costs is None:
        costs = args.work / "costs.json"
        script = Path(__file__).with_name("costs.py")
        subprocess.run([sys.executable, str(script), "--json", str(costs)], check=True)
    if comparison is None:
        comparison = args.work / "compare.json"
        command = [sys.executable, "-m", "penstock", *COMMAND, "--json", str(comparison)]
        code = subprocess.run(command, check=False).returncode
        if code:
            return code
    comparisons = from_json(json.loads(comparison.read_text()))
    pictures = PAGE.with_suffix("")
    pictures.mkdir(exist_ok=True)
    for one in comparisons:
        (pictures / f"{one.workload}-throughput.svg").write_text(throughput_svg(one))
        (pictures / f"{one.workload}-latency.svg").write_text(latency_svg(one))
    PAGE.with_suffix(".html").write_text(compare_html(comparisons, command="penstock " + " ".join(COMMAND)))
    PAGE.write_text(page(comparisons, json.loads(costs.read_text())))
    print(f"{PAGE.relative_to(ROOT)}, {PAGE.with_suffix('.html').relative_to(ROOT)}, {len(comparisons)} workloads")
    return 0


def page(comparisons: Sequence[Comparison], costs: Mapping[str, Mapping[str, Any]]) -> str:
    """The Markdown page."""
    first = comparisons[0]
    facts = first.machine
    elapsed_s = sum(one.elapsed_s for one in comparisons)
    lines = [
        "# Which way is fastest: six strategies on seven workloads",
        "",
        f"Measured on {facts.get('cpu')}, {facts.get('cores_usable')} cores shared by client and server, "
        f"{facts.get('python')}, penstock {facts.get('penstock')}, in {elapsed_s / 60:.1f} minutes, by "
        "`python benchmarks/strategies/report.py`. Every strategy uses libcurl, so that strategies are compared and "
        "not clients; all give the same outputs (checked); their runs are interleaved in random order. [All of it, "
        "with every interval](strategies.html) is a page to open in a browser; "
        "[how to read and repeat it](../guides/choose-a-strategy.md).",
        "",
        "## At a glance",
        "",
        *_glance(comparisons),
        "",
        *_shine(comparisons),
        "",
        "## Workload by workload",
        "",
    ]
    for one in comparisons:
        lines += _workload(one)
    for section in (interpreter_section, uvloop_section, thread_section, process_section):
        lines += section(comparisons, costs)
    lines += _limits()
    return "\n".join(lines) + "\n"


def _glance(comparisons: Sequence[Comparison]) -> list[str]:
    names = [summary.name for summary in comparisons[0].summaries]
    lines = [
        "Items per second. **Bold**: the most, and all that cannot be told from it; ★ recommended: among those it "
        "needs the least CPU, or is the simplest.",
        "",
        "| workload | " + " | ".join(names) + " |",
        "|---|" + "--:|" * len(names),
    ]
    for one in comparisons:
        rates = {summary.name: known(summary.throughput_per_s) for summary in one.summaries}
        best = standing(one, "throughput", rates)
        cells = []
        for name in names:
            rate = rates.get(name)
            text = "–" if rate is None else rate_text(rate)
            star = " ★" if one.recommendation and one.recommendation.name == name else ""
            cells.append(f"**{text}**{star}" if name in best else f"{text}{star}")
        lines.append(f"| [{one.workload}](#{one.workload}) | " + " | ".join(cells) + " |")
    return lines


def _shine(comparisons: Sequence[Comparison]) -> list[str]:
    """When each strategy wins, in a line each."""
    lines = []
    for name in [summary.name for summary in comparisons[0].summaries]:
        chosen = [one.workload for one in comparisons if one.recommendation and one.recommendation.name == name]
        level = []
        for one in comparisons:
            rates = {summary.name: known(summary.throughput_per_s) for summary in one.summaries}
            if name in standing(one, "throughput", rates) and one.workload not in chosen:
                level.append(one.workload)
        says = []
        if chosen:
            says.append(f"recommended for {_listed(chosen)}")
        if level:
            says.append(f"as fast as the best on {_listed(level)}")
        lines.append(f"- **{name}**: {'; '.join(says) if says else 'nowhere among the fastest'}.")
    return lines


def _workload(one: Comparison) -> list[str]:
    lines = [f"### {one.workload}", "", f"{one.about[:1].upper()}{one.about[1:]}.", ""]
    if one.refusal is not None:
        return [*lines, f"No verdict: {one.refusal.message}", ""]
    lines += [f"![throughput of each strategy on {one.workload}](strategies/{one.workload}-throughput.svg)", ""]
    if one.recommendation is not None:
        lines += [f"**{one.recommendation.name}**: {one.recommendation.reason}", ""]
    # The page is for five minutes; the rest stands in the HTML.
    lines += [" ".join(one.commentary[:_SENTENCES]), ""]
    slowest = ordered(one)[-1]
    if one.rate_per_s is not None:
        late = [summary.name for summary in one.summaries if summary.keeps_up is False]
        lines += [
            f"Latency from the intended start at {rate_text(one.rate_per_s)}"
            + (f" ({_listed(late)} cannot keep up)" if late else f" (also {slowest.name} keeps up)")
            + f": [chart](strategies/{one.workload}-latency.svg).",
            "",
        ]
    return lines


def _limits() -> list[str]:
    return [
        "## What this does not say",
        "",
        "- One machine, client and server on the same two cores: on `small`, `large` and `tls` the server takes a good "
        "part of them, and a client that uses two cores takes them from it.",
        "- Strategies, not clients: with another client the order can differ (`penstock compare --client aiohttp`).",
        "- A difference below 10 % is not told; [why](compare-simulation.md), and "
        "[how steady the verdicts are](compare-repeated.md).",
        "- The process pool has 4 workers (one per core on `cpu-5ms`); more would have more in flight.",
    ]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparison", type=Path, help="what `penstock compare --preset all --json` wrote")
    parser.add_argument("--costs", type=Path, help="what `costs.py --json` wrote")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "strategies", help="where the numbers are kept")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
