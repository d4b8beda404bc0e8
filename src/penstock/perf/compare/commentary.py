"""What a comparison means, in three to seven plain sentences made from its numbers.

Pure. The rule: nothing is claimed that its verdict says cannot be told, and a sentence without numbers behind it is
not written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from penstock.perf.compare.lookup import Verdicts
from penstock.perf.compare.model import Pair, SerialShare, Summary
from penstock.perf.compare.pairs import MARGIN
from penstock.perf.compare.remarks import costs, keeping_up, level
from penstock.perf.compare.wording import amount, interval, names_of, share, times
from penstock.perf.workload.model import Strategy
from penstock.telemetry.format import duration_text

_SENTENCES_MAX = 7
_COMPUTES_FROM = 0.5
_WAITS_BELOW = 0.2


@dataclass(frozen=True)
class Findings:
    """What the sentences are made from. `rate_per_s`: of the open loop."""

    summaries: Sequence[Summary]
    verdicts: Verdicts
    serial: SerialShare | None = None
    rate_per_s: float | None = None

    @property
    def measured(self) -> list[Summary]:
        """Those with a throughput, best first."""
        return self.verdicts.ranked(self.summaries)

    def best(self, *strategies: Strategy) -> Summary | None:
        """The one with most throughput among these strategies."""
        return next((one for one in self.measured if one.strategy in strategies), None)


def comment(
    summaries: Sequence[Summary],
    pairs: Sequence[Pair],
    serial: SerialShare | None,
    rate_per_s: float | None = None,
) -> tuple[str, ...]:
    """At most seven sentences, costs left out first; none with fewer than two measured alternatives."""
    findings = Findings(summaries, Verdicts(pairs), serial, rate_per_s)
    if len(findings.measured) < 2:
        return ()
    first = [*_workload(findings), *_winner(findings), *_interpreter(findings), *keeping_up(findings)]
    last = [*_elsewhere(findings)]
    room = max(0, _SENTENCES_MAX - len(first) - len(last))
    sentences = [*first, *islice(chain(_loops(findings), costs(findings)), room), *last]
    if len(sentences) < 3:
        sentences += [*_resolution(findings), *level(findings)]
    return tuple(sentences[:_SENTENCES_MAX])


def _workload(findings: Findings) -> Iterator[str]:
    serial = findings.serial
    if serial is None:
        return
    if serial.share >= _COMPUTES_FROM:
        kind = "the workload computes"
    elif serial.share < _WAITS_BELOW:
        kind = "the workload waits"
    else:
        kind = "the workload both waits and computes"
    text = (
        f"An item alone takes {duration_text(serial.alone_s)}, and at least {duration_text(serial.cpu_s)} of CPU under"
        f" one interpreter lock (GIL): {kind}, and one interpreter does at most about {times(serial.speedup_max)} the"
        " work of one item after the other (Amdahl)"
    )
    if serial.reached > 1 + MARGIN:
        # The engine, too, may have put the function into processes.
        is_apart = serial.reached > (1 + MARGIN) * serial.speedup_max
        text += (
            f"; {serial.reached_by}{', on several cores,' if is_apart else ''} reached {amount(serial.reached)} times"
        )
    yield f"{text}."


def _winner(findings: Findings) -> Iterator[str]:
    best, *others = findings.measured
    behind = [one for one in others if findings.verdicts.is_better(best.name, one.name, "throughput")]
    equals = [one for one in others if one not in behind]
    rate = f"{amount(best.throughput_per_s.value)} items/s {interval(best.throughput_per_s)}".strip()
    if not behind:
        yield f"By throughput no alternative can be told from {best.name}, which did {rate}."
        return
    pair = findings.verdicts.of(best.name, behind[0].name, "throughput")
    if pair is None or pair.ratio.value is None:
        return
    lead = f"{times(pair.ratio.value)} {behind[0].name} {interval(pair.ratio)}".strip()
    if not equals:
        yield f"{best.name} is the fastest: {rate}, which is {lead}."
        return
    text = f"{best.name} did {rate} and cannot be told from {names_of(one.name for one in equals)}"
    if len(behind) > 1:
        yield f"{text}; it is faster than {names_of(one.name for one in behind)}: {lead}, the nearest of them."
    else:
        yield f"{text}; it does {lead}."


def _interpreter(findings: Findings) -> Iterator[str]:
    """What one interpreter lock and blocking calls do here."""
    sync, threads = findings.best("sync"), findings.best("threads")
    loop = findings.best("asyncio", "uvloop", "penstock")
    if sync is not None and findings.serial is not None and findings.serial.share >= _COMPUTES_FROM:
        yield from _one_lock(sync, [one for one in (threads, loop) if one is not None], findings)
        yield from _many_locks(sync, findings)
    elif threads is not None and loop is not None:
        yield from _threads_or_loop(threads, loop, findings)


def _one_lock(sync: Summary, held: Sequence[Summary], findings: Findings) -> Iterator[str]:
    stuck = []
    for one in held:
        pair = findings.verdicts.of(one.name, sync.name, "throughput")
        if pair is not None and pair.verdict != "faster" and pair.ratio.value is not None:
            stuck.append(f"{one.name} {times(pair.ratio.value)} {interval(pair.ratio)}".strip())
    if stuck:
        yield (
            f"Against {sync.name}, {names_of(stuck)}: no gain that could be told, since under one lock only one item"
            f" computes at a time, however many are begun."
        )


def _many_locks(sync: Summary, findings: Findings) -> Iterator[str]:
    processes = findings.best("processes")
    pair = None if processes is None else findings.verdicts.of(processes.name, sync.name, "throughput")
    if processes is None or pair is None or pair.verdict != "faster" or pair.ratio.value is None:
        return
    cores = _cores(processes)
    if cores is not None and cores > 1 + MARGIN:
        yield (
            f"With a lock in each process, {processes.name} keeps {amount(cores)} cores busy and does"
            f" {times(pair.ratio.value)} the work of {sync.name}; its bound is the cores, not the lock."
        )


def _threads_or_loop(threads: Summary, loop: Summary, findings: Findings) -> Iterator[str]:
    pair = findings.verdicts.of(loop.name, threads.name, "throughput")
    if pair is None or pair.verdict == "cannot tell" or pair.ratio.value is None:
        return
    cores = _cores(threads)
    lead = f"{times(max(pair.ratio.value, 1 / pair.ratio.value))} the work of"
    if pair.verdict == "faster" and findings.verdicts.is_better(loop.name, threads.name, "cpu"):
        yield (
            f"At {threads.concurrency} at once {loop.name} does {lead} {threads.name}, with"
            f" {duration_text(_cpu_s(loop))} of CPU per item against {duration_text(_cpu_s(threads))}: an answer wakes"
            f" a blocked thread, which must take the lock; a loop takes several answers at one wake-up."
        )
    elif pair.verdict == "slower" and cores is not None and cores > 1 + MARGIN:
        yield (
            f"At {threads.concurrency} at once {threads.name} does {lead} {loop.name} and keeps {amount(cores)} cores"
            f" busy, for C code runs without the lock; a loop has one thread."
        )


def _cpu_s(one: Summary) -> float | None:
    return None if one.cpu_s_per_1000.value is None else one.cpu_s_per_1000.value / 1000


def _cores(one: Summary) -> float | None:
    """Cores kept busy: CPU seconds per second."""
    cpu_s, rate = _cpu_s(one), one.throughput_per_s.value
    return None if cpu_s is None or rate is None else cpu_s * rate


def _loops(findings: Findings) -> Iterator[str]:
    """uvloop against asyncio, doing the same."""
    for fast in findings.measured:
        plain = next((one for one in findings.measured if one.strategy == "asyncio" and _same_job(one, fast)), None)
        if fast.strategy != "uvloop" or plain is None:
            continue
        work = findings.verdicts.of(fast.name, plain.name, "throughput")
        cpu = findings.verdicts.of(fast.name, plain.name, "cpu")
        decided = []
        if work is not None and work.verdict != "cannot tell" and work.ratio.value is not None:
            shift = work.ratio.value - 1
            decided.append(f"does {share(abs(shift))} {'more' if shift > 0 else 'less'} work")
        if cpu is not None and cpu.verdict != "cannot tell" and cpu.ratio.value is not None:
            shift = 1 / cpu.ratio.value - 1
            decided.append(f"takes {share(abs(shift))} {'more' if shift > 0 else 'less'} CPU per item")
        if decided:
            unsure = (
                "; their throughput cannot be told apart" if work is not None and work.verdict == "cannot tell" else ""
            )
            yield f"{fast.name} {' and '.join(decided)} than {plain.name}{unsure}."
        return


def _same_job(one: Summary, other: Summary) -> bool:
    return (one.client, one.function, one.concurrency) == (other.client, other.function, other.concurrency)


def _elsewhere(findings: Findings) -> Iterator[str]:
    """When another choice would do, or do better."""
    serial, sync, best = findings.serial, findings.best("sync"), findings.measured[0]
    if serial is None or sync is None or sync.throughput_per_s.value is None:
        return
    if serial.share >= _COMPUTES_FROM:
        if best.strategy == "processes" and findings.verdicts.is_better(best.name, sync.name, "throughput"):
            yield (
                f"Threads and event loops shine where items wait; here waiting is {share(1 - serial.share)} of an"
                f" item's time."
            )
    elif findings.verdicts.is_better(best.name, sync.name, "throughput"):
        yield (
            f"Where {amount(sync.throughput_per_s.value)} items/s are enough, {sync.name} does them with the least"
            f" code; were an item's CPU ({duration_text(serial.cpu_s)}) most of its time, try processes."
        )


def _resolution(findings: Findings) -> Iterator[str]:
    """How small a difference these rounds could have shown."""
    compared = [pair.ratio for pair in findings.verdicts.pairs if pair.metric == "throughput"]
    widths = [one.high / one.value - 1 for one in compared if one.high is not None and one.value]
    if widths:
        yield (
            f"After {max(one.n for one in compared)} rounds the ratios of throughput are known to {share(max(widths))}"
            f" or better, and differences below {share(MARGIN)} count as none: another start of the same program can"
            f" make them."
        )
