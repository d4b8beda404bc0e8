"""How often attempts may start: the generic cell rate algorithm (GCRA), and reading `100/s`.

GCRA is the virtual-scheduling form of a leaky bucket (ITU-T I.371, annex A): one number of state, no timer, no refill.
It decides only; the frontier keeps who waits and until when. The rule: a start is never allowed before `earliest_s()`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from penstock.errors import ConfigError

JITTER_TOLERANCE_S = 0.020
"""How late a start may be without costing throughput: the event-loop lag above which we call the loop overloaded.
I.371 has the parameter for this very purpose (cell delay variation tolerance): with none, a timer that fires 1 ms late
turns 100/s into 91/s."""

_UNIT_S = {"s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0}
_RATE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*/\s*([a-z]+)\s*", re.ASCII | re.IGNORECASE)
_HINT = "write a number, a slash and s, m or h: 100/s, 5/m, 2/h, 0.5/s"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `per_s` starts a second in the long run, and `burst` (≥ 1) of them at once after a quiet time.

    Any window of t seconds holds at most `1 + per_s · (t + tolerance_s)` starts.
    Raises ConfigError when `per_s` is not a positive finite number, or `burst` is below 1.
    """

    per_s: float
    burst: int = 1

    def __post_init__(self) -> None:
        # The interval has to be finite and above zero too: 1e-320 per second has none.
        if not (self.per_s > 0 and 0 < 1 / self.per_s < math.inf and math.isfinite(self.per_s)):
            raise ConfigError(f"expected a rate above 0 per second, got {self.per_s}", hint=_HINT)
        if self.burst < 1:
            raise ConfigError(f"expected a burst of at least 1, got {self.burst}")

    @property
    def interval_s(self) -> float:
        """Seconds between two starts at the full rate (I.371: T)."""
        return 1 / self.per_s

    @property
    def tolerance_s(self) -> float:
        """How far ahead of the even schedule a start may be, in seconds (I.371: tau)."""
        return max((self.burst - 1) / self.per_s, JITTER_TOLERANCE_S)


class Gcra:
    """The state of one rate limit. New = bucket full. Cost: under 0.2 µs a call.

    `theoretical_s` (I.371: TAT) is when the next start would come on an even schedule. A start at `now_s` conforms if
    `now_s ≥ theoretical_s − tolerance_s`, and moves `theoretical_s` to `max(theoretical_s, now_s) + interval_s`.
    """

    __slots__ = ("_interval_s", "_theoretical_s", "_tolerance_s")

    def __init__(self, rate: Rate) -> None:
        self._interval_s = rate.interval_s
        self._tolerance_s = rate.tolerance_s
        self._theoretical_s = -math.inf

    def earliest_s(self) -> float:
        """The first moment at which a start is allowed; in the past when one is allowed now. Never moves back."""
        return self._theoretical_s - self._tolerance_s

    def take(self, now_s: float) -> None:
        """Count a start at `now_s`. The caller has made sure that `now_s ≥ earliest_s()`."""
        theoretical_s = self._theoretical_s
        self._theoretical_s = (now_s if now_s > theoretical_s else theoretical_s) + self._interval_s

    def is_full(self, now_s: float) -> bool:
        """True when forgetting this limit and making a new one at `now_s` would change nothing."""
        return self._theoretical_s <= now_s


def parse_rate(text: str) -> Rate:
    """Read `100/s`, `5/m`, `2/h` or `0.5/s` (also sec, min, hour). Raises ConfigError with what was expected."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise ConfigError(f"expected a rate like 100/s, got {text!r}", hint=_HINT)
    number, unit = match.groups()
    unit_s = _UNIT_S.get(unit.lower())
    if unit_s is None:
        raise ConfigError(f"expected a rate per s, m or h, got {text!r}: unknown unit {unit!r}", hint=_HINT)
    try:
        return Rate(float(number) / unit_s)
    except ConfigError as error:
        raise ConfigError(f"expected a rate above 0, got {text!r}", hint=_HINT) from error
