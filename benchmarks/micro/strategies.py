"""What each strategy costs per item by itself: a function that does nothing, in the measured process as ever.

A plain script: `python benchmarks/micro/strategies.py`. Prints the median and the range over `ROUNDS` runs of `RUN_S`
seconds, in random order, of wall time and CPU time per item in µs, at 1 place and at `PLACES`. It is the floor of any
comparison: a workload whose items take no more than this compares the harness.
"""

from __future__ import annotations

import platform
import random
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

from penstock.perf.measure.model import RunRequest
from penstock.perf.measure.process import MeasuredProcess
from penstock.perf.workload.model import Alternative, Strategy, Workload

ROUNDS = 7
RUN_S = 0.4
PLACES = 32
CODE = "def plain(item):\n    return None\n\n\nasync def awaited(item):\n    return None\n"


def main() -> None:
    with ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "nothing.py"
        file.write_text(CODE, encoding="utf-8")
        workload = Workload("nothing", "", ("item",), concurrency=PLACES, processes=2)
        measured = {}
        for name in get_args(Strategy):
            function = "plain" if name in ("sync", "threads", "processes") else "awaited"
            process = MeasuredProcess(Alternative(name, name, function=f"{file}:{function}"), workload)
            measured[name] = stack.enter_context(process)
        print(f"Python {platform.python_version()}, {platform.machine()}; µs per item: median (lowest to highest)")
        print(f"{'strategy':10} {'places':>6} {'wall':>24} {'CPU':>24} {'switches':>10}")
        costs: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
        turns = [(name, places) for name in measured for places in (1, PLACES)] * (ROUNDS + 1)
        warm = turns[: len(measured) * 2]
        order = turns[len(warm) :]
        random.Random(4).shuffle(order)
        for name, places in warm + order:
            result = measured[name].run(RunRequest(concurrency=places, run_s=RUN_S))
            switches = (result.switches_voluntary + result.switches_involuntary) / result.items
            row = (1e6 * result.wall_s / result.items, 1e6 * result.cpu_s / result.items, switches)
            costs.setdefault((name, places), []).append(row)
        for (name, places), rows in costs.items():
            walls, cpus, switches_each = (sorted(column) for column in zip(*rows[1:], strict=True))
            print(
                f"{name:10} {places:6} {spread(walls):>24} {spread(cpus):>24} {statistics.median(switches_each):10.2f}"
            )


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({values[0]:.1f} to {values[-1]:.1f})"


if __name__ == "__main__":
    main()
