"""Sends the items that may have crashed an earlier run to a process of their own; all others go the usual way.

The one rule: never a crash loop. An item that cannot be isolated (the function cannot be sent to a process) is tried
the usual way once more, and given up after the second death.
"""

from __future__ import annotations

from collections.abc import Mapping

from penstock.model import Failure, Response
from penstock.process.options import Decision, InlineCall, Result, Runner

_DEATHS_MAX = 2


class SuspectRunner:
    """`deaths` maps item ids to how often a run died at them. While some of them have not come by, `inline` is None."""

    def __init__(self, inner: Runner, isolated: Runner | None, deaths: Mapping[int, int]) -> None:
        self._inner = inner
        self._isolated = isolated
        self._deaths = dict(deaths)

    @property
    def inline(self) -> InlineCall | None:
        return None if self._deaths else self._inner.inline

    @property
    def decision(self) -> Decision:
        return self._inner.decision

    async def run(self, response: Response) -> Result:
        deaths = self._deaths.get(response.item_id)
        if deaths is None:
            return await self._inner.run(response)
        if self._isolated is not None:
            result = await self._isolated.run(response)
        elif deaths >= _DEATHS_MAX:
            result = Failure("process_crash", f"{deaths} runs died while the process function was at this item")
        else:
            result = await self._inner.run(response)
        # Only now: a cancelled call is a suspect still, should the item come by again in this run.
        self._deaths.pop(response.item_id, None)
        return result

    async def aclose(self) -> None:
        await self._inner.aclose()
        if self._isolated is not None:
            await self._isolated.aclose()
