"""Starts inline, measures the first calls on real items, and moves the function to threads or processes if it blocks.

The decision itself is in decide.py. The one rule: each item gets its result from whichever phase it falls into;
measuring and probing use real items, keep their results, and are never the reason that one fails.

| phase | what a call does | leaves when |
| --- | --- | --- |
| measuring | runs inline, timed | enough samples: to inline, probing, threads or processes |
| inline | runs inline, every 64th timed | a timed call took over 1 ms: to measuring |
| probing | runs in a thread while this one counts | enough probes: to threads or processes, for good |
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from penstock.model import Failure, Response
from penstock.process.decide import BLOCKING_S, Probe, Sample, decide, is_blocking, is_measured, is_probed
from penstock.process.marker import Marker
from penstock.process.options import Decision, InlineCall, Result, Runner

_TIMED_EVERY = 64
_COUNTING_S_MAX = 0.100


def busy_s() -> float:
    """Seconds in which the calling thread ran, or would have run had there been a free processor.

    Processor time plus, on Linux, the time spent in the scheduler's queue: so neighbours on a busy machine do not make
    a computing thread look as if it waited. Costs about 10 µs.
    """
    queued_s = 0.0
    with contextlib.suppress(OSError, IndexError, ValueError), open("/proc/thread-self/schedstat", "rb") as file:
        queued_s = int(file.read().split()[1]) * 1e-9
    return time.thread_time() + queued_s


@dataclass(frozen=True)
class Clocks:
    """Seconds: `wall` monotonic, `cpu` and `busy` (see `busy_s`) of the calling thread. Tests pass scripted ones."""

    wall: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.thread_time
    busy: Callable[[], float] = busy_s


@dataclass(frozen=True)
class Places:
    """Where the function can go: ready-made calls and factories. `cannot_isolate` says why not to a process."""

    call: InlineCall
    make_threads: Callable[[Decision], Runner]
    make_processes: Callable[[Decision], Runner]
    cannot_isolate: str | None
    cores: int


class AutoRunner:
    """See the table above. `probe` measures one call in a thread; the marker is closed with the runner."""

    def __init__(
        self,
        places: Places,
        clocks: Clocks | None = None,
        probe: Callable[[InlineCall, Response, Clocks], tuple[Result, Probe]] | None = None,
        marker: Marker | None = None,
    ) -> None:
        self.decision = Decision("measuring", "no call was measured yet")
        self.inline: InlineCall | None = self._measure
        self._places = places
        self._clocks = clocks or Clocks()
        self._probe = probe or probe_in_thread
        self._marker = marker
        self._samples: list[Sample] = []
        self._probes: list[Probe] = []
        self._cannot_thread: str | None = None
        self._inner: Runner | None = None

    async def run(self, response: Response) -> Result:
        if self.inline is not None:
            return self.inline(response)
        assert self._inner is not None
        return await self._inner.run(response)

    async def aclose(self) -> None:
        if self._inner is not None:
            await self._inner.aclose()
        if self._marker is not None:
            self._marker.close()
            self._marker = None

    @property
    def worker_pids(self) -> list[int]:
        """Process ids of the worker processes that are ready; empty while the function runs elsewhere."""
        return list(getattr(self._inner, "worker_pids", ()))

    def _measure(self, response: Response) -> Result:
        wall, busy = self._clocks.wall, self._clocks.busy
        start_busy_s, start_s = busy(), wall()
        result = self._places.call(response)
        end_s = wall()
        self._samples.append(Sample(end_s - start_s, busy() - start_busy_s))
        if is_measured(self._samples):
            self._judge()
        return result

    def _judge(self) -> None:
        can_probe = (
            is_blocking(self._samples)
            and self._places.cannot_isolate is None
            and self._places.cores > 1
            and time.get_clock_info("thread_time").resolution <= 1e-4
        )
        if can_probe:
            self.inline = self._run_probe
        else:
            self._settle()

    def _run_probe(self, response: Response) -> Result:
        result, reading = self._probe(self._places.call, response, self._clocks)
        self._probes.append(reading)
        if isinstance(result, Failure):
            # Perhaps it fails only in a thread that is not the one that imported it (sqlite3 connections do). An item
            # must not fail because we measured: once more where it has always worked.
            here = self._places.call(response)
            if not isinstance(here, Failure):
                result, self._cannot_thread = here, "it fails in a thread"
        if is_probed(self._probes):
            self._settle()
        return result

    def _settle(self) -> None:
        self.decision = decide(
            self._samples, self._probes, self._places.cannot_isolate, self._cannot_thread, cores=self._places.cores
        )
        self._samples, self._probes = [], []
        match self.decision.mode:
            case "thread":
                self._move(self._places.make_threads(self.decision))
            case "process":
                self._move(self._places.make_processes(self.decision))
            case _:
                self.inline = self._spot_checked()

    def _move(self, runner: Runner) -> None:
        self._inner, self.inline = runner, None
        self.decision = runner.decision

    def _spot_checked(self) -> InlineCall:
        call, wall = self._places.call, self._clocks.wall
        left = _TIMED_EVERY

        def spot_checked(response: Response) -> Result:
            nonlocal left
            left -= 1
            if left:
                return call(response)
            left = _TIMED_EVERY
            start_s = wall()
            result = call(response)
            if wall() - start_s > BLOCKING_S:
                self.inline = self._measure
            return result

        return spot_checked


def probe_in_thread(call: InlineCall, response: Response, clocks: Clocks) -> tuple[Result, Probe]:
    """Run one call in a thread while this thread counts, for at most 100 ms, then wait for its end.

    Blocks the caller as long as the call takes (twice that, at most 100 ms more, when it holds the GIL).
    """
    results: list[Result] = []
    function_cpu_s: list[float] = []

    def in_thread() -> None:
        start_s = clocks.cpu()
        try:
            results.append(call(response))
        finally:
            function_cpu_s.append(clocks.cpu() - start_s)

    thread = threading.Thread(target=in_thread, name="penstock-probe")
    start_busy_s, start_cpu_s, start_s = clocks.busy(), clocks.cpu(), clocks.wall()
    thread.start()
    while not function_cpu_s and clocks.wall() - start_s < _COUNTING_S_MAX:
        pass
    wall_s, cpu_s, busy = clocks.wall() - start_s, clocks.cpu() - start_cpu_s, clocks.busy() - start_busy_s
    thread.join()
    alone_s = clocks.wall() - start_s - wall_s
    # What the function used after the counting ended says nothing of the two together.
    return results[0], Probe(wall_s, cpu_s, busy, max(0.0, function_cpu_s[0] - alone_s))
