"""One request from when it had been read to its end: what was decided for it, and what its connection has done so far.

Data only; `connection.py` moves it along. Slots and no properties: this is made for every request.
"""

from __future__ import annotations

import time
from asyncio import TimerHandle
from collections.abc import Iterator

from penstock.perf.origin.delivery import Answer, Step
from penstock.perf.origin.limits import Slots
from penstock.perf.origin.log import Entry
from penstock.perf.origin.plan import Plan
from penstock.perf.origin.resource import Request
from penstock.perf.origin.script import Script
from penstock.perf.origin.state import VirtualHost


class Exchange:
    """A request that began and has not ended. Making one counts it as in flight on its host."""

    __slots__ = (
        "answer", "attempt", "bytes_unsent", "bytes_written", "deadline", "host", "inflight", "outcome", "plan",
        "request", "script", "slots", "steps", "t_ns", "timer", "waits_for_slot", "wall_s",
    )  # fmt: skip

    def __init__(self, request: Request, host: VirtualHost) -> None:
        self.request = request
        self.host = host
        self.attempt = host.begin(request.target)
        self.inflight = host.inflight
        self.t_ns = time.monotonic_ns()
        self.wall_s = time.time()
        self.outcome = "ok"
        self.bytes_written = 0
        self.bytes_unsent = 0
        self.script: Script | None = None
        self.plan: Plan | None = None
        self.answer: Answer | None = None
        self.steps: Iterator[Step] | None = None
        self.slots: Slots | None = None
        self.waits_for_slot = False
        self.timer: TimerHandle | None = None
        self.deadline: TimerHandle | None = None

    def make_entry(self, local: str, *, is_sent: bool) -> Entry:
        """The log's line, now that it has ended; `is_sent`: every step of the answer was carried out."""
        request, answer = self.request, self.answer
        return (
            self.t_ns,
            self.wall_s,
            time.monotonic_ns() - self.t_ns,
            request.host,
            local,
            request.method,
            request.target,
            self.attempt,
            self.outcome,
            answer.status if answer is not None else 0,
            self.bytes_written - self.bytes_unsent,
            is_sent and answer is not None and answer.is_whole,
            request.connection_id,
            request.number,
            self.inflight,
            request.body_bytes,
        )
