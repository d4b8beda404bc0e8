"""Validates what `penstock tune` concludes, on systems with known answers: `benchmarks/scaling/validate.py --help`.

Writes a page with its pictures and says whether the aims are met. The rule: same numbers for the same options.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the matrices are small: threads only get in each other's way
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.scaling.groups import SEED_FIRST, Task, perform, tasks
from benchmarks.scaling.score import Case, concluded
from benchmarks.scaling.simulate import sweep_runs
from benchmarks.scaling.truths import SHAPES, Shape, make_truth
from benchmarks.scaling.validation_page import aims, page

_PICTURED: dict[Shape, str] = {
    "hard knee": "A hard knee: throughput and p95 with the 90 % band",
    "retrograde": "Coherency: throughput falls, and the peak is told, not recommended",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all aims are met, else 1."""
    options = _parse(arguments)
    began_s = time.monotonic()
    done = _performed(tasks(options.networks, min(options.stressed, options.networks)), options.processes)
    pictures = _pictures(options.out)
    command = f"python benchmarks/scaling/validate.py --networks {options.networks} --out {options.out}"
    text = page(done, command=command, machine=_machine(), seconds=time.monotonic() - began_s, pictures=pictures)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, encoding="utf-8")
    found = aims(done)
    for aim in found:
        print(f"{aim.name}: {aim.value:.1%}, wanted {aim.wanted}: {'yes' if aim.is_met else 'no'}")
    print(f"{options.out}, {len(done):,} sweeps in {time.monotonic() - began_s:.0f} s")
    return 0 if all(aim.is_met for aim in found) else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Sweeps of systems with known answers, concluded and judged.")
    parser.add_argument(
        "--out", type=Path, default=Path("build/scaling-validation.md"), help="page to write [%(default)s]"
    )
    parser.add_argument(
        "--networks", type=int, default=420, help="systems in the corpus, seven shapes in turn [%(default)s]"
    )
    parser.add_argument("--stressed", type=int, default=140, help="of these, also with other noise [%(default)s]")
    parser.add_argument("--processes", type=int, default=2, help="at a time [%(default)s]")
    return parser.parse_args(arguments)


def _performed(todo: Sequence[Task], processes: int) -> list[tuple[Task, Case | None]]:
    """In the order of the tasks; done in another, so that the time left can be told."""
    order = random.Random(0).sample(range(len(todo)), len(todo))
    results: dict[int, Case | None] = {}
    began_s = time.monotonic()
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for count, (place, case) in enumerate(
            zip(order, pool.map(perform, [todo[place] for place in order], chunksize=8), strict=True), start=1
        ):
            results[place] = case
            if count % 50 == 0 or count == len(todo):
                left_s = (time.monotonic() - began_s) / count * (len(todo) - count)
                print(f"{count:,} of {len(todo):,} sweeps, about {left_s:.0f} s left", file=sys.stderr, flush=True)
    return [(task, results[place]) for place, task in enumerate(todo)]


def _pictures(out: Path) -> dict[str, str]:
    """Written beside the page; file names by caption."""
    from penstock.perf.scaling.pictures import sweep_svg

    out.parent.mkdir(parents=True, exist_ok=True)
    made = {}
    for shape, caption in _PICTURED.items():
        assert shape in SHAPES
        truth = make_truth(shape, SEED_FIRST)
        tuning = concluded(sweep_runs(truth, random.Random(shape)), SEED_FIRST)
        name = f"{out.stem}-{shape.replace(' ', '-')}.svg"
        (out.parent / name).write_text(sweep_svg(tuning), encoding="utf-8")
        made[f"{caption} ({truth.about})"] = name
    return made


def _machine() -> str:
    day = datetime.now(UTC).date().isoformat()
    return f"{day}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}."


if __name__ == "__main__":
    sys.exit(main())
