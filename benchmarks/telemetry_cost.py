"""What telemetry costs a record: `python benchmarks/telemetry_cost.py --help`, about five minutes.

Fetches 1 KB bodies from nginx on the other core with telemetry (series, stage times, probe, verdict) and without, in
random order within each round, and compares CPU time per record, start-up apart. `--before PROGRAM` adds the penstock
of another checkout: what the counters on the hot path cost shows only against a commit that has none.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environment import choose_cores, machine, missing_program, penstock_command
from benchmarks.peers.intervals import at_most, median_estimate, paired_ratios
from benchmarks.peers.measured import measure
from benchmarks.peers.nginx import Nginx, Origin

AIM_RATIO = 1.03
_START_UP_ITEMS = 100


def main() -> int:
    """Exit code 0 when it was measured, met or not; 1 when a run failed; 2 when Penstock or nginx is not there."""
    args = _parse()
    words, trouble = penstock_command(args.penstock)
    arms = {"on": [*words], "off": [*words, "--no-telemetry"]}
    if args.before:
        before, before_trouble = penstock_command(args.before)
        arms["before"], trouble = [*before], trouble or before_trouble
    if trouble := trouble or missing_program("nginx"):
        print(f"not measured: {trouble}", file=sys.stderr)
        return 2
    work = Path(tempfile.mkdtemp(prefix="penstock-telemetry-"))
    try:
        costs = _measure_all(arms, args, work)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    document = _document(costs, args)
    print("\n" + _markdown(document))
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n")
        args.json.with_suffix(".md").write_text(_markdown(document))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="CPU per record with telemetry and without.")
    parser.add_argument("--n", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--penstock", help="the penstock program (default: beside this Python)")
    parser.add_argument("--before", help="the penstock program of another checkout")
    parser.add_argument("--json", type=Path, help="write the numbers there, and a Markdown page beside it")
    return parser.parse_args()


def _measure_all(arms: dict[str, list[str]], args: argparse.Namespace, work: Path) -> dict[str, list[float]]:
    """CPU seconds per record of each arm, one value for each round."""
    cores, rng = choose_cores(), random.Random(args.seed)
    costs: dict[str, list[float]] = {arm: [] for arm in arms}
    with Nginx(work / "nginx", core=cores.server, sizes=("1k",)) as origin:
        for number in range(args.rounds + 1):
            order = rng.sample(list(arms), len(arms))
            for arm in order:
                start_up = _cpu_s(arms[arm], origin, _START_UP_ITEMS, cores.client, work)
                whole = _cpu_s(arms[arm], origin, args.n, cores.client, work)
                if number:  # round 0 warms up
                    costs[arm].append((whole - start_up) / (args.n - _START_UP_ITEMS))
            shown = ", ".join(f"{arm} {values[-1] * 1e6:.1f}" for arm, values in costs.items() if values)
            print(f"round {number}: {shown or 'warm-up'} µs CPU a record", flush=True)
    return costs


def _cpu_s(words: list[str], origin: Origin, records: int, core: int | None, work: Path) -> float:
    folder = Path(tempfile.mkdtemp(dir=work))
    listing = folder / "urls.txt"
    with listing.open("w") as file:
        file.writelines(f"{origin.url('1k', number, is_tls=False)}\n" for number in range(records))
    program, *flags = words
    limits = ["-j", "64", "--max-per-host", "64", "--allow-private", "127.0.0.0/8"]
    command = [program, "fetch", str(listing), "-o", str(folder / "out"), *limits, "--progress", "none", *flags]
    usage = measure(command, folder=folder, core=core, timeout_s=300)
    shutil.rmtree(folder, ignore_errors=True)
    if usage.trouble:
        raise RuntimeError(f"{' '.join(command)}: {usage.trouble}")
    return usage.cpu_s


def _document(costs: dict[str, list[float]], args: argparse.Namespace) -> dict[str, Any]:
    ratios = {}
    for other in ("off", "before"):
        if other in costs:
            estimate = median_estimate(paired_ratios(costs["on"], costs[other]))
            ratios[f"on / {other}"] = {
                "median": estimate.median,
                "low": estimate.low,
                "high": estimate.high,
                "coverage": estimate.coverage,
                "n": estimate.n,
                f"at_most_{AIM_RATIO}": at_most(estimate, AIM_RATIO),
            }
    return {
        "when": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "records": args.n,
        "seed": args.seed,
        "cpu_us_per_record": {arm: [value * 1e6 for value in values] for arm, values in costs.items()},
        "ratios": ratios,
    }


def _markdown(document: dict[str, Any]) -> str:
    costs, ratios, where = document["cpu_us_per_record"], document["ratios"], document["machine"]
    lines = [
        "# What telemetry costs",
        "",
        "`python benchmarks/telemetry_cost.py`: CPU time per record, start-up apart, 1 KB bodies from nginx on the"
        " other core, 64 at once; the arms in random order within each round. *on*: series, stage times, probe and"
        " verdict; *off*: `--no-telemetry`; *before*: the last commit that had none of it, not even the counters.",
        "",
        "| arm | median µs a record | rounds |",
        "|---|--:|--:|",
        *(f"| {arm} | {statistics.median(values):.1f} | {len(values)} |" for arm, values in costs.items()),
        "",
        f"| ratio | median | interval | at most {AIM_RATIO}? |",
        "|---|--:|--:|---|",
        *(
            f"| {name} | {r['median']:.3f} | [{r['low']:.3f}, {r['high']:.3f}], {r['coverage']:.0%} |"
            f" {r[f'at_most_{AIM_RATIO}']} |"
            for name, r in ratios.items()
        ),
        "",
        f"{document['records']:,} records a run; {document['when']}; "
        + "; ".join(f"{key} {value}" for key, value in where.items()),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
