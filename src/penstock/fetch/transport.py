"""What a transport is: one attempt at one item, nothing more. Retrying, pacing and limits are not its business."""

from __future__ import annotations

from typing import Protocol

from penstock.model import Failure, Item, Response


class Transport(Protocol):
    """Attempts, and what the engine must know of those that are running."""

    @property
    def buffered_bytes(self) -> int:
        """Body bytes received so far by the attempts that are running. Read at every dispatch: O(1)."""
        ...

    async def fetch(self, item: Item) -> Response | Failure:
        """One attempt: `Response` on a complete 2xx answer, else `Failure`. Raises only for bugs and cancellation."""
        ...

    def sweep(self, now_s: float) -> None:
        """Called about once a second (loop time): end the attempts that make no progress."""
        ...

    async def aclose(self) -> None: ...
