"""What a profile costs the program it looks at: `python benchmarks/profile_cost.py --help`, about 15 minutes.

Fixed work in one process, with and without a recorder, in random order within each pair; the ratio of CPU time and of
wall time within pairs. A control arm ("none") shows what the machine alone does. Starting and stopping is timed apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environment import cpu_times, machine
from benchmarks.peers.intervals import Estimate, at_most, median_estimate

import penstock
from penstock.engine.loop import run_blocking
from penstock.perf.origin.process import OriginProcess
from penstock.perf.profile.recorder import CannotProfile, RecorderOptions, make_recorder

LONG = "asyncio, 10,000 tasks, 15 times as long"  # for `await`: its cost does not fall with time
AIM_RATIO = 1.03
OTHERS_SHARE_MAX = 0.03
KINDS = ("none", "cpu", "await", "loop", "memory")
REPORT = Path(__file__).resolve().parents[1] / "docs" / "report" / "profile-overhead.md"
Work = Callable[[], None]


@dataclass(frozen=True)
class Row:
    """One kind on one workload. Ratios are with/without; `work_s` is the CPU of one block without."""

    workload: str
    kind: str
    cpu: Estimate
    wall: Estimate
    work_s: float
    samples: int
    start_s: float
    stop_s: float


def main() -> int:
    """Exit code 0 when it was measured, met or not."""
    args = _parse()
    rng = random.Random(args.seed)
    rows: list[Row] = []
    before = cpu_times()
    with workloads(args.scale) as works:
        for name, work in works.items():
            if args.only and args.only not in name:
                continue
            work()  # warm
            for kind in args.kinds:
                if name == LONG and kind not in ("none", "await"):
                    continue
                pairs = max(3, args.pairs // 3) if kind == "memory" or name == LONG else args.pairs
                try:
                    rows.append(measure(name, work, kind, pairs, rng))
                except CannotProfile as error:
                    print(f"{name}, {kind}: not measured: {error}", file=sys.stderr)
                    continue
                print(_line(rows[-1]), flush=True)
    after = cpu_times()
    others = after.others_share_since(before)
    surroundings = machine() | {
        "stolen by the hypervisor": f"{after.steal_share_since(before):.1%}",
        "used by other programs": f"{others:.1%}" + (" — busy: do it again" if others > OTHERS_SHARE_MAX else ""),
    }
    document = {"machine": surroundings, "aim": AIM_RATIO, "seed": args.seed, "rows": [asdict(row) for row in rows]}
    if args.out is not None:
        args.out.write_text(markdown(rows, surroundings, args), "utf-8")
        args.out.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        print(f"{args.out} {args.out.with_suffix('.json')}")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cost of each kind of profile, paired, in one process.")
    parser.add_argument("--pairs", type=int, default=21, help="pairs for each kind and workload (21; memory a third)")
    parser.add_argument("--scale", type=float, default=1.0, help="length of a block, 1 is about half a second of CPU")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS), metavar="KIND,…")
    parser.add_argument("--only", help="only the work whose name holds this text")
    parser.add_argument("--out", type=Path, nargs="?", const=REPORT, help=f"write the page and a JSON ({REPORT.name})")
    return parser.parse_args()


def measure(name: str, work: Work, kind: str, pairs: int, rng: random.Random) -> Row:
    """`pairs` pairs of blocks, one with and one without the recorder, in an order drawn for each pair."""
    cpu, wall, without, samples, starts, stops = [], [], [], 0, [], []
    for _ in range(pairs):
        costs: dict[bool, tuple[float, float]] = {}
        for is_on in rng.sample((True, False), 2):
            began_s = time.perf_counter()
            recorder = make_recorder(kind, RecorderOptions()) if is_on and kind != "none" else None  # type: ignore[arg-type]
            if recorder is not None:
                recorder.start()
                starts.append(time.perf_counter() - began_s)
            cpu_s, wall_s = time.process_time(), time.perf_counter()
            work()
            costs[is_on] = time.process_time() - cpu_s, time.perf_counter() - wall_s
            if recorder is not None:
                began_s = time.perf_counter()
                samples += recorder.stop().samples
                stops.append(time.perf_counter() - began_s)
        cpu.append(costs[True][0] / costs[False][0])
        wall.append(costs[True][1] / costs[False][1])
        without.append(costs[False][0])
    return Row(
        name,
        kind,
        median_estimate(cpu),
        median_estimate(wall),
        median_estimate(without).median,
        samples // pairs,
        median_estimate(starts or [0.0]).median,
        median_estimate(stops or [0.0]).median,
    )


# --- the work


@contextmanager
def workloads(scale: float) -> Iterator[dict[str, Work]]:
    """Each is the same work at every call."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-profile-cost-"))
    with OriginProcess() as origin:
        urls = folder / "urls.txt"
        urls.write_text("".join(f"{origin.url}/page/{n}\n" for n in range(round(15_000 * scale))))
        try:
            yield {
                "CPU loop": lambda: compute(round(250_000 * scale)),
                "asyncio, 64 tasks": lambda: run_blocking(tasks(64, round(2_000 * scale), 0.0)),
                "asyncio, 10,000 tasks": lambda: run_blocking(tasks(10_000, max(1, round(4 * scale)), 0.03)),
                LONG: lambda: run_blocking(tasks(10_000, max(1, round(60 * scale)), 0.03)),
                "penstock fetch": lambda: fetch(urls, folder / "out"),
            }
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def compute(rounds: int) -> int:
    total = 0
    for number in range(rounds):
        total += leaf(number)
    return total


def leaf(number: int) -> int:
    return sum(number ^ bit for bit in range(40)) & 0xFFFF


async def tasks(count: int, turns: int, sleep_s: float) -> None:
    await asyncio.gather(*(outer(number, turns, sleep_s) for number in range(count)))


async def outer(number: int, turns: int, sleep_s: float) -> None:
    for turn in range(turns):
        await inner(sleep_s * (1 + (number * 31 + turn) % 10))
        leaf(number)


async def inner(sleep_s: float) -> None:
    await asyncio.sleep(sleep_s)


def fetch(urls: Path, out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    result = penstock.run(urls, out, allow_private=["all"], concurrency=64, max_per_host=64)
    assert result.exit_code == 0, result


# --- what it says


def _line(row: Row) -> str:
    return (
        f"{row.workload:22} {row.kind:7} CPU ×{row.cpu.median:.3f} [{row.cpu.low:.3f}, {row.cpu.high:.3f}]  "
        f"wall ×{row.wall.median:.3f} [{row.wall.low:.3f}, {row.wall.high:.3f}]  n={row.cpu.n}  "
        f"{row.work_s:.2f} s CPU a block, {row.samples} samples, start {row.start_s * 1e3:.1f} ms, "
        f"stop {row.stop_s * 1e3:.1f} ms"
    )


def markdown(rows: list[Row], surroundings: dict[str, str], args: argparse.Namespace) -> str:
    lines = [
        "<!-- Written by benchmarks/profile_cost.py --out. Do not edit. -->",
        "",
        "# What a profile costs",
        "",
        "The same work with and without a recorder, in one process, in random order within each pair",
        f"(seed {args.seed}). The ratio is with/without: 1.00 is free. In brackets the interval that covers the median",
        f"with 95 %, or with what n allows. The aim is at most ×{AIM_RATIO:.2f} of CPU time for cpu, await and loop.",
        "Memory profiles record every allocation and are slow by nature: never take timings together with them.",
        "",
        "| work | profile | CPU time | wall time | n | ≤ 3 % CPU? | samples | start | stop |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        aim = "" if row.kind in {"none", "memory"} else at_most(row.cpu, AIM_RATIO)
        kind = "none (control)" if row.kind == "none" else row.kind
        lines.append(
            f"| {row.workload} | {kind} | ×{row.cpu.median:.3f} [{row.cpu.low:.3f}, {row.cpu.high:.3f}] "
            f"| ×{row.wall.median:.3f} [{row.wall.low:.3f}, {row.wall.high:.3f}] | {row.cpu.n} | {aim} | {row.samples} "
            f"| {row.start_s * 1e3:.1f} ms | {row.stop_s * 1e3:.1f} ms |"
        )
    lines += [
        "",
        "*start* and *stop* come once for a profile, whatever its length, and are not part of the ratios; stopping",
        "looks up names and lines. *samples* is the mean of one block.",
        "",
        "| machine | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in surroundings.items()),
        "",
        "```",
        f"python benchmarks/profile_cost.py --pairs {args.pairs} --out",
        "```",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
