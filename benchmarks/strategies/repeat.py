"""Does `penstock compare` say the same twice? `python benchmarks/strategies/repeat.py --times 20`, about an hour.

Whole comparisons, each with its own processes and seed, repeated over the presets; threads and uvloop run twice in
each, so that the same code meets itself. Goes on where it was stopped (`--keep FILE`); `--out` writes the page.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.strategies.agreement import Agreement, Key, Repetition, agreement, unsteady

from penstock.perf.compare.options import CompareOptions
from penstock.perf.compare.pairs import MARGIN
from penstock.perf.compare.session import compare_workload
from penstock.perf.measure.model import RunRequest, RunResult
from penstock.perf.measure.process import MeasuredProcess
from penstock.perf.workload.model import Alternative, Strategy, Workload
from penstock.perf.workload.presets import PRESETS, preset_workload
from penstock.perf.workload.targets import fetch_alternatives
from penstock.telemetry.machinefacts import machine_facts

Told: TypeAlias = tuple[str, str, str, float | None]
_WHY = (
    f"A pair is told apart from a ratio of {1 + MARGIN:.2f} (or {1 / (1 + MARGIN):.2f}) on. One whose true ratio is "
    "just there gets either verdict, whatever the rule: each start of a process moves it by a percent or so.",
)
STRATEGIES: tuple[Strategy, ...] = (
    "sync",
    "threads",
    "threads",
    "processes",
    "asyncio",
    "uvloop",
    "uvloop",
    "penstock",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 when a comparison was refused: then something is wrong with the machine or the program."""
    args = _parse(arguments)
    kept = _kept(args.keep)
    began_s = time.monotonic()
    for number in range(args.times):
        for preset in args.preset or list(PRESETS):
            if f"{number} {preset}" in kept:
                continue
            if args.minutes and time.monotonic() - began_s > 60 * args.minutes:
                break
            entry = _once(preset, args.seed + number)
            refusal = entry.pop("refusal")
            told = f"{entry['rounds']} rounds, {entry['elapsed_s']:.0f} s {refusal}"
            print(f"{number + 1} of {args.times}, {preset}: {told}", flush=True)
            if refusal:
                return 1
            kept[f"{number} {preset}"] = entry
            with args.keep.open("a") as file:
                file.write(json.dumps({"key": f"{number} {preset}", **entry}) + "\n")
    text = page(kept)
    print(text)
    if args.out:
        args.out.write_text(text)
    return 0


def page(kept: dict[str, dict[str, Any]]) -> str:
    """The Markdown page: per preset and over all."""
    by_preset: dict[str, list[Repetition]] = {}
    ratios: dict[Key, list[float]] = {}
    for key, entry in kept.items():
        preset = key.split()[1]
        verdicts = entry["verdicts"]
        assert isinstance(verdicts, list)
        by_preset.setdefault(preset, []).append({(preset, a, b): verdict for a, b, verdict, _ in verdicts})
        for a, b, _, ratio in verdicts:
            if ratio is not None:
                ratios.setdefault((preset, a, b), []).append(ratio)
    every = [repetition for repetitions in by_preset.values() for repetition in repetitions]
    rows = [(preset, agreement(repetitions)) for preset, repetitions in by_preset.items()]
    total = _sum([found for _, found in rows])
    facts = machine_facts()
    lines = [
        "# Does a comparison say the same twice?",
        "",
        f"Whole comparisons repeated with new processes and seeds, on {facts['cpu']}, {facts['cores_usable']} cores, "
        f"{facts['python']}, penstock {facts['penstock']}. Made by `python benchmarks/strategies/repeat.py`.",
        "",
        "*Agreement*: of every two repetitions and every pair of alternatives, how often both say the same (faster, "
        "slower, cannot tell). *Opposite*: one says faster, the other slower. *Twins*: the same strategy twice in one "
        "comparison; only `cannot tell` is right.",
        "",
        "| preset | repetitions | pairs | agreement | opposite | twins right |",
        "|---|--:|--:|--:|--:|--:|",
        *(_row(preset, found) for preset, found in rows),
        _row("**all**", total),
        "",
    ]
    loose = unsteady(every)
    if loose:
        lines += ["The pairs on which repetitions differ, with the least, the median and the largest ratio of all:", ""]
        lines += ["| preset | pair | verdicts | ratio |", "|---|---|---|---|"]
        for pair, counts in loose:
            preset, a, b = pair
            said = ", ".join(f"{count} × {verdict}" for verdict, count in counts.most_common())
            seen = ratios.get(pair)
            spread = f"{min(seen):.2f} · {median(seen):.2f} · {max(seen):.2f}" if seen else "–"
            lines.append(f"| {preset} | {a} against {b} | {said} | {spread} |")
        lines += ["", *_WHY, ""]
    return "\n".join(lines)


class _Noted(MeasuredProcess):
    """Notes the throughput of each timed run, so that other rules can judge the same rounds later."""

    def __init__(self, alternative: Alternative, workload: Workload, noted: dict[str, list[float]]) -> None:
        super().__init__(alternative, workload)
        self._noted = noted.setdefault(alternative.name, [])

    def run(self, request: RunRequest) -> RunResult:
        result = super().run(request)
        if request.items is None:  # not the check of outputs
            self._noted.append(float(f"{result.throughput_per_s:.5g}"))
        return result


def _once(preset: str, seed: int) -> dict[str, Any]:
    noted: dict[str, list[float]] = {}
    with preset_workload(preset) as workload:
        alternatives = fetch_alternatives(STRATEGIES, ("curl",))
        options = CompareOptions(rate="none", seed=seed)
        comparison = compare_workload(workload, alternatives, options, make=partial(_Noted, noted=noted))
    judged = [pair for pair in comparison.pairs if pair.metric == "throughput"]
    verdicts: list[Told] = [(pair.a, pair.b, str(pair.verdict), pair.ratio.value) for pair in judged]
    return {
        "verdicts": verdicts,
        "rounds": comparison.rounds,
        "elapsed_s": round(comparison.elapsed_s, 1),
        "refusal": comparison.refusal.message if comparison.refusal else "",
        "throughputs_per_s": {name: values[1:] for name, values in noted.items()},  # the first warmed up
    }


def _sum(found: Sequence[Agreement]) -> Agreement:
    return Agreement(
        repetitions=max((one.repetitions for one in found), default=0),
        pairs=sum(one.pairs for one in found),
        same=sum(one.same for one in found),
        compared=sum(one.compared for one in found),
        opposite=sum(one.opposite for one in found),
        twins_right=sum(one.twins_right for one in found),
        twins=sum(one.twins for one in found),
    )


def _row(name: str, found: Agreement) -> str:
    share = "–" if found.share is None else f"{found.share:.1%} ({found.same:,} of {found.compared:,})"
    twins = f"{found.twins_right} of {found.twins}"
    return f"| {name} | {found.repetitions} | {found.pairs} | {share} | {found.opposite} | {twins} |"


def _kept(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return {entry.pop("key"): entry for entry in entries}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="repetitions of each preset (default 20)")
    parser.add_argument("--preset", action="append", help="one of the presets; repeatable (default: all)")
    parser.add_argument("--minutes", type=float, help="begin no further comparison after this time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", type=Path, default=Path("docs/report/compare-repeated.jsonl"), help="what was measured so far"
    )
    parser.add_argument("--out", type=Path, help="write the page here")
    args = parser.parse_args(arguments)
    args.keep.parent.mkdir(parents=True, exist_ok=True)
    return args


if __name__ == "__main__":
    raise SystemExit(main())
