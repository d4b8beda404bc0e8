"""Four sections of the strategies' report, each from the comparison and from the costs measured alone.

Interpreter lock and blocking, uvloop against asyncio, thread switches, hand-over to processes. Pure. The rule: a
sentence is chosen by the verdict, and the numbers stand in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.perf.compare.figures import known, pair_of, ratio_text
from penstock.perf.compare.model import Comparison, Metric, Summary
from penstock.telemetry.format import duration_text

Costs = Mapping[str, Mapping[str, Any]]


def interpreter_section(comparisons: Sequence[Comparison], costs: Costs) -> list[str]:
    """What one lock does to computing, and to what waits beside it."""
    plain = costs["CPU, plain loop"]["median"]
    lines = ["## One interpreter, one lock", "", "5 ms of pure Python, in a plain loop as 1:", ""]
    lines += ["| where | throughput | interval |", "|---|--:|--:|"]
    for key in ("CPU, 2 threads", "CPU, 8 threads", "CPU, a process per core"):
        cost = costs[key]
        low, high = cost["low"] / plain, cost["high"] / plain
        where = key.removeprefix("CPU, ")
        lines.append(f"| {where} | {ratio_text(cost['median'] / plain)} | {low:.2f}–{high:.2f} |")
    late = {key: duration_text(costs[f"loop late, {key}"]["median"]) for key in _LATE}
    lines += [
        "",
        "Computing also delays what only waits. A loop that asks to be woken after 2 ms is woken late by "
        f"{late['nothing else']} when nothing else runs, by {late['1 busy thread']} beside one thread that computes "
        f"(it keeps the lock for the interpreter's switch interval), by {late['2 busy threads']} beside two, and by "
        f"{late['busy task']} when a task on the loop computes 5 ms at a time.",
        "",
    ]
    found = _of(comparisons, "cpu-5ms")
    if found is not None:
        lines += [*_against(found, "processes", ("sync", "threads", "asyncio"), "throughput"), ""]
    return lines


def uvloop_section(comparisons: Sequence[Comparison], costs: Costs) -> list[str]:
    """The same asyncio code on both loops."""
    wake = [costs[f"socket wake-up, {name}"]["median"] for name in ("asyncio", "uvloop")]
    switch = [costs[f"task switch, {name}"]["median"] for name in ("asyncio", "uvloop")]
    lines = [
        "## uvloop against asyncio",
        "",
        f"A byte that arrives on a socket costs {duration_text(wake[0])} on asyncio's loop and "
        f"{duration_text(wake[1])} on uvloop; a switch between two tasks {duration_text(switch[0])} and "
        f"{duration_text(switch[1])}. What is left of that in whole workloads (above 1: uvloop is better):",
        "",
        "| workload | throughput | CPU per item |",
        "|---|--:|--:|",
    ]
    for one in comparisons:
        cells = [_ratio(one, "uvloop", "asyncio", metric) for metric in ("throughput", "cpu")]
        lines.append(f"| {one.workload} | {cells[0]} | {cells[1]} |")
    return [*lines, ""]


def thread_section(comparisons: Sequence[Comparison], costs: Costs) -> list[str]:
    """What threads cost where tasks would do."""
    switch, pool = costs["thread switch"]["median"], costs["thread pool"]["median"]
    lines = [
        "## What threads cost",
        "",
        f"Two threads that wake each other take {duration_text(switch)} a switch, an item to a thread pool and back "
        f"{duration_text(pool)}. In whole workloads (above 1: threads are better than asyncio):",
        "",
        "| workload | throughput | CPU per item | switches per item, threads | memory, threads and asyncio |",
        "|---|--:|--:|--:|--:|",
    ]
    for one in comparisons:
        threads, tasks = _summary(one, "threads"), _summary(one, "asyncio")
        if threads is None or tasks is None:
            continue
        switches = known(threads.switches_per_item)
        memory = [known(summary.rss_bytes) for summary in (threads, tasks)]
        sizes = " and ".join("–" if size is None else f"{size / 1e6:.0f} MB" for size in memory)
        cells = [_ratio(one, "threads", "asyncio", metric) for metric in ("throughput", "cpu")]
        each = "–" if switches is None else f"{switches:.1f}"
        lines.append(f"| {one.workload} | {cells[0]} | {cells[1]} | {each} | {sizes} |")
    return [*lines, ""]


def process_section(comparisons: Sequence[Comparison], costs: Costs) -> list[str]:
    """What it costs to hand an item to another process."""
    del comparisons
    lines = [
        "## What a hand-over to another process costs",
        "",
        "An item to a `ProcessPoolExecutor` worker and its result of the same size back, one at a time:",
        "",
        "| size | time | interval |",
        "|---|--:|--:|",
    ]
    for key, cost in costs.items():
        if key.startswith("process pool, "):
            interval = f"{duration_text(cost['low'])}–{duration_text(cost['high'])}"
            lines.append(f"| {key.removeprefix('process pool, ')} | {duration_text(cost['median'])} | {interval} |")
    alone = costs["process pool, nothing"]["median"]
    lines += [
        "",
        f"So an item should be worth well over {duration_text(alone)} of computing before it is sent away.",
        "",
    ]
    return lines


_LATE = ("nothing else", "1 busy thread", "2 busy threads", "busy task")


def _against(one: Comparison, name: str, others: Sequence[str], metric: Metric) -> list[str]:
    parts = [f"{_ratio(one, name, other, metric)} of {other}" for other in others if _summary(one, other)]
    return [f"On `{one.workload}`, {name} reach {', '.join(parts)}."] if parts else []


def _ratio(one: Comparison, a: str, b: str, metric: Metric) -> str:
    pair = pair_of(one.pairs, metric, a, b)
    if pair is None or pair.ratio.value is None:
        return "–"
    text = ratio_text(pair.ratio.value)
    return f"**{text}**" if pair.verdict != "cannot tell" else f"{text} (cannot tell)"


def _of(comparisons: Sequence[Comparison], workload: str) -> Comparison | None:
    return next((one for one in comparisons if one.workload == workload and one.refusal is None), None)


def _summary(one: Comparison, name: str) -> Summary | None:
    return next((summary for summary in one.summaries if summary.name == name), None)
