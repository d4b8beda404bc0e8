"""What the parts of one run share: counts, queues, and the one decision that needs them all, whether the run is over.

No task and no I/O here. Every part changes it on the loop's thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.engine.channel import Channel
from penstock.engine.credits import Credits
from penstock.engine.lowwater import LowWater
from penstock.model import Outcome
from penstock.policy.frontier import Frontier
from penstock.telemetry.counters import Counters

if TYPE_CHECKING:
    from penstock.engine.dispatch import Dispatcher


class RunState:
    """`unfinished` counts admitted items that have no outcome yet: queued, delayed, in flight, or `deferred`."""

    dispatcher: Dispatcher

    def __init__(
        self, *, frontier: Frontier, credits_: Credits, counters: Counters, outcomes: Channel[Outcome]
    ) -> None:
        self.frontier = frontier
        self.credits = credits_
        self.counters = counters
        self.outcomes = outcomes
        self.low_water = LowWater()
        self.unfinished = 0
        self.deferred = 0
        self.input_ended = False
        self.is_draining = False
        self.on_starved: Callable[[], None] = _nothing

    def settle(self) -> None:
        """Call after an item got its outcome or was deferred, and when the input ends."""
        if self.unfinished != self.deferred:
            return
        if self.deferred and (self.input_ended or not self.credits.may_admit()):
            # Only deferred items are left, or they hold all the credits: they go on now.
            self.deferred -= self.frontier.requeue_deferred(self.dispatcher.now_s())
            self.dispatcher.wake()
        elif self.input_ended and not self.unfinished:
            self.dispatcher.close()

    def starved(self) -> None:
        """Call when admission waits for credits or a worker for items: if both do, only a commit can help."""
        self.on_starved()


def _nothing() -> None:
    pass
