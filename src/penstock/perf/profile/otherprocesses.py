"""Whether child processes worked beside the profiled one, so that a profile can say what it lacks. Profiles none."""

from __future__ import annotations

import os
import sys

_WORTH_TELLING_S = 0.05


class OtherProcesses:
    """Remembers the children's CPU time when it is made. Sees children that have ended, and multiprocessing's."""

    def __init__(self) -> None:
        self._before_s = _ended_children_s()

    def notes(self, what: str) -> list[str]:
        """A sentence for a profile of this process's `what` alone, or none."""
        worked_s = _ended_children_s() - self._before_s
        multiprocessing = sys.modules.get("multiprocessing")
        alive = len(multiprocessing.active_children()) if multiprocessing is not None else 0
        if worked_s < _WORTH_TELLING_S and not alive:
            return []
        seen = [f"{alive} alive"] if alive else []
        seen += [f"{worked_s:.1f} s of CPU in those that ended"] if worked_s >= _WORTH_TELLING_S else []
        return [f"There were child processes ({', '.join(seen)}); the profile leaves out their {what}."]


def _ended_children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system
