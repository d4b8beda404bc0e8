"""From the runs of all alternatives to the comparison: summaries, verdicts, recommendation, sentences.

Pure. The rule: where the data cannot carry a verdict there is a refusal and no verdict, and what was seen is still
shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from penstock.perf.compare.commentary import comment
from penstock.perf.compare.model import Comparison, Pair, Refusal, Summary
from penstock.perf.compare.pairs import ROUNDS_MIN, judge_pairs
from penstock.perf.compare.recommend import recommend
from penstock.perf.compare.refusals import items_failed
from penstock.perf.compare.rounds import throughputs
from penstock.perf.compare.serial import serial_share
from penstock.perf.compare.statistics import quantile, samples_min, too_few
from penstock.perf.compare.summary import summarise
from penstock.perf.measure.model import RunResult
from penstock.perf.workload.model import Alternative, Workload

_ITEMS_MIN = 5

Runs = Mapping[str, Sequence[RunResult]]


def conclude(
    workload: Workload,
    alternatives: Sequence[Alternative],
    closed: Runs,
    opened: Runs,
    *,
    seed: int,
    elapsed_s: float,
    rate_per_s: float | None,
    machine: Mapping[str, object],
    notes: Sequence[str] = (),
) -> Comparison:
    """`closed[name][i]` and `opened[name][i]` are round i of that alternative; a name without runs may be missing.

    Refuses, with summaries and without verdicts, when items failed (`raised`, `pushback`), when an alternative has
    fewer than 5 rounds (`too_few_runs`), or fewer than 5 items in all of them (`too_few_items`). `rate_per_s`: what the
    open loop was driven at; an alternative without open runs there is judged by its closed loop.
    """
    names = [one.name for one in alternatives]
    rounds = min((len(closed.get(name, ())) for name in names), default=0)
    summaries = tuple(
        summarise(workload, one, closed.get(one.name, ()), opened.get(one.name, ()), rate_per_s) for one in alternatives
    )
    refusal = _refusal(workload, names, closed, opened)
    comparison = Comparison(
        workload=workload.name,
        about=workload.about,
        seed=seed,
        rounds=rounds,
        elapsed_s=elapsed_s,
        summaries=summaries,
        rate_per_s=rate_per_s,
        refusal=refusal,
        notes=tuple(notes),
        machine=dict(machine),
    )
    if refusal is not None:
        return comparison
    pairs = _pairs(summaries, closed, opened)
    serial = serial_share(summaries)
    return replace(
        comparison,
        pairs=pairs,
        serial=serial,
        recommendation=recommend(summaries, pairs),
        commentary=comment(summaries, pairs, serial, rate_per_s),
    )


def _refusal(workload: Workload, names: Sequence[str], closed: Runs, opened: Runs) -> Refusal | None:
    for name in names:
        for run in (*closed.get(name, ()), *opened.get(name, ())):
            if run.failed:
                return items_failed(name, run, workload, {})
    rounds = {name: len(closed.get(name, ())) for name in names}
    few = [name for name in names if rounds[name] < ROUNDS_MIN]
    if few:
        least = min(rounds.values())
        return Refusal(
            "too_few_runs",
            f"expected at least {ROUNDS_MIN} rounds of every alternative, got {least} ({', '.join(few)}): "
            "too few to tell a difference from noise",
            f"let it run for {ROUNDS_MIN} rounds or more",
        )
    items = {name: sum(run.items for run in closed[name]) for name in names}
    idle = [name for name in names if items[name] < _ITEMS_MIN]
    if idle:
        listed = ", ".join(f"{name}: {items[name]}" for name in idle)
        return Refusal(
            "too_few_items",
            f"expected at least {_ITEMS_MIN} items of every alternative to end, got {listed}",
            f"runs of {workload.run_s:g} s are short for such items: make items smaller or runs longer",
        )
    return None


def _pairs(summaries: Sequence[Summary], closed: Runs, opened: Runs) -> tuple[Pair, ...]:
    names = [one.name for one in summaries]
    ran = {name: closed[name] for name in names}
    cpu = {name: [run.cpu_s_per_item for run in runs] for name, runs in ran.items()}
    return (
        *judge_pairs("throughput", throughputs(ran)),
        *judge_pairs("cpu", cpu, is_less_better=True),
        *_tail_pairs(summaries, ran, opened),
    )


def _tail_pairs(summaries: Sequence[Summary], closed: Runs, opened: Runs) -> tuple[Pair, ...]:
    """By p95 of each run: of the latency where there was an open loop, else of the service time."""
    is_open = any(one.latency is not None for one in summaries)
    series: dict[str, list[float | None]] = {}
    unsayable: dict[str, str] = {}
    for one in summaries:
        if one.keeps_up is False and one.latency is not None:
            unsayable[one.name] = f"{one.name}: {one.latency.p95.note}"
        runs = opened.get(one.name, ()) if is_open else closed[one.name]
        series[one.name] = [_p95(run, is_latency=is_open) for run in runs]
        if one.name not in unsayable and not any(series[one.name]):
            most = max((run.items for run in runs), default=0)
            unsayable[one.name] = f"{one.name}: in one run {too_few(most, 0.95)}"
    return judge_pairs("p95", series, is_less_better=True, unsayable=unsayable)


def _p95(run: RunResult, *, is_latency: bool) -> float | None:
    if run.items < samples_min(0.95):
        return None
    began_s = run.intended_s if is_latency else run.start_s
    return quantile([end - began for began, end in zip(began_s, run.end_s, strict=True)], 0.95)
