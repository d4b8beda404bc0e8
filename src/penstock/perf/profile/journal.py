"""A child process's samples in a file that is complete at every moment: children are often killed, never asked to stop.

| line | meaning |
| --- | --- |
| `{"format": 1, "label": …, "pid": …}` | the first: who writes |
| `[[name, file, line], …]` | the next stack, root first; stacks are numbered from 0 |
| `NUMBER SECONDS` | a sample: CPU seconds of that stack |

The rule: append only, whole lines, and the file is opened anew for every write: the program may close or reuse any
descriptor it finds. The reader ignores an incomplete last line.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

from penstock.errors import Bug
from penstock.perf.profile.model import Frame, Profile, Stack
from penstock.perf.profile.stacks import RawStack, Stacks

FORMAT = 1
SUFFIX = ".samples"
_WRITE_EVERY_S = 0.05  # what a SIGKILL can cost
_STACKS_MAX = 5_000
_BYTES_MAX = 256 << 20


class Journal:
    """The writer. `add` is what a sampler calls; 2 µs, and 10 µs every 50 ms. Errors of the disk end it silently:
    it is not the program's business."""

    def __init__(self, path: Path, label: str, stacks: Stacks) -> None:
        self._path = str(path)
        self._stacks = stacks
        self._numbers: dict[tuple[str, RawStack], int] = {}
        self._next = 0
        self._lines = [json.dumps({"format": FORMAT, "label": label, "pid": os.getpid()})]
        self._written_s = 0.0
        self._bytes_left = _BYTES_MAX

    def add(self, root: str, raw: RawStack, weight_s: float) -> None:
        number = self._numbers.get((root, raw))
        if number is None:
            number = self._define(root, raw)
        self._lines.append(f"{number} {weight_s:.9f}")
        now_s = time.monotonic()
        if now_s - self._written_s >= _WRITE_EVERY_S:
            self._written_s = now_s
            self.write()

    def write(self) -> None:
        """Append what has not been written yet."""
        data = "".join(f"{line}\n" for line in self._lines).encode()
        self._lines.clear()
        self._bytes_left -= len(data)
        if not data or self._bytes_left < 0:
            return
        with suppress(OSError):  # the parent may have collected the samples and removed the folder
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, data)
            finally:
                os.close(file)

    def _define(self, root: str, raw: RawStack) -> int:
        if len(self._numbers) >= _STACKS_MAX:
            self._numbers.clear()  # stacks that come again are written again; the reader adds them up
        self._lines.append(json.dumps([list(frame) for frame in self._stacks.below(root, raw)]))
        number = self._numbers[root, raw] = self._next
        self._next += 1
        return number


def read_journal(path: Path) -> tuple[str, Profile]:
    """(label, profile) of one child. Raises Bug when a complete line is none of a journal's, OSError as `open` does."""
    profile = Profile(kind="cpu", unit="seconds")
    stacks: list[Stack] = []
    label = ""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                break  # killed while it wrote
            try:
                if line[0] == "{":
                    label = str(json.loads(line)["label"])
                    stacks = []  # another program under the same process id: it was reused, or this is after an exec
                elif line[0] == "[":
                    stacks.append(tuple(Frame(name, file, number) for name, file, number in json.loads(line)))
                else:
                    index, _, weight_s = line.partition(" ")
                    profile.add(stacks[int(index)], float(weight_s))
                    profile.samples += 1
            except (ValueError, IndexError, KeyError) as error:
                raise Bug(f"{path}: expected a line of a child's samples, got {line[:80]!r}") from error
    return label, profile
