"""How much of an item's time alone needs the one interpreter: Amdahl's bound on what concurrency can give.

Pure. The rule: it is said only where something ran at concurrency 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.perf.compare.model import SerialShare, Summary

_ONE_LOCK = ("sync", "threads", "asyncio", "uvloop")


def serial_share(summaries: Sequence[Summary]) -> SerialShare | None:
    """Share = CPU per item of the leanest way under one lock / time per item of the first `sync`; at most 1.

    Amdahl ("Validity of the single processor approach to achieving large scale computing capabilities", AFIPS 1967):
    with a share s of the work that only one can do at a time, no number of places gives more than 1/s. Under one
    interpreter lock (GIL) that share is the CPU: while one item computes, no other does, but any number can wait. So
    threads and event loops are at most 1/s times as fast as one after the other, and processes are bound by the number
    of cores instead.

    The CPU is the least of `sync`, threads, asyncio and uvloop, not that of `sync`: many items at once cost less each
    than one alone (one wake-up serves several sockets), and a bound must hold for the leanest. It is an estimate and
    no wall all the same. libcurl's C code and the kernel (sockets, TLS, decompression) run without the lock, so that
    threads on several cores may pass the bound; what contention for the lock costs lowers what is reached. On a machine
    that is busy with something else, waiting for a core counts as waiting here, and the share comes out too small.

    None without a `sync` alternative, or when its CPU is not known.
    """
    alone = next((one for one in summaries if one.strategy == "sync" and one.concurrency == 1), None)
    if alone is None or alone.throughput_per_s.value is None or alone.cpu_s_per_1000.value is None:
        return None
    measured = [one for one in summaries if one.throughput_per_s.value is not None]
    best = max(measured, key=lambda one: one.throughput_per_s.value or 0.0)
    costs = {one.name: one.cpu_s_per_1000.value for one in measured if one.strategy in _ONE_LOCK}
    cpu_s, leanest = min((value / 1000, name) for name, value in costs.items() if value is not None)
    alone_s = 1 / alone.throughput_per_s.value
    share = min(1.0, cpu_s / alone_s)
    return SerialShare(
        share=share,
        speedup_max=1 / share,
        reached=(best.throughput_per_s.value or 0.0) * alone_s,
        reached_by=best.name,
        cpu_s=cpu_s,
        leanest=leanest,
        alone_s=alone_s,
    )
