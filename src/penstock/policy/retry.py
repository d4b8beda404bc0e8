"""What becomes of an item whose attempt failed: try again later, keep it for the end of the run, or give up.

Decides one failure at a time; waiting, counting and paying are the engine's. Every failure that is not listed as
retryable is final. The rule: an empty budget never drops an item, it defers it.

| failure                                   | then                                                            |
|-------------------------------------------|-----------------------------------------------------------------|
| not retryable, or unsafe to repeat        | GiveUp                                                          |
| `attempts_max` attempts made              | GiveUp                                                          |
| retry budget empty                        | Defer: the next attempt is made when nothing else is left       |
| else                                      | Retry after full jitter, and not before the server's Retry-After |
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from random import Random
from typing import Final, TypeAlias

from penstock.errors import ConfigError
from penstock.model import Failure, FailureKind, Item

RETRY_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 522, 524})
"""Scrapy's RETRY_HTTP_CODES plus 425 Too Early (RFC 8470 §5.2: sent so that the client repeats the request)."""

RETRY_KINDS: Final[frozenset[FailureKind]] = frozenset(
    {
        "dns_temporary",
        "connect",
        "proxy",
        "reset",
        "truncated",
        "timeout_connect",
        "timeout_first_byte",
        "timeout_idle",
        "timeout_speed",
        "timeout_total",
    }
)
_STATUS_KINDS: Final[frozenset[FailureKind]] = frozenset({"http_3xx", "http_4xx", "http_429", "http_5xx"})
_IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110 §9.2.2
_THROTTLED_STATUSES: Final = frozenset({429, 503})  # RFC 6585 §4, RFC 9110 §15.6.4: too much, not broken


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and after how long. Raises ConfigError for numbers that make no sense.

    `attempts_max` counts the first attempt (≥ 1; 4 as botocore's for DynamoDB, gRPC A6 allows at most 5).
    `base_transient_s` is the first backoff after a fault (stamina: 0.1 s), `base_throttled_s` after 429 or 503
    (botocore: 1 s); each doubles with every attempt up to `backoff_max_s` (botocore: 20 s, stamina: 5 s; longer here
    because a waiting item holds nothing up). `retry_after_max_s` caps what a server may ask for with Retry-After.
    `retry_statuses` are the HTTP statuses that are tried again.
    """

    attempts_max: int = 4
    base_transient_s: float = 0.1
    base_throttled_s: float = 1.0
    backoff_max_s: float = 30.0
    retry_after_max_s: float = 300.0
    retry_statuses: frozenset[int] = RETRY_STATUSES

    def __post_init__(self) -> None:
        wrong = []
        if self.attempts_max < 1:
            wrong.append(f"attempts_max: expected at least 1, got {self.attempts_max}")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_s") and not 0 <= value < math.inf:
                wrong.append(f"{field.name}: expected seconds, 0 or more, got {value}")
        wrong += [
            f"retry_statuses: expected error statuses from 300 to 599, got {status}"
            for status in sorted(self.retry_statuses)
            if not 300 <= status <= 599
        ]
        if wrong:
            raise ConfigError("retry policy: " + "; ".join(wrong))


@dataclass(frozen=True, slots=True)
class Retry:
    """Try the item again in `delay_s` seconds. First start nothing on its host for `pause_host_s`, if not None.

    The caller pays the retry budget. `delay_s` is never below `pause_host_s`.
    """

    delay_s: float
    pause_host_s: float | None = None


@dataclass(frozen=True, slots=True)
class Defer:
    """The retry budget is empty: keep the item until nothing else is left, and `delay_s` longer. Else as `Retry`."""

    delay_s: float
    pause_host_s: float | None = None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The failure is final: a dead letter. Pause its host as for `Retry`: the other items need it all the same."""

    pause_host_s: float | None = None


Decision: TypeAlias = Retry | Defer | GiveUp


def decide(policy: RetryPolicy, failure: Failure, item: Item, *, budget_allows: bool, rng: Random) -> Decision:
    """What to do after an attempt of `item` failed; `item.attempts` counts that attempt (≥ 1).

    The delay is full jitter, `rand(0, min(cap, base · 2^n))` with n = 0 at the first retry (Brooker, "Exponential
    Backoff and Jitter", AWS Architecture Blog, 2015). A Retry-After (RFC 9110 §10.2.3) is about the server, so it
    pauses the host; the item waits for it and then its jitter, or all would come back at the same instant.
    Zero, negative and NaN wishes count as none.
    """
    pause_host_s = _pause_s(policy, failure)
    if not is_retryable(policy, failure, item.method) or item.attempts >= policy.attempts_max:
        return GiveUp(pause_host_s)
    base_s = policy.base_throttled_s if is_throttled(failure) else policy.base_transient_s
    # ldexp overflows beyond 2^1023; 2^64 is far over any cap.
    backoff_s = min(policy.backoff_max_s, math.ldexp(base_s, min(64, max(0, item.attempts - 1))))
    delay_s = (pause_host_s or 0.0) + rng.uniform(0.0, backoff_s)
    return Retry(delay_s, pause_host_s) if budget_allows else Defer(delay_s, pause_host_s)


def is_retryable(policy: RetryPolicy, failure: Failure, method: str) -> bool:
    """True when another attempt could succeed and repeating the request is safe.

    Safe means an idempotent method (RFC 9110 §9.2.2), or that certainly no byte of the request was sent.
    """
    if failure.kind in _STATUS_KINDS:
        may_pass = failure.http_status in policy.retry_statuses
    else:
        may_pass = failure.kind in RETRY_KINDS
    return may_pass and (failure.is_unsent or method.upper() in _IDEMPOTENT_METHODS)


def is_throttled(failure: Failure) -> bool:
    """True when the server answered that it has too much to do, 429 or 503. Such a retry costs less of the budget."""
    return failure.kind in _STATUS_KINDS and failure.http_status in _THROTTLED_STATUSES


def _pause_s(policy: RetryPolicy, failure: Failure) -> float | None:
    wish_s = failure.server_retry_after_s
    if wish_s is None or failure.kind not in _STATUS_KINDS or failure.http_status not in policy.retry_statuses:
        return None
    pause_s = min(wish_s, policy.retry_after_max_s)
    return pause_s if pause_s > 0 else None  # False for NaN as well
