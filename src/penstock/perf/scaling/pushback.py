"""When a sweep must stop because the server pushes back or fails, and when the client is what limits. Pure.

The rule: push-back is an answer about the server's wishes, not a measurement. One level of it ends the sweep, and
there is no recommendation.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from penstock.perf.compare.model import Refusal
from penstock.perf.measure.model import RunResult
from penstock.perf.scaling.model import SweepRun
from penstock.perf.workload.model import Strategy

_PUSHBACKS_MAX = 0.01
_FAILED_MAX = 0.02
_FAILED_ONES = 2
_BUSY_CORES = 0.9
_DRIFT_MAX = 1.15
_PLATEAU = 0.95
_GROWN = 1.1
_SLOWER = 2.0


class Watch:
    """Counts what went wrong over the runs of a sweep, in the order they were made.

    A single answer 429 or 503 is let pass; more than one, and more than 1 % of all so far or of this run, is
    push-back. Other failures: more than two, and more than 2 % of a run.
    """

    def __init__(self, *, is_fetch: bool = True) -> None:
        self._is_fetch = is_fetch
        self._asked = 0
        self._pushbacks = 0
        self._untroubled = 0
        self._untroubled_per_s = 0.0

    def refusal(self, result: RunResult) -> Refusal | None:
        """What this run says; None: go on."""
        asked = result.items + result.failed
        self._asked += asked
        self._pushbacks += result.pushbacks
        in_run = result.pushbacks > _PUSHBACKS_MAX * asked
        in_all = self._pushbacks > _PUSHBACKS_MAX * self._asked
        if result.pushbacks and self._pushbacks > 1 and (in_run or in_all):
            return self._pushed_back(result, asked)
        others = result.failed - result.pushbacks
        if asked and others == asked:
            return self._all_failed(result, asked)
        if others > _FAILED_ONES and others > _FAILED_MAX * asked:
            return self._failing(result, asked, others)
        self._untroubled = max(self._untroubled, result.concurrency)
        self._untroubled_per_s = max(self._untroubled_per_s, result.throughput_per_s)
        return None

    def _pushed_back(self, result: RunResult, asked: int) -> Refusal:
        return Refusal(
            "pushback",
            f"expected a server that answers, got push-back at concurrency {result.concurrency}: {result.pushbacks:,} "
            f"of {asked:,} answers were 429 or 503 ({_said(result)}); the sweep stopped there",
            f"{self._rate()}{self._lower()}",
        )

    def _failing(self, result: RunResult, asked: int, others: int) -> Refusal:
        where = f"at concurrency {result.concurrency}, {others:,} of {asked:,} items failed ({_said(result)})"
        if not self._is_fetch:
            return Refusal("raised", f"expected items that end well, got failures: {where}", "mend the function first")
        if not self._untroubled:
            hint = "take the addresses that fail out of the list: they are no matter of concurrency"
            return Refusal("raised", f"expected items that end well, got failures: {where}", hint)
        return Refusal(
            "pushback",
            f"expected a server that answers, got failures: {where}; the sweep stopped there",
            f"fewer at once went well: fetch with a lower --concurrency{self._lower()}",
        )

    def _all_failed(self, result: RunResult, asked: int) -> Refusal:
        hint = "`penstock fetch` on the same list says more of each" if self._is_fetch else "mend the function first"
        message = (
            f"expected items that end well, got none: at concurrency {result.concurrency} all {asked:,} failed "
            f"({_said(result)})"
        )
        return Refusal("pushback" if self._is_fetch and self._untroubled else "raised", message, hint)

    def _rate(self) -> str:
        # Not what it accepted in this run: the burst that a limiter allows first would count as its rate.
        if self._untroubled_per_s < 1:
            return "fetch with --rate, as low as the server wants it"
        return f"fetch with --rate: {self._untroubled_per_s:.0f}/s at concurrency {self._untroubled} went well"

    def _lower(self) -> str:
        return f", or tune with --max-concurrency {self._untroubled}" if self._untroubled >= 6 else ""


def client_notes(strategy: Strategy, runs: Sequence[SweepRun], cores: int) -> tuple[str, ...]:
    """A note when the measuring process itself is what throughput ends at.

    At the levels within 5 % of the most: CPU seconds per second of its interpreter near 1, or of all cores for
    processes. Then the curve tells of this machine, not of the server.
    """
    levels = _medians(runs)
    if not levels:
        return ()
    most_per_s = max(rate_per_s for rate_per_s, _ in levels.values())
    busy = statistics.median(cores_ for rate_per_s, cores_ in levels.values() if rate_per_s >= _PLATEAU * most_per_s)
    limit = float(cores) if strategy == "processes" else 1.0
    if busy < _BUSY_CORES * limit:
        return ()
    what = f"all {cores} cores" if strategy == "processes" else "one core, all that one interpreter has"
    return (
        f"the client is the limit: at the plateau the measuring process used {busy:.2f} cores of {what}; "
        "a server that could do more would not show it",
    )


def queue_notes(runs: Sequence[SweepRun]) -> tuple[str, ...]:
    """A note when throughput never grew: more at once only waits longer, from the lowest level on."""
    levels = _medians(runs)
    timed = {run.concurrency: run.p50_s for run in runs if run.p50_s}
    if len(levels) < 2 or not timed:
        return ()
    low, high = min(timed), max(timed)
    most_per_s = max(rate_per_s for rate_per_s, _ in levels.values())
    before_s, after_s = timed[low], timed[high]
    if most_per_s > _GROWN * levels[low][0] or not before_s or not after_s or after_s < _SLOWER * before_s:
        return ()
    return (
        f"only latency grows: throughput is that of concurrency {low} at every level, and an item takes "
        f"{after_s / before_s:.1f} times as long at {high}; it is done one after another somewhere",
    )


def drift_notes(runs: Sequence[SweepRun]) -> tuple[str, ...]:
    """A note when the last round was faster or slower than the first by more than 15 %, over all levels both have."""
    repetitions = sorted({run.repetition for run in runs})
    if len(repetitions) < 2:
        return ()
    first, last = (
        {run.concurrency: run for run in runs if run.repetition == r} for r in (repetitions[0], repetitions[-1])
    )
    ratios = [
        last[level].throughput_per_s / first[level].throughput_per_s
        for level in first.keys() & last.keys()
        if first[level].throughput_per_s > 0
    ]
    if not ratios:
        return ()
    ratio = statistics.median(ratios)
    if 1 / _DRIFT_MAX <= ratio <= _DRIFT_MAX:
        return ()
    way = "faster" if ratio > 1 else "slower"
    return (
        f"conditions changed while it ran: the last round was {100 * abs(ratio - 1):.0f} % {way} than the first, "
        "at the same levels; repeat it on a quieter machine or server",
    )


def _medians(runs: Sequence[SweepRun]) -> Mapping[int, tuple[float, float]]:
    """Concurrency → medians of throughput and of cores used."""
    levels = sorted({run.concurrency for run in runs})
    chosen = {level: [run for run in runs if run.concurrency == level and run.wall_s > 0] for level in levels}
    return {
        level: (
            statistics.median(run.throughput_per_s for run in some),
            statistics.median(run.cpu_s / run.wall_s for run in some),
        )
        for level, some in chosen.items()
        if some
    }


def _said(result: RunResult) -> str:
    return result.failures[0][1] if result.failures else "it said nothing more"
