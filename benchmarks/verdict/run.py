"""Runs the labelled corpus and writes the confusion matrix: `python benchmarks/verdict/run.py --help`.

Each scenario is a process of its own against a real server. Those that use a core run alone, the others a few at a
time. `--keep DIR` keeps what each run recorded, and `--from DIR` judges that again, in seconds, without running.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.verdict.corpus import SCENARIOS
from benchmarks.verdict.matrix import Result, page, score
from benchmarks.verdict.scenario import Scenario
from benchmarks.verdict.surroundings import RESOLVER_ADDRESS

from penstock.telemetry.verdict import judge
from penstock.telemetry.window import Probe, RunShape, windows_of

ROOT = Path(__file__).resolve().parents[2]
_RUN_S_MAX = 120.0


def main() -> int:
    """Exit code 0 when at least 95 % were right and nothing was surely wrong, else 1."""
    args = _parse()
    chosen = [one for one in SCENARIOS if (not args.only or one.name in args.only) and args.half in (None, one.half)]
    if args.from_ is not None:
        results = [_judged(one, number, args.from_) for number in range(1, args.rounds + 1) for one in chosen]
    else:
        results = _run_all(chosen, args)
    results.sort(key=lambda one: (SCENARIOS.index(one.scenario), one.round))
    if args.markdown is not None:
        _write(results, args.markdown, args.command)
    total = score(results)
    print(f"{total.right} of {total.runs} right, {total.sure_and_wrong} wrong with confidence 0.9 or more")
    for half in ("design", "hold-out"):
        one = score(results, half)
        print(f"  {half}: {one.right} of {one.runs}")
    return 0 if total.share >= 0.95 and not total.sure_and_wrong else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The verdict on runs whose limit is known.")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[one.name for one in SCENARIOS])
    parser.add_argument("--half", choices=["design", "hold-out"], help="only this half of the corpus")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each scenario")
    parser.add_argument("--lanes", type=int, default=3, help="light scenarios at a time [3]")
    parser.add_argument("--seed", type=int, default=1, help="of the order in which they run")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep what each run recorded")
    parser.add_argument("--from", dest="from_", type=Path, metavar="DIR", help="judge what --keep kept, run nothing")
    parser.add_argument("--markdown", type=Path, default=None, help="page to write [docs/report/verdict.md]")
    args = parser.parse_args()
    if args.markdown is None and not args.only and args.half is None:
        args.markdown = ROOT / "docs" / "report" / "verdict.md"
    args.command = ".venv/bin/python benchmarks/verdict/run.py"
    if args.rounds > 1:
        args.command += f" --rounds {args.rounds}"
    return args


def _run_all(chosen: Sequence[Scenario], args: argparse.Namespace) -> list[Result]:
    """Light ones side by side first, then the heavy ones one by one; in random order."""
    rounds = [(one, number) for number in range(1, args.rounds + 1) for one in chosen]
    random.Random(args.seed).shuffle(rounds)
    light = [one for one in rounds if not one[0].is_heavy]
    heavy = [one for one in rounds if one[0].is_heavy]
    results: queue.SimpleQueue[Result] = queue.SimpleQueue()
    keep = args.keep
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)

    def go(task: tuple[Scenario, int]) -> None:
        result = _run(*task, keep)
        results.put(result)
        mark = "skip" if result.skipped else "ok" if result.is_right else "WRONG"
        said = result.skipped or f"{result.label} {result.confidence:.2f}"
        print(f"{mark:5} {result.scenario.name:32} {result.scenario.truth:18} {said}", flush=True)

    for tasks, lanes in ((light, args.lanes), (heavy, 1)):
        with ThreadPoolExecutor(max_workers=max(1, lanes)) as pool:
            list(pool.map(go, tasks))
    return [results.get() for _ in rounds]


def _run(scenario: Scenario, number: int, keep: Path | None) -> Result:
    reason = _cannot_run(scenario)
    if reason:
        return Result(scenario, skipped=reason, round=number)
    work = Path(tempfile.mkdtemp(prefix="penstock-verdict-"))
    recorded = work / "result.json"
    command = [sys.executable, str(ROOT / "benchmarks/verdict/one.py"), scenario.name, str(work), str(recorded)]
    try:
        done = subprocess.run(
            _in_namespace(command, scenario, work), capture_output=True, text=True, timeout=_RUN_S_MAX, check=False,
            start_new_session=True,
        )  # fmt: skip
        if done.returncode or not recorded.exists():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return Result(scenario, skipped=f"the run ended with {done.returncode}: {last}", round=number)
        if keep is not None:
            shutil.copy(recorded, keep / f"{scenario.name}.{number}.json")
        return _result(scenario, number, json.loads(recorded.read_text()))
    except subprocess.TimeoutExpired:
        return Result(scenario, skipped=f"not over after {_RUN_S_MAX:.0f} s", round=number)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _cannot_run(scenario: Scenario) -> str:
    if scenario.dns_delay_s is not None and (not hasattr(os, "geteuid") or os.geteuid() or not shutil.which("unshare")):
        return "a slow name server needs root, to replace resolv.conf in a mount namespace"
    if scenario.neighbours and not hasattr(os, "sched_setaffinity"):
        return "needs Linux, to keep the run to one core"
    return ""


def _in_namespace(command: list[str], scenario: Scenario, work: Path) -> list[str]:
    """With a slow name server: the command with a resolv.conf of its own, which nobody else sees."""
    if scenario.dns_delay_s is None:
        return command
    names = work / "resolv.conf"
    names.write_text(f"nameserver {RESOLVER_ADDRESS}\noptions timeout:10 attempts:1\n")
    script = f'mount --bind "{names}" /etc/resolv.conf && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", *command]


def _judged(scenario: Scenario, number: int, kept: Path) -> Result:
    path = kept / f"{scenario.name}.{number}.json"
    if not path.exists():
        return Result(scenario, skipped="not recorded", round=number)
    document = json.loads(path.read_text())
    verdict = judge(
        windows_of(document["series"]),
        RunShape(**document["shape"]),
        [Probe(**probe) for probe in document["probes"]],
    )
    return _result(scenario, number, {**document, "verdict": verdict.to_json()})


def _result(scenario: Scenario, number: int, document: dict[str, Any]) -> Result:
    verdict = document["verdict"]
    return Result(
        scenario,
        label=verdict["label"],
        confidence=verdict["confidence"],
        evidence=verdict["evidence"],
        numbers=verdict["numbers"],
        alternatives=verdict["alternatives"],
        round=number,
    )


def _write(results: Sequence[Result], markdown: Path, command: str) -> None:
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    when = time.strftime("%Y-%m-%d", time.gmtime())
    markdown.write_text(page(results, command=command, machine=machine, when=when))
    rows = [
        {
            "scenario": one.scenario.name,
            "half": one.scenario.half,
            "truth": one.scenario.truth,
            "because": one.scenario.because,
            "round": one.round,
            "skipped": one.skipped,
            "label": one.label,
            "confidence": one.confidence,
            "is_right": one.is_right,
            "alternatives": one.alternatives,
            "evidence": list(one.evidence),
            "numbers": {name: float(f"{value:.4g}") for name, value in one.numbers.items() if value},
        }
        for one in results
    ]
    document = {"command": command, "machine": machine, "date": when, "runs": rows}
    markdown.with_suffix(".json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
