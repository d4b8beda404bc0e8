"""What every sampler offers (`start`, then `stop` for the profile), its options, and which class records which kind.

The rule: a recorder that cannot work here says so at `start`; one that was cut short returns what it has, with a note.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from typing import Protocol

from penstock.errors import ConfigError
from penstock.perf.profile.model import Kind, Profile

_RECORDERS: dict[Kind, tuple[str, str]] = {
    "cpu": ("penstock.perf.profile.cpu", "CpuRecorder"),
    "await": ("penstock.perf.profile.awaiting", "AwaitRecorder"),
    "memory": ("penstock.perf.profile.memory", "MemoryRecorder"),
    "loop": ("penstock.perf.profile.loop", "LoopRecorder"),
}


class CannotProfile(ConfigError):
    """This kind of profile cannot be taken here (signals taken, not the main thread, an extra that is missing)."""


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """`interval_s`: time between looks, None for the kind's own default (cpu 5 ms of CPU, await 10 ms, loop 10 ms or a
    fifth of the threshold). `threshold_s`: the shortest callback that counts as a block (loop). `title`: what is
    profiled, for the page. `seed` makes what is drawn at random (which tasks are looked at) repeatable.

    Raises ConfigError when a time is not between 0.1 ms and 60 s.
    """

    interval_s: float | None = None
    threshold_s: float = 0.05
    title: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("interval", self.interval_s), ("threshold", self.threshold_s)):
            if value is not None and not (isfinite(value) and 1e-4 <= value <= 60):
                raise ConfigError(f"{name}: expected a time from 0.1 ms to 60 s, got {value!r} s")


class Recorder(Protocol):
    """One recording. Made and started in the thread to be watched: the main thread, for those that use signals."""

    def start(self) -> None:
        """Begin. Raises CannotProfile when it is impossible here; nothing is left changed then."""

    def stop(self) -> Profile:
        """End, and give everything back (timers, handlers, threads). From the main thread; a second call returns the
        same profile. Without `start` the profile is empty."""


def make_recorder(kind: Kind, options: RecorderOptions) -> Recorder:
    """The recorder of that kind, not started. Its module is imported now, so unused kinds cost nothing."""
    module, name = _RECORDERS[kind]
    recorder: Recorder = getattr(import_module(module), name)(options)
    return recorder
