"""The end of what a process writes to its standard error: in a temporary file, which is kept small.

A file and no pipe, because a pipe that nobody empties in time blocks the process. The rule: it costs the process what
writing costs, and nobody else anything until somebody looks.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time

_BYTES_MAX = 1 << 20
_TAIL_BYTES = 64 << 10
_TAIL_LINES = 5
_LINE_CHARACTERS = 400
_LOOK_S = 0.02
# What faulthandler writes, before and after lines by the dozen, when a process crashes or is asked for its stack.
_CRASH = "Fatal Python error"
_THREAD = "Current thread"


class Tail:
    """`descriptor` is for the process to write to. The file has no name, so nothing of it can be left behind."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+b", buffering=0)  # noqa: SIM115 - `close` closes it
        self.descriptor = self._file.fileno()
        if sys.platform != "win32":
            import fcntl

            # Appending, so that writers go on at the start after the file was cut.
            flags = fcntl.fcntl(self.descriptor, fcntl.F_GETFL)
            fcntl.fcntl(self.descriptor, fcntl.F_SETFL, flags | os.O_APPEND)

    def trim(self) -> None:
        """Forget everything if it has grown past 1 MiB. Call it now and then."""
        if os.fstat(self.descriptor).st_size > _BYTES_MAX:
            self._file.truncate(0)

    def text(self) -> str:
        """The last few lines, indented; of a crash its kind and the innermost calls. Empty if nothing was written."""
        lines = self._lines()
        return "\n".join(f"  {line[-_LINE_CHARACTERS:]}" for line in _stack(lines) or lines[-_TAIL_LINES:])

    def await_stack(self, wait_s_max: float) -> None:
        """Wait until the stack that the process was asked for is there, its first lines at least."""
        deadline_s = time.monotonic() + wait_s_max
        while not _stack(self._lines()) and time.monotonic() < deadline_s:
            time.sleep(_LOOK_S)

    def close(self) -> None:
        self._file.close()

    def _lines(self) -> list[str]:
        self._file.seek(max(0, os.fstat(self.descriptor).st_size - _TAIL_BYTES))
        return self._file.read(_TAIL_BYTES).decode("utf-8", "replace").strip().splitlines()


def _stack(lines: list[str]) -> list[str]:
    threads = [index for index, line in enumerate(lines) if line.startswith(_THREAD)]
    if not threads:
        return []
    kinds = [line for line in lines[: threads[-1]] if line.startswith(_CRASH)]
    calls = [line.strip() for line in lines[threads[-1] + 1 :][: _TAIL_LINES - 1]]
    return [*kinds[-1:], *(line for line in calls if line)]
