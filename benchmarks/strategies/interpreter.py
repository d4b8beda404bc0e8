"""What one interpreter lock does to CPU-bound work, and to what waits beside it.

Each function measures one effect once; `costs.py` repeats and interleaves them. The work is pure Python that never
gives the lock up by itself.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import threading
import time
from concurrent.futures import Executor, wait

from benchmarks.strategies.switches import run_on

WORK_S = 0.005


def work(repetitions: int) -> float:
    """Pure Python arithmetic; holds the interpreter's lock all the time."""
    total = 0.0
    for number in range(repetitions):
        total += math.sqrt(number)
    return total


def calibrated(work_s: float = WORK_S) -> int:
    """Repetitions for about `work_s` of CPU time here: median of nine."""
    per_repetition = []
    for _ in range(9):
        began_s = time.thread_time()
        work(20_000)
        per_repetition.append((time.thread_time() - began_s) / 20_000)
    return max(1, round(work_s / statistics.median(per_repetition)))


def pool_throughput_per_s(pool: Executor, repetitions: int, items: int) -> float:
    """Items per second of CPU-bound work in a warm pool."""
    began_s = time.perf_counter()
    wait([pool.submit(work, repetitions) for _ in range(items)])
    return items / (time.perf_counter() - began_s)


def plain_throughput_per_s(repetitions: int, items: int) -> float:
    """The same work in a plain loop."""
    began_s = time.perf_counter()
    for _ in range(items):
        work(repetitions)
    return items / (time.perf_counter() - began_s)


def wake_delay_s(busy_threads: int, repetitions: int, wakes: int = 40) -> float:
    """How late an event loop wakes after 2 ms (median), while `busy_threads` compute beside it in the same process."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            work(repetitions)

    threads = [threading.Thread(target=compute) for _ in range(busy_threads)]
    for thread in threads:
        thread.start()
    try:
        return _median_delay_s(wakes, None)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def blocked_delay_s(repetitions: int, wakes: int = 40) -> float:
    """The same with one task that computes on the loop itself, again and again."""
    return _median_delay_s(wakes, repetitions)


def _median_delay_s(wakes: int, repetitions_on_loop: int | None) -> float:
    async def main() -> float:
        async def compute() -> None:
            while True:
                work(repetitions_on_loop or 0)
                await asyncio.sleep(0)

        busy = asyncio.create_task(compute()) if repetitions_on_loop else None
        delays = []
        for _ in range(wakes):
            due_s = time.perf_counter() + 0.002
            await asyncio.sleep(0.002)
            delays.append(time.perf_counter() - due_s)
        if busy is not None:
            busy.cancel()
        return statistics.median(delays)

    return run_on("asyncio", main)
