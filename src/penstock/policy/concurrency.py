"""How many attempts may be in flight: the seam between the frontier, which obeys a limit, and whatever sets it.

Here stands the fixed limit only. A limiter that adapts implements the same two methods; the frontier asks `limit()`
for every attempt it starts and passes on one `Sample` when an attempt has ended. The rule: no clock, `now_s` is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from penstock.errors import ConfigError
from penstock.model import FailureKind


@dataclass(slots=True)
class Sample:
    """What one ended attempt says about the server.

    `ttfb_s` is from the request being sent to the first byte of the answer, in seconds; None when there was no answer,
    or when it says nothing about the server (the event loop lagged). `in_flight` counts the attempts of the same host
    (for the global limiter: of all hosts) when this one ended, itself included; the frontier fills it in.
    `was_pushed_back` is True for 429 and 503. `failure_kind` is None on success.
    A sample is passed on with other numbers afterwards: a limiter keeps the numbers, not the object.
    """

    ttfb_s: float | None
    in_flight: int = 0
    was_pushed_back: bool = False
    failure_kind: FailureKind | None = None


class Limiter(Protocol):
    """Sets the most attempts in flight, for one host or for the whole run."""

    def limit(self) -> int:
        """The present limit, ≥ 1. Called for every attempt: O(1), well under a microsecond."""
        ...

    def observe(self, sample: Sample, now_s: float) -> None:
        """Learn from one attempt that ended at `now_s` (monotonic seconds). Called before its permit is released."""
        ...


class FixedLimiter:
    """A limit that never changes. Holds nothing else, so one object may serve any number of hosts.

    Raises ConfigError when `limit` is below 1.
    """

    __slots__ = ("_limit",)

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ConfigError(f"expected a concurrency limit of at least 1, got {limit}", hint="use 1 to go one by one")
        self._limit = limit

    def limit(self) -> int:
        return self._limit

    def observe(self, sample: Sample, now_s: float) -> None:
        """Does nothing."""


class SettableLimiter:
    """A limit that its owner may change while the run goes on: by hand (`value`), and for a moment (`lowered`).

    `lowered` is None, or a limit below `value` that is in force for now. Both ≥ 1.
    """

    __slots__ = ("lowered", "value")

    def __init__(self, limit: int) -> None:
        self.value = FixedLimiter(limit).limit()
        self.lowered: int | None = None

    def limit(self) -> int:
        return self.value if self.lowered is None else self.lowered

    def observe(self, sample: Sample, now_s: float) -> None:
        """Does nothing."""
