"""The parent's side of a CPU profile across processes: tells Python children to sample themselves, and adds them up.

Children learn of it through two environment variables, which they pass on to theirs. A Python started with -I or -E,
or in another environment, is not profiled. The rule: nothing is left behind, neither folder nor variable.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from penstock.errors import Bug
from penstock.perf.profile.child import VARIABLE
from penstock.perf.profile.journal import SUFFIX, read_journal
from penstock.perf.profile.model import Frame, Profile

_STARTUP = Path(__file__).with_name("startup")


class Children:
    """Between `expect` and `collect`, each Python process started from here writes its samples into our folder."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._before: dict[str, str | None] = {}
        self.folder: Path | None = None

    def expect(self) -> None:
        """Set the environment variables and make the folder for the samples."""
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-profile-"))
        inherited = os.environ.get("PYTHONPATH")
        wanted = {
            VARIABLE: f"{self._interval_s!r}:{self.folder}",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_STARTUP), inherited))),
        }
        self._before = {name: os.environ.get(name) for name in wanted}
        self._set = wanted
        os.environ.update(wanted)

    def collect(self, profile: Profile) -> None:
        """Add what the children wrote so far, those of one kind together, and put everything back."""
        if self.folder is None:
            return
        for name, value in self._before.items():
            if os.environ.get(name) == self._set[name]:
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        counts: Counter[str] = Counter()
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            try:
                label, child = read_journal(path)
            except (Bug, OSError) as error:
                profile.notes.append(f"The samples of a child process could not be read: {error}.")
                continue
            if child.samples:
                counts[label] += 1
                profile.merge(child, root=[Frame(f"[process {label}]")])
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = None
        for label, count in counts.items():
            profile.notes.append(f"{_processes(count)} of the kind “{label}” sampled themselves and are included.")
        if counts:
            profile.numbers["child_processes"] = float(counts.total())


def _processes(count: int) -> str:
    return "1 child process" if count == 1 else f"{count} child processes"
