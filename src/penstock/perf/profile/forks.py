"""What becomes of a sampler's timer when its process forks or execs. Decides; who samples then is child.py's business.

Timers are not inherited by fork. The interval timer used outside Linux survives exec, and its signal without a handler
ends a process. So the rule: none may reach an exec. A fork that C code follows with an exec is known by its caller.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Protocol

_FRAMES_LOOKED_AT = 12


class Forked(Protocol):
    """Whoever wants to hear of forks."""

    def after_fork(self, is_about_to_exec: bool) -> None:
        """Called in the child. `is_about_to_exec`: an exec follows that no Python code can see."""


def on_fork(owner: Forked) -> None:
    """Call `owner.after_fork` in each child that is forked from now on, while `owner` lives."""
    if not hasattr(os, "register_at_fork"):
        return
    living = weakref.ref(owner)  # a hook cannot be taken back, and must not keep the samples alive
    was_in_loop = [False]

    def before() -> None:
        # Asked here, because in the child asyncio denies the loop.
        asyncio = sys.modules.get("asyncio.events")
        was_in_loop[0] = asyncio is not None and asyncio._get_running_loop() is not None

    def after() -> None:
        still = living()
        if still is not None:
            still.after_fork(_is_about_to_exec(sys._getframe(1), was_in_loop[0]))

    os.register_at_fork(before=before, after_in_child=after)


def _is_about_to_exec(frame: FrameType | None, was_in_loop: bool) -> bool:
    """`subprocess` with a `preexec_fn`, and uvloop's subprocesses, which look like a fork out of a running loop."""
    for _ in range(_FRAMES_LOOKED_AT):
        if frame is None:
            break
        if frame.f_code.co_name == "_execute_child":
            return True
        if frame.f_code.co_filename.endswith("popen_fork.py"):
            return False
        frame = frame.f_back
    return was_in_loop and "uvloop" in sys.modules


class ExecGuard:
    """Calls `before` ahead of `os.exec…`, and `after_failure` should that fail. A no-op once `remove`d."""

    def __init__(self, before: Callable[[str], None], after_failure: Callable[[], None]) -> None:
        self._before = before
        self._after_failure = after_failure
        self._replaced: dict[str, tuple[object, object]] = {}

    def install(self) -> None:
        for name in ("execv", "execve"):  # os.execl, execvp and so on call one of these
            if hasattr(os, name):
                original = getattr(os, name)
                guarded = self._guarded(original)
                self._replaced[name] = (original, guarded)
                setattr(os, name, guarded)

    def remove(self) -> None:
        for name, (original, guarded) in self._replaced.items():
            if getattr(os, name) is guarded:
                setattr(os, name, original)
        self._replaced.clear()

    def _guarded(self, original: Callable[..., object]) -> Callable[..., object]:
        def guarded(path: str, *arguments: object) -> object:
            if not self._replaced:
                return original(path, *arguments)
            self._before(os.fsdecode(path) if isinstance(path, (str, bytes)) else str(path))
            try:
                return original(path, *arguments)
            except BaseException:
                self._after_failure()
                raise

        return guarded
