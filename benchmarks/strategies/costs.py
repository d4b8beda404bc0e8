"""What the strategies' own machinery costs: `python benchmarks/strategies/costs.py --json FILE`, about a minute.

Thread, task and process hand-overs, and what the interpreter's lock does to CPU-bound work. Every cost is measured once
a round, in random order, so that the machine's drift meets all alike; told as median with its interval.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.peers.intervals import Estimate, median_estimate
from benchmarks.strategies import interpreter, switches

from penstock.process.runner import available_cores

ITEMS = 16
SIZES = {"nothing": 0, "1 KB": 1 << 10, "100 KB": 100 << 10, "4 MB": 4 << 20}


@dataclass(frozen=True)
class Cost:
    """One line of the table. `unit`: `s` or `per_s`; `once` measures it once."""

    key: str
    about: str
    unit: str
    once: Callable[[], float]


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parse(arguments)
    values = measure(args.rounds, args.seed, lambda line: print(line, file=sys.stderr, flush=True))
    text = json.dumps(values, indent=1)
    if args.json:
        args.json.write_text(text + "\n")
    for key, value in values.items():
        print(
            f"{key:26} {value['median']:.3g} [{value['low']:.3g}, {value['high']:.3g}] "
            f"{value['unit']}, {value['about']}"
        )
    return 0


def measure(rounds: int, seed: int, say: Callable[[str], None]) -> dict[str, dict[str, object]]:
    """Each cost by its key: median, low, high, coverage, n, unit and what it is."""
    spawn = multiprocessing.get_context("spawn")
    rng = random.Random(seed)
    with (
        ThreadPoolExecutor(1) as one_thread,
        ThreadPoolExecutor(2) as two_threads,
        ThreadPoolExecutor(8) as eight_threads,
        ProcessPoolExecutor(1, mp_context=spawn) as one_process,
        ProcessPoolExecutor(available_cores(), mp_context=spawn) as processes,
    ):
        repetitions = interpreter.calibrated()
        costs = [
            *_switches(one_thread, one_process),
            *_interpreter(repetitions, two_threads, eight_threads, processes),
        ]
        seen: dict[str, list[float]] = {cost.key: [] for cost in costs}
        told_s = time.monotonic()
        for number in range(rounds + 1):
            for cost in rng.sample(costs, len(costs)):
                value = cost.once()
                if number:  # the first round warms up
                    seen[cost.key].append(value)
            if time.monotonic() - told_s > 2 or number == rounds:
                say(f"round {number} of {rounds}")
                told_s = time.monotonic()
    return {cost.key: _told(cost, median_estimate(seen[cost.key])) for cost in costs}


def _switches(one_thread: ThreadPoolExecutor, one_process: ProcessPoolExecutor) -> list[Cost]:
    threads, sockets, between = (
        "two threads wake each other through locks",
        "a byte arrives",
        "two tasks wake each other",
    )
    pickled = "an item to a process and back, pickled twice"
    found = [Cost("thread switch", threads, "s", switches.thread_switch_s)]
    for name in switches.LOOPS:
        found.append(Cost(f"task switch, {name}", between, "s", partial(switches.task_switch_s, name)))
        found.append(Cost(f"socket wake-up, {name}", sockets, "s", partial(switches.socket_wake_s, name)))
    hand_over = switches.pool_hand_over_s
    found.append(Cost("thread pool", "an item to a thread and back", "s", partial(hand_over, one_thread, 0, 500)))
    for size, body_bytes in SIZES.items():
        items = 12 if body_bytes > 1 << 20 else 100
        found.append(Cost(f"process pool, {size}", pickled, "s", partial(hand_over, one_process, body_bytes, items)))
    return found


def _interpreter(
    work: int, two: ThreadPoolExecutor, eight: ThreadPoolExecutor, cores: ProcessPoolExecutor
) -> list[Cost]:
    done = "items of 5 ms of pure Python per second"
    late, blocked = interpreter.wake_delay_s, interpreter.blocked_delay_s
    pool = interpreter.pool_throughput_per_s
    return [
        Cost("CPU, plain loop", done, "per_s", partial(interpreter.plain_throughput_per_s, work, ITEMS)),
        Cost("CPU, 2 threads", done, "per_s", partial(pool, two, work, ITEMS)),
        Cost("CPU, 8 threads", done, "per_s", partial(pool, eight, work, ITEMS)),
        Cost("CPU, a process per core", done, "per_s", partial(pool, cores, work, ITEMS)),
        Cost("loop late, nothing else", "a loop that wakes after 2 ms is late", "s", partial(late, 0, work)),
        Cost("loop late, 1 busy thread", "the same beside a thread that computes", "s", partial(late, 1, work)),
        Cost("loop late, 2 busy threads", "the same beside two", "s", partial(late, 2, work)),
        Cost("loop late, busy task", "the same with a task that computes 5 ms at a time", "s", partial(blocked, work)),
    ]


def _told(cost: Cost, estimate: Estimate) -> dict[str, object]:
    return {**asdict(estimate), "unit": cost.unit, "about": cost.about}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="measured rounds after one of warm-up (default 15)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
