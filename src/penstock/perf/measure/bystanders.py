"""Who else used the machine while something was measured: other programs, and the hypervisor's other guests.

It tells, as notes for the result; it corrects nothing. The rule: what the system does not tell gives no note.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from penstock.telemetry.machine import MachineMeter

_SHARE_TOLD = 0.05
"""Of all cores' time. Less changes no verdict: pairs are compared within a round."""


class Bystanders:
    """Made when the measuring begins, before the measured processes are started; `notes` once they have ended.

    `proc`: where the system's counters are; Linux only, elsewhere there are no notes.
    """

    def __init__(self, *, proc: Path = Path("/proc")) -> None:
        self._machine = MachineMeter(proc=proc)
        self._own = MachineMeter()
        self._began_s = time.monotonic()
        self._machine.read(self._began_s)
        self._own.read(self._began_s)

    def notes(self) -> tuple[str, ...]:
        """What disturbed, one sentence each; empty on a quiet machine. CPU of our own children counts as ours."""
        now_s = time.monotonic()
        found = []
        reading = self._machine.read(now_s)
        if reading.machine_busy is not None:
            ours = self.own_cpu_s() / ((now_s - self._began_s) * (os.cpu_count() or 1))
            others = reading.machine_busy - ours
            if others > _SHARE_TOLD:
                found.append(
                    f"other programs used {100 * others:.0f} % of the machine meanwhile: where the CPU is the limit, "
                    "measure again when it is quiet"
                )
        if reading.machine_steal is not None and reading.machine_steal > _SHARE_TOLD:
            found.append(
                f"the hypervisor gave {100 * reading.machine_steal:.0f} % of the machine's time to others meanwhile"
            )
        return tuple(found)

    def own_cpu_s(self) -> float:
        """CPU seconds of this process and its children since the beginning, or since the last call."""
        reading = self._own.read(time.monotonic())
        return (reading.cpu_s or 0.0) + (reading.cpu_children_s or 0.0)
