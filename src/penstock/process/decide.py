"""Decides from measured calls where a process function should run: inline, in threads or in processes.

Pure: seconds in, a decision out; nothing is run or timed here. The one rule: when in doubt, processes. A function
that holds the GIL in threads slows the whole run down, while one that would have suited threads loses only the cost
of sending its input (about 0.1 ms and 0.3 ms per MB).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.process.options import Decision

BLOCKING_S = 0.001
"""A call that keeps the event loop for longer than this, typically, must leave it."""

_CALLS_MAX, _CALLS_MIN = 20, 3
_TOTAL_S, _TOTAL_SLOW_S = 0.050, 1.0
_PROBES_MAX, _PROBES_TOTAL_S = 3, 0.100
_WAITING_SHARE = 0.5
_RELEASED_PROCESSORS = 1.5
_PROGRESS_SHARE = 0.75


@dataclass(slots=True)
class Sample:
    """One inline call: seconds of wall time, and those in which its thread ran or wanted to."""

    wall_s: float
    busy_s: float


@dataclass(slots=True)
class Probe:
    """One call in a thread while another thread counted as fast as it could, for `wall_s` seconds of both together.

    `counting_cpu_s` and `function_cpu_s` are processor seconds of each in that time; `counting_busy_s` adds those in
    which the counting thread had to queue for a processor.
    """

    wall_s: float
    counting_cpu_s: float
    counting_busy_s: float
    function_cpu_s: float


def is_measured(samples: Sequence[Sample]) -> bool:
    """Enough inline calls: 20; or 3 that took 50 ms together; or any number that took 1 s."""
    total_s = sum(sample.wall_s for sample in samples)
    return (
        len(samples) >= _CALLS_MAX
        or (len(samples) >= _CALLS_MIN and total_s >= _TOTAL_S)
        or (len(samples) >= 1 and total_s >= _TOTAL_SLOW_S)
    )


def is_probed(probes: Sequence[Probe]) -> bool:
    """Enough probes: 3, or any number that took 100 ms together."""
    return len(probes) >= _PROBES_MAX or sum(probe.wall_s for probe in probes) >= _PROBES_TOTAL_S


def typical_s(samples: Sequence[Sample]) -> tuple[float, float]:
    """Median, and mean without the slowest call (of one sample: itself), in seconds."""
    import statistics  # here: 5 ms, of which most runs need nothing

    walls = sorted(sample.wall_s for sample in samples)
    return statistics.median(walls), statistics.fmean(walls[:-1] or walls)


def is_blocking(samples: Sequence[Sample]) -> bool:
    """Whether the calls typically block the loop: median or trimmed mean over 1 ms.

    The mean is there for functions that are quick on most items and take long on every tenth.
    """
    return max(typical_s(samples)) > BLOCKING_S


def decide(
    samples: Sequence[Sample],
    probes: Sequence[Probe] = (),
    cannot_isolate: str | None = None,
    cannot_thread: str | None = None,
    *,
    cores: int = 1,
) -> Decision:
    """Where the function runs from now on. `cannot_isolate` and `cannot_thread` say why it cannot go there, if so.

    Threads when it spends most of its time waiting and lets others run meanwhile, or when it and a counting thread
    together used over 1.5 processors. With a function that holds the GIL that is at most 1, however noisy the
    machine is; one that releases it may not reach 1.5 on a busy machine, and then goes to processes, the safe side.
    """
    median_s, mean_s = typical_s(samples)

    def decision(mode: str, reason: str) -> Decision:
        assert mode in ("inline", "thread", "process")
        return Decision(mode, f"{_milliseconds(median_s, mean_s)}: {reason}", median_s, mean_s, len(samples))  # type: ignore[arg-type]  # narrowed by the assertion above, which mypy does not use

    if not is_blocking(samples):
        return decision("inline", "under 1 ms, stays on the event loop")
    if cannot_isolate is not None:
        return decision("thread", f"over 1 ms, and threads because {cannot_isolate}")
    if cannot_thread is not None:
        return decision("process", f"over 1 ms, and processes because {cannot_thread}")
    import statistics

    waits = statistics.median(s.busy_s / s.wall_s if s.wall_s > 0 else 1.0 for s in samples) < _WAITING_SHARE
    if not probes:
        if waits:
            return decision("thread", f"over 1 ms, mostly waiting ({cores} core)")
        return decision("process", f"over 1 ms of computing ({cores} core)")
    usable = [probe for probe in probes if probe.wall_s > 0]
    processors = statistics.median([(p.counting_cpu_s + p.function_cpu_s) / p.wall_s for p in usable] or [0.0])
    progress = statistics.median([p.counting_busy_s / p.wall_s for p in usable] or [0.0])
    if waits and progress >= _PROGRESS_SHARE:
        return decision("thread", f"over 1 ms, mostly waiting; another thread could run {progress:.0%} of the time")
    if processors >= _RELEASED_PROCESSORS:
        return decision("thread", f"over 1 ms, releases the GIL (two threads used {processors:.2f} processors)")
    return decision("process", f"over 1 ms, seems to hold the GIL (two threads used {processors:.2f} processors)")


def _milliseconds(median_s: float, mean_s: float) -> str:
    return f"median {median_s * 1e3:.3g} ms, mean {mean_s * 1e3:.3g} ms per call"
