"""Runs the process function where the caller is: a sync function directly, an async one awaited on the loop.

Nothing is isolated here: a crash ends the run (the marker then names the item), an endless loop blocks it.
The one rule: at most half a microsecond on top of a sync function's own time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from penstock.model import Response
from penstock.process.call import code_of, guarded, marked, timeout_failure
from penstock.process.marker import Marker
from penstock.process.options import Decision, InlineCall, Result
from penstock.process.records import failure_from, is_interrupt, records_from


class NoFunction:
    """Without a process function each response is one record that adds no columns."""

    decision = Decision("none", "no process function")

    def __init__(self) -> None:
        self.inline: InlineCall | None = lambda _response: [{}]

    async def run(self, response: Response) -> Result:
        return [{}]

    async def aclose(self) -> None:
        return None


class InlineRunner:
    """Calls a sync function on the event loop's thread. `marker`, if given, is closed with the runner."""

    def __init__(self, function: Callable[..., object], decision: Decision, marker: Marker | None = None) -> None:
        self.inline: InlineCall | None = guarded(function) if marker is None else marked(function, marker, slot=0)
        self.decision = decision
        self._call = self.inline
        self._marker = marker

    async def run(self, response: Response) -> Result:
        return self._call(response)

    async def aclose(self) -> None:
        if self._marker is not None:
            self._marker.close()
            self._marker = None


class AsyncRunner:
    """Awaits an async function on the event loop, for at most `timeout_s` seconds. It must not block."""

    inline: InlineCall | None = None

    def __init__(
        self, function: Callable[..., Awaitable[object]], decision: Decision, timeout_s: float | None = None
    ) -> None:
        self.decision = decision
        self._function = function
        self._timeout_s = timeout_s

    async def run(self, response: Response) -> Result:
        try:
            async with asyncio.timeout(self._timeout_s) as scope:
                return records_from(await self._function(response))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # somebody cancels the run
            return failure_from(error, code_of(self._function))  # the function raised it, or awaited a dead task
        except TimeoutError as error:
            if scope.expired():
                return timeout_failure(self._timeout_s)
            return failure_from(error, code_of(self._function))
        except BaseException as error:
            if isinstance(error, GeneratorExit) or is_interrupt(error):
                raise
            return failure_from(error, code_of(self._function))

    async def aclose(self) -> None:
        return None
