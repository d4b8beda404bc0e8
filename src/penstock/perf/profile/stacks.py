"""Stacks as samplers keep them (code objects and instruction offsets), and how they become frames with names and lines.

Taking a stack must be cheap, because it happens inside signal handlers; everything that looks up a name or a line
happens later. The rule: nothing here grows without limit.
"""

from __future__ import annotations

import os
from opcode import opmap
from types import CodeType, FrameType
from typing import TypeAlias

from penstock.perf.profile.model import Frame, Profile, Stack

RawStack: TypeAlias = tuple[int, ...]
"""From the leaf to the root: number of the code object, offset of the instruction in bytes, number, offset, …"""

LAUNCHER_FILE = os.path.join(os.path.dirname(__file__), "launch.py")
DEPTH_MAX = 400
_RESUME = opmap["RESUME"]
_RAW_MAX = 5_000  # distinct stacks after which they are resolved: about 20 ms, every 25 s at worst
_STACKS_MAX = 100_000
_OTHER = (Frame("[other stacks]"),)
_PLUMBING = ("<frozen runpy>", "/runpy.py", "/perf/profile/program.py", "/cli/main.py", "/cli/profile.py")
_DEEPER = Frame("[deeper frames left out]")
_NO_FRAME = (Frame("[no Python frame]"),)


class Stacks:
    """Takes stacks quickly, and turns them into frames later.

    Frames from the root to the last one of launch.py are left out, with those of click, runpy and our command line that
    follow it: they are how the program was started, not what it does. It keeps every code object that it has seen.
    """

    def __init__(self) -> None:
        # By id: code objects hash slowly, and those of two files compare equal when only their file's name differs.
        self._codes: dict[int, CodeType] = {}
        self._lines: dict[int, dict[int, int]] = {}
        self._frames: dict[tuple[int, int], Frame] = {}
        self._texts: list[str] = []
        self._entries: dict[int, int] = {}

    def take(self, frame: FrameType | None) -> RawStack:
        """The stack at `frame`, of any thread: at most DEPTH_MAX frames from the leaf on. 0.1 µs a frame.

        A function that has just been entered has used nothing yet, so the stack begins at its caller: signals are
        handled when the interpreter next looks for them, which after C code that calls back is the first instruction
        of the callback.
        """
        codes = self._codes
        if frame is not None and frame.f_back is not None and self._was_just_entered(frame):
            frame = frame.f_back
        flat: list[int] = []
        add = flat.append
        left = DEPTH_MAX
        while frame is not None and left:
            code = frame.f_code
            number = id(code)
            if number not in codes:
                codes[number] = code
            add(number)
            add(frame.f_lasti)
            frame = frame.f_back
            left -= 1
        return tuple(flat)

    def _was_just_entered(self, frame: FrameType) -> bool:
        code = frame.f_code
        number = id(code)
        offset = self._entries.get(number)
        if offset is None:
            self._codes[number] = code
            offset = self._entries[number] = _entry_offset(code)
        return frame.f_lasti == offset

    def under(self, text: str, raw: RawStack) -> RawStack:
        """The same stack below a root frame of that name. There may be a few dozen such texts."""
        if text not in self._texts:
            self._texts.append(text)
        return (*raw, -1 - self._texts.index(text), 0)

    def stack(self, raw: RawStack) -> Stack:
        """The frames of a raw stack, root first. Never empty."""
        frames = [self._frame(raw[at], raw[at + 1]) for at in range(0, len(raw), 2)]
        frames.reverse()
        if len(raw) >= 2 * DEPTH_MAX:
            return (_DEEPER, *frames)
        return tuple(frames[self._first_own(frames) :]) or tuple(frames) or _NO_FRAME

    def below(self, root: str, raw: RawStack) -> Stack:
        """The frames of a raw stack below the frame `root`, "" for none."""
        if not root:
            return self.stack(raw)
        return (Frame(root), *self.stack(raw)) if raw else (Frame(root),)

    def _frame(self, number: int, offset: int) -> Frame:
        if number < 0:
            return Frame(self._texts[-1 - number])
        code = self._codes[number]
        lines = self._lines.get(number)
        if lines is None:
            lines = self._lines[number] = {}
            for start, end, line in code.co_lines():
                for at in range(start, end, 2):
                    lines[at] = line or 0
        line = lines.get(offset) or code.co_firstlineno
        found = self._frames.get((number, line))
        if found is None:
            found = self._frames[number, line] = Frame(code.co_qualname, code.co_filename, line)
        return found

    def _first_own(self, frames: list[Frame]) -> int:
        first = next((at for at in range(len(frames), 0, -1) if frames[at - 1].file == LAUNCHER_FILE), 0)
        while 0 < first < len(frames) and _is_plumbing(frames[first].file):
            first += 1
        return first


class Weights:
    """Weights by stack, added in a signal handler and read at the end. Below `root`, if given, stand all its stacks."""

    def __init__(self, stacks: Stacks) -> None:
        self._stacks = stacks
        self._raw: dict[tuple[str, RawStack], float] = {}
        self._resolved: dict[Stack, float] = {}

    def add(self, root: str, raw: RawStack, weight: float) -> None:
        """Add `weight` to the stack below the frame `root` ("" for none). 1 µs; once in 5,000 new stacks 20 ms."""
        key = (root, raw)
        self._raw[key] = self._raw.get(key, 0.0) + weight
        if len(self._raw) >= _RAW_MAX:
            self._resolve()

    def into(self, profile: Profile) -> None:
        """Add everything to the profile."""
        self._resolve()
        for stack, weight in self._resolved.items():
            profile.add(stack, weight)

    def clear(self) -> None:
        """Forget all of it (in a process that was just forked)."""
        self._raw, self._resolved = {}, {}

    def _resolve(self) -> None:
        raw, self._raw = self._raw, {}
        for (root, stack), weight in raw.items():
            frames = self._stacks.below(root, stack)
            if frames not in self._resolved and len(self._resolved) >= _STACKS_MAX:
                frames = _OTHER
            self._resolved[frames] = self._resolved.get(frames, 0.0) + weight


def _entry_offset(code: CodeType) -> int:
    """Where the instruction RESUME 0 stands, at which a call is begun; -1 if there is none. (1 to 3: after a yield.)"""
    instructions = code.co_code
    return next((at for at in range(0, len(instructions), 2) if _is_entry(instructions, at)), -1)


def _is_entry(instructions: bytes, at: int) -> bool:
    return instructions[at] == _RESUME and instructions[at + 1] & 3 == 0


def _is_plumbing(file: str) -> bool:
    file = file.replace("\\", "/")
    return "/click/" in file or file.endswith(_PLUMBING)
