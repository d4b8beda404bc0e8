"""Which frame of a blocked loop's stack to name: the part that the loop called, and the line the reader can change."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from penstock.perf.profile.model import Frame, Stack

Shares: TypeAlias = Sequence[tuple[Stack, float]]
"""A block's stacks, each as `below_loop` gives it, with its seconds."""

NOBODY = Frame("[no callback was running: the thread got no CPU]")
INSTEAD = " ran instead]"
UNSEEN = Frame("[not seen]")
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_ASYNCIO = os.path.join(_STANDARD_LIBRARY, "asyncio") + os.sep
_LOOP_FILES = tuple(_ASYNCIO + name for name in ("runners.py", "base_events.py", "events.py", "unix_events.py"))
_BEAT_FILE = os.path.join(os.path.dirname(__file__), "loopwatch.py")
_FINDER_FILE = os.path.join(os.path.dirname(__file__), "loopfinder.py")
_UVLOOP = f"{os.sep}uvloop{os.sep}"


def below_loop(stack: Stack) -> Stack:
    """The frames that the event loop called. `(NOBODY,)` when it was at itself, at our beat, or waiting; the stack of
    another thread, which stands below a text, stays as it is."""
    if stack[0].name.endswith(INSTEAD):
        return stack
    while stack and stack[-1].file == _BEAT_FILE:
        stack = stack[:-1]
    start = next((at for at, frame in enumerate(stack) if _is_loop(frame)), None)
    if start is None:
        return stack or (NOBODY,)
    while start < len(stack) and (_is_loop(stack[start]) or stack[start].file.endswith("selectors.py")):
        start += 1
    return stack[start:] or (NOBODY,)


def culprit(stack: Stack) -> Frame:
    """The deepest frame of the program's own; else of an installed package; else the deepest. `stack`: `below_loop`."""
    for is_wanted in (_is_own, _is_not_standard):
        for frame in reversed(stack):
            if is_wanted(frame):
                return frame
    return stack[-1]


def by_function(shares: Shares) -> dict[tuple[str, str], dict[int, float]]:
    """Seconds by the culprit's (name, file), then by line."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for stack, seconds in shares:
        name, file, line = culprit(stack)
        lines = found.setdefault((name, file), {})
        lines[line] = lines.get(line, 0.0) + seconds
    return found


def guilty_line(shares: Shares) -> Frame:
    """The function that took most of a block, at the line where it spent most: a loop of many lines is one culprit."""
    functions = by_function(shares)
    name, file = max(functions, key=lambda function: sum(functions[function].values()))
    lines = functions[name, file]
    return Frame(name, file, max(lines, key=lambda line: lines[line]))


@dataclass(slots=True)
class Blame:
    """What one function did over all blocks."""

    blocks: int = 0
    lines: dict[int, float] = field(default_factory=dict)

    def add(self, lines: Mapping[int, float]) -> None:
        self.blocks += 1
        for line, seconds in lines.items():
            self.lines[line] = self.lines.get(line, 0.0) + seconds

    @property
    def blocked_s(self) -> float:
        return sum(self.lines.values())

    @property
    def line(self) -> int:
        """Where it spent most."""
        return max(self.lines, key=lambda line: self.lines[line])


def _is_loop(frame: Frame) -> bool:
    return frame.file == _FINDER_FILE or frame.file.startswith(_LOOP_FILES) or _UVLOOP in frame.file


def _is_own(frame: Frame) -> bool:
    return _is_not_standard(frame) and not any(part in frame.file for part in _INSTALLED)


def _is_not_standard(frame: Frame) -> bool:
    is_installed = any(part in frame.file for part in _INSTALLED)
    is_real = bool(frame.file) and not frame.file.startswith("<")
    return is_real and (is_installed or not frame.file.startswith(_STANDARD_LIBRARY))
