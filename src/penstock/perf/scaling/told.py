"""A run as the conclusion takes it, and a sweep without a conclusion. Pure.

The rule: with a refusal nothing that was concluded remains, only what was seen.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

from penstock.perf.compare.model import Refusal
from penstock.perf.measure.model import RunResult
from penstock.perf.scaling.levels import ITEMS_MIN
from penstock.perf.scaling.model import SweepRun, Tuning

_WAVES_STEADY = 4


def steady_throughput_per_s(result: RunResult) -> float:
    """Items per second without the first N ends and the last N, N being the concurrency: the slope of the line through
    the others (least squares, number of the end over its time).

    With the first N a run fills up, and with the last N it runs out: there, places stand empty, more of
    them the higher N is, which would bend the curve by several per cent. A slope, because answers that come in step,
    N at a time, would make a quotient of two single ends jump. Runs of less than four waves: all of it, as
    `RunResult.throughput_per_s`.

    Simulated: 16 slots, log-normal times of sigma 0.3 (0.8), 16 at once, runs of 0.6 s: items over the whole run are
    2.6 % (9.8 %) below the long run's, the slope 0.0 % (0.4 %), with about the same scatter.
    """
    count, places = result.items, result.concurrency
    if count < _WAVES_STEADY * places:
        return result.throughput_per_s
    ends_s = sorted(result.end_s)[places : count - places]
    if len(ends_s) < 2 or ends_s[0] == ends_s[-1]:
        return result.throughput_per_s
    return statistics.linear_regression(ends_s, range(len(ends_s))).slope


def told_run(result: RunResult, repetition: int) -> SweepRun:
    """A run as the conclusion takes it: its steady throughput, and percentiles instead of every item.

    Percentiles leave out the first wave, one item for each place, when enough remain: these opened the connections and
    met empty queues, all at once, as later items do not. p95 needs 40 items, p50 one.
    """
    began = sorted(zip(result.start_s, result.end_s, strict=True))
    service_s = [end - start for start, end in began]
    if len(service_s) - result.concurrency >= max(ITEMS_MIN, result.concurrency):
        service_s = service_s[result.concurrency :]
    return SweepRun(
        concurrency=result.concurrency,
        repetition=repetition,
        throughput_per_s=steady_throughput_per_s(result),
        p50_s=statistics.median(service_s) if service_s else None,
        p95_s=statistics.quantiles(service_s, n=20, method="inclusive")[-1] if len(service_s) >= ITEMS_MIN else None,
        items=result.items,
        cpu_s=result.cpu_s,
        wall_s=result.wall_s,
        failed=result.failed,
        pushbacks=result.pushbacks,
        phases=dict(result.phases),
    )


def refused(tuning: Tuning, refusal: Refusal) -> Tuning:
    """What was seen, without any conclusion from it."""
    return replace(
        tuning,
        fits=(),
        chosen=None,
        curve=(),
        throughput_max_per_s=None,
        knee=None,
        peak=None,
        recommended=None,
        reason="",
        commentary=(),
        refusal=refusal,
    )
