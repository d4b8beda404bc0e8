"""One alternative over all its runs: what a row of the table says.

Pure. The rule: a number that its runs do not carry is None with the reason, and the other numbers stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from penstock.perf.compare.model import Estimate, Percentiles, Summary
from penstock.perf.compare.openloop import Keeping, keeping
from penstock.perf.compare.plan import concurrency_of
from penstock.perf.compare.statistics import percentiles, typical
from penstock.perf.measure.model import RunResult
from penstock.perf.workload.model import Alternative, Workload


def summarise(
    workload: Workload,
    alternative: Alternative,
    closed: Sequence[RunResult],
    opened: Sequence[RunResult],
    rate_per_s: float | None,
) -> Summary:
    """Throughput, service time and cost from the closed loop (no runs: values None); latency from the open loop.

    `latency` is None when there was no open loop. Its percentiles are None for an alternative that cannot keep up:
    they would tell how long the run was.
    """
    keeps = keeping(opened, closed, rate_per_s) if rate_per_s is not None else None
    concurrency = closed[0].concurrency if closed else concurrency_of(alternative, workload)
    cpu_per_1000 = typical([_per_item(one.cpu_s * 1000, one) for one in closed])
    throughput = typical([one.throughput_per_s for one in closed], nothing="no item ended")
    return Summary(
        name=alternative.name,
        strategy=alternative.strategy,
        client=alternative.client if alternative.function is None else None,
        function=alternative.function,
        concurrency=concurrency,
        runs=len(closed),
        items=sum(one.items for one in closed),
        throughput_per_s=throughput,
        service=percentiles([_since(one.start_s, one) for one in closed]),
        latency=_latency(opened, rate_per_s, keeps),
        keeps_up=keeps.keeps_up if keeps else None,
        cpu_s_per_1000=cpu_per_1000,
        rss_bytes=_peak([*closed, *opened]),
        switches_per_item=typical(
            [_per_item(one.switches_voluntary, one) for one in closed],
            nothing="none, or the system does not tell",
        ),
        wait_share=_wait_share(throughput, cpu_per_1000) if concurrency == 1 else None,
        phases=_phases(closed),
    )


def _per_item(value: float, run: RunResult) -> float | None:
    return value / run.items if run.items else None


def _since(began_s: Sequence[float], run: RunResult) -> list[float]:
    return [end - began for began, end in zip(began_s, run.end_s, strict=True)]


def _latency(opened: Sequence[RunResult], rate_per_s: float | None, keeps: Keeping | None) -> Percentiles | None:
    if rate_per_s is None or keeps is None:
        return None
    if not keeps.keeps_up:
        managed = "?" if keeps.managed_per_s is None else f"{keeps.managed_per_s:,.4g}"
        unsaid = Estimate(
            None, n=sum(one.items for one in opened), note=f"cannot keep up ({managed} of {rate_per_s:,.4g}/s)"
        )
        return Percentiles(unsaid, unsaid, unsaid)
    return percentiles([_since(one.intended_s, one) for one in opened])


def _peak(runs: Sequence[RunResult]) -> Estimate:
    """The typical peak of a run with its interval: memory that stays is the same in all of them."""
    return typical([one.rss_bytes for one in runs], nothing="the system does not tell")


def _wait_share(throughput: Estimate, cpu_s_per_1000: Estimate) -> float | None:
    if throughput.value is None or cpu_s_per_1000.value is None:
        return None
    return min(1.0, max(0.0, 1 - throughput.value * cpu_s_per_1000.value / 1000))


def _phases(runs: Sequence[RunResult]) -> dict[str, float]:
    """Mean seconds per item by phase, over the runs that tell it."""
    names = dict.fromkeys(name for one in runs for name in one.phases)
    return {name: fmean(one.phases[name] for one in runs if name in one.phases) for name in names}
