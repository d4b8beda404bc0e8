"""Gives items to workers: the frontier says who may go, the credits whether memory allows, this wakes who waits.

The one rule: after anything that could let an item start (a push, a permit back, bytes freed), `wake` is called; what
only needs time is covered by the one loop timer here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from penstock.engine.credits import Credits
from penstock.model import Item
from penstock.policy.frontier import Frontier

_SOONEST_S = 0.0005


class Buffering(Protocol):
    """What of the transport concerns memory."""

    @property
    def buffered_bytes(self) -> int: ...


class Dispatcher:
    """Hands out items one at a time. `on_starved` is called when a worker finds nothing it may start."""

    def __init__(
        self,
        frontier: Frontier,
        credits_: Credits,
        *,
        loop: asyncio.AbstractEventLoop,
        transport: Buffering,
        on_starved: Callable[[], None],
    ) -> None:
        self._frontier = frontier
        self._credits = credits_
        self._loop = loop
        self._transport = transport
        self._on_starved = on_starved
        self._waiters: deque[asyncio.Future[Item | None]] = deque()
        self._timer: asyncio.Handle | None = None  # uvloop makes a plain handle, without `when`, of one due now
        self._timer_due_s = 0.0
        self._is_wake_due = False
        self._is_closed = False
        self.is_short_of_bytes = False
        self.is_paused = False
        # Sums of times, so that seconds in flight are known exactly without a timer on each item.
        self._taken_s = 0.0
        self._released_s = 0.0

    @property
    def idle_workers(self) -> int:
        return len(self._waiters)

    @property
    def is_closed(self) -> bool:
        """No more items will be handed out."""
        return self._is_closed

    def slot_s(self) -> float:
        """Attempts in flight, integrated over time so far: seconds in which a place was held."""
        return self._released_s - self._taken_s + self._frontier.in_flight * self._loop.time()

    def now_s(self) -> float:
        """The clock that the frontier's times are in."""
        return self._loop.time()

    def take(self) -> Item | None:
        """An item that may start now, or None. A worker calls this first, and `wait` only after None."""
        if self._is_closed or self.is_paused:
            return None
        if not self._credits.may_start(self._frontier.in_flight, self._transport.buffered_bytes):
            self.is_short_of_bytes = True
            return None
        now_s = self._loop.time()
        item = self._frontier.pop(now_s)
        if item is not None:
            self._taken_s += now_s
        return item

    async def wait(self) -> Item | None:
        """Wait for an item; None when there will be no more."""
        if self._is_closed:
            return None
        waiter: asyncio.Future[Item | None] = self._loop.create_future()
        self._waiters.append(waiter)
        self._on_starved()
        self._arm()
        try:
            return await waiter
        except asyncio.CancelledError:
            # An item given in the same turn as the cancellation is pending: it stays admitted and is never lost.
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            raise

    def release(self, host: str) -> None:
        """A fetch ended: its permit comes back."""
        now_s = self._loop.time()
        self._released_s += now_s
        self._frontier.release(host, now_s)
        if self._waiters:
            self.wake()

    def wake(self) -> None:
        """Something may have become startable. At most one look per loop turn."""
        if not self._is_wake_due:
            self._is_wake_due = True
            self._loop.call_soon(self._deliver)

    def close(self) -> None:
        """No more items: every waiting worker gets None, now and from here on."""
        self._is_closed = True
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
        if self._timer is not None:
            self._timer.cancel()

    def _deliver(self) -> None:
        self._is_wake_due = False
        self.is_short_of_bytes = False
        while self._waiters:
            if self._waiters[0].done():
                self._waiters.popleft()
                continue
            item = self.take()
            if item is None:
                break
            self._waiters.popleft().set_result(item)
        if self._waiters:
            self._on_starved()
            self._arm()

    def _arm(self) -> None:
        due_s = self._frontier.next_due_s()
        if due_s is None or self._is_closed or self.is_paused or self.is_short_of_bytes:
            return
        if self._timer is not None:
            if self._timer_due_s <= due_s:
                return
            self._timer.cancel()
        # Loops fire a timer up to their clock's resolution early: never ask for less than that.
        self._timer_due_s = max(due_s, self._loop.time() + _SOONEST_S)
        self._timer = self._loop.call_at(self._timer_due_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.wake()
