"""Which item is next, and when it is due: the one place where closed and open loop differ.

It never waits; whoever takes an item waits until it is due. The rule: in an open loop due times depend on the rate
alone, so that a slow answer cannot delay the items that should have started meanwhile (coordinated omission).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from penstock.perf.measure.model import RunRequest


class Schedule:
    """Hands out the items of one run. Safe to share between threads: taking is one atomic step.

    Times are those of `clock` (seconds, monotonic, the same in all processes of the machine).
    """

    def __init__(self, request: RunRequest, clock: Callable[[], float] = time.perf_counter) -> None:
        self.request = request
        self.began_s = clock()
        self._clock = clock
        self._ends_s = self.began_s + request.run_s
        self._interval_s = 1 / request.rate_per_s if request.loop == "open" and request.rate_per_s else None
        self._numbers = itertools.count()

    def take(self) -> tuple[int, float] | None:
        """The next item's number and when it is due (closed loop: now); None when the run starts no more.

        Items past the end are given to nobody, so the caller stops. 0.4 µs.
        """
        count = next(self._numbers)
        if self.request.items is not None:
            if count >= self.request.items:
                return None
            # As many as asked for, however long they take: for checking outputs.
            return self.request.first + count, self._clock()
        due_s = self._clock() if self._interval_s is None else self.began_s + count * self._interval_s
        if due_s > self._ends_s:
            return None
        return self.request.first + count, due_s
