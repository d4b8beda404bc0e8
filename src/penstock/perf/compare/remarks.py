"""The commentary's sentences on cost (switches, hand-over, tails, memory) and on the open loop.

Pure. The rule: a cost is told when it is large enough to matter, not because it was measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from penstock.perf.compare.wording import amount, names_of
from penstock.telemetry.format import bytes_text, duration_text

if TYPE_CHECKING:
    from penstock.perf.compare.commentary import Findings
    from penstock.perf.compare.model import Summary

_TELLING_RATIO = 2.0
_TELLING_SWITCHES = 0.5
_TELLING_RSS_BYTES = 20 * 10**6


def keeping_up(findings: Findings) -> Iterator[str]:
    """Who cannot keep up at the common rate, and who can."""
    behind = [one.name for one in findings.summaries if one.keeps_up is False]
    keeping = [one.name for one in findings.summaries if one.keeps_up]
    if findings.rate_per_s is None or not behind:
        return
    kept = f"; {names_of(keeping)} can" if keeping else ""
    yield f"When {amount(findings.rate_per_s)} items/s arrive on schedule, {names_of(behind)} cannot keep up{kept}."


def costs(findings: Findings) -> Iterator[str]:
    """The most telling first."""
    yield from _switches(findings)
    yield from _hand_over(findings)
    yield from _tail(findings)
    yield from _memory(findings)


def _tail(findings: Findings) -> Iterator[str]:
    known = [one for one in findings.summaries if one.keeps_up and one.latency and one.latency.p95.value is not None]
    if len(known) < 2:
        return
    ordered = sorted(known, key=_p95)
    quickest, slowest = ordered[0], ordered[-1]
    if findings.verdicts.is_better(quickest.name, slowest.name, "p95"):
        yield (
            f"At {amount(findings.rate_per_s)} items/s {slowest.name} has the longest tail: p95 is"
            f" {duration_text(_p95(slowest))} from the intended start, {duration_text(_p95(quickest))} with"
            f" {quickest.name}."
        )


def level(findings: Findings) -> Iterator[str]:
    """What all have in common, when little tells them apart."""
    offered = [one for one in findings.summaries if one.keeps_up is not None]
    if findings.rate_per_s is not None and offered and all(one.keeps_up for one in offered):
        yield f"All of them keep up when {amount(findings.rate_per_s)} items/s arrive on schedule."
    costs_s = [one.cpu_s_per_1000.value / 1000 for one in findings.summaries if one.cpu_s_per_1000.value]
    if costs_s and all(pair.verdict == "cannot tell" for pair in findings.verdicts.pairs if pair.metric == "cpu"):
        low, high = duration_text(min(costs_s)), duration_text(max(costs_s))
        spread = low if low == high else f"{low} to {high}"
        yield f"By CPU per item ({spread}) they cannot be told apart either."


def _switches(findings: Findings) -> Iterator[str]:
    threads, loop = findings.best("threads"), findings.best("asyncio", "uvloop", "penstock")
    if threads is None or loop is None:
        return
    many, few = threads.switches_per_item.value, loop.switches_per_item.value
    if many is None or few is None or many < _TELLING_SWITCHES or many < _TELLING_RATIO * few:
        return
    yield (
        f"Thread switches: {threads.name} gives up the processor {amount(many)} times per item, {loop.name}"
        f" {amount(few)} times."
    )


def _hand_over(findings: Findings) -> Iterator[str]:
    """Items travel to worker processes and outputs back; against `sync`, which does the same work in place."""
    processes, sync = findings.best("processes"), findings.best("sync")
    if processes is None or sync is None:
        return
    pair = findings.verdicts.of(processes.name, sync.name, "cpu")
    if pair is None or pair.verdict != "slower":
        return
    theirs, ours = sync.cpu_s_per_1000.value, processes.cpu_s_per_1000.value
    if theirs is None or ours is None:
        return
    yield (
        f"{processes.name} takes {duration_text((ours - theirs) / 1000)} of CPU per item more than {sync.name}: what it"
        f" costs to hand items to other processes and to run on several cores at once."
    )


def _memory(findings: Findings) -> Iterator[str]:
    known = [one for one in findings.summaries if one.rss_bytes.value]
    if len(known) < 2:
        return
    ordered = sorted(known, key=_rss)
    least, most = ordered[0], ordered[-1]
    if _rss(most) >= _TELLING_RATIO * _rss(least) and _rss(most) - _rss(least) >= _TELLING_RSS_BYTES:
        yield f"{most.name} holds {bytes_text(_rss(most))} of memory, {least.name} {bytes_text(_rss(least))}."


def _p95(one: Summary) -> float:
    return one.latency.p95.value or 0.0 if one.latency is not None else 0.0


def _rss(one: Summary) -> float:
    return one.rss_bytes.value or 0.0
