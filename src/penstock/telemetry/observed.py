"""What telemetry adds to the end of a run: the series, the settings that matter to it, the probes and the verdict.

Plain data and its JSON form. Nothing is measured or judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from penstock.telemetry.verdict import Verdict
from penstock.telemetry.window import Probe, RunShape, Window, columnar


@dataclass(frozen=True, slots=True)
class Observed:
    """`windows`: the whole run, at most 1,200, see `telemetry.series`. `cpu_by_thread`: CPU seconds by thread name.

    `settings` (the command line's names; no secrets) and `machine` are what the run was told and where it ran.
    """

    windows: Sequence[Window]
    shape: RunShape
    probes: Sequence[Probe]
    verdict: Verdict
    cpu_by_thread: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    machine: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """The parts of stats.json that come from here: verdict, series, shape, probes, cpu_by_thread, …"""
        return {
            "verdict": self.verdict.to_json(),
            "shape": asdict(self.shape),
            "probes": [asdict(probe) for probe in self.probes],
            "cpu_by_thread": dict(self.cpu_by_thread),
            "settings": dict(self.settings),
            "machine": dict(self.machine),
            "series": columnar(self.windows),
        }
