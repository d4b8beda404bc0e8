"""Tells when an asyncio event loop starts and stops running in any thread, without the program's help.

Every loop announces itself through `asyncio._set_running_loop`: asyncio's own looks the function up each time, uvloop
keeps the one it finds at its import, so where uvloop is imported already, its `run_forever` is wrapped instead.
The rule: after `remove` nothing of ours is called any more, whoever kept a reference.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

Told: TypeAlias = Callable[[asyncio.AbstractEventLoop], None]


class LoopFinder:
    """`started(loop)` and `stopped(loop)` are called in the loop's thread. A loop found running counts as started."""

    def __init__(self, started: Told, stopped: Told) -> None:
        self._started = started
        self._stopped = stopped
        self._is_on = False
        self._undo: list[Callable[[], None]] = []

    def install(self) -> None:
        self._is_on = True
        running = asyncio._get_running_loop()
        self._replace(asyncio.events, "_set_running_loop", self._announcing(asyncio.events._set_running_loop))
        self._replace(asyncio, "_set_running_loop", asyncio.events._set_running_loop)
        uvloop = sys.modules.get("uvloop")
        if uvloop is not None:
            self._replace(uvloop.Loop, "run_forever", self._surrounding(uvloop.Loop.run_forever))
        if running is not None:
            self._started(running)

    def remove(self) -> None:
        self._is_on = False
        while self._undo:
            self._undo.pop()()

    def _announcing(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def set_running_loop(loop: asyncio.AbstractEventLoop | None) -> None:
            before = asyncio._get_running_loop() if self._is_on else None
            if before is not None and loop is None and self._is_on:
                self._stopped(before)
            original(loop)
            if loop is not None and self._is_on:
                self._started(loop)

        return set_running_loop

    def _surrounding(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def run_forever(loop: Any) -> None:
            if not self._is_on:
                return original(loop)
            # Not earlier than its first turn: uvloop takes timers only in the thread that runs it.
            loop.call_soon(self._tell_started, loop)
            try:
                return original(loop)
            finally:
                if self._is_on:
                    self._stopped(loop)

        return run_forever

    def _tell_started(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._is_on:
            self._started(loop)

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        own = vars(owner).get(name)  # uvloop.Loop inherits what it is given here
        setattr(owner, name, new)

        def undo() -> None:
            if getattr(owner, name) is not new:
                return  # somebody wrapped ours: it stays below, and does nothing
            if own is None:
                delattr(owner, name)
            else:
                setattr(owner, name, own)

        self._undo.append(undo)
