"""What a comparison is asked for, checked, and what an interrupted one leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from penstock.errors import ConfigError
from penstock.perf.compare.model import Comparison


@dataclass(frozen=True)
class CompareOptions:
    """How a comparison goes. Rounds are of all alternatives, in the closed loop: at least `rounds_min`, then until the
    verdicts are clear, at most `rounds_max`; fewer than 5 give numbers but no verdict. `rate`: of the open loop, items
    per second; `auto` takes one that all can sustain, `none` leaves the open loop out, which has
    `open_rounds` rounds of at least `open_run_s`. `seed` orders the runs.
    `seconds_usual`: after it no round beyond `rounds_min` is begun, so that unclear verdicts cannot double the time.
    `seconds_max`: of the whole workload; where it is short there are fewer rounds, and a note says so.

    Raises ConfigError for values out of range.
    """

    rounds_min: int = 5
    rounds_max: int = 12
    rate: float | Literal["auto", "none"] = "auto"
    open_rounds: int = 5
    open_run_s: float = 0.25
    seed: int = 0
    seconds_usual: float = 36.0
    seconds_max: float | None = None

    def __post_init__(self) -> None:
        _at_least("rounds_min", self.rounds_min, 1)
        _at_least("rounds_max", self.rounds_max, self.rounds_min)
        _at_least("open_rounds", self.open_rounds, 1)
        if isinstance(self.rate, str):
            if self.rate not in {"auto", "none"}:
                raise ConfigError(f"rate: expected auto, none or items per second, got {self.rate!r}")
        elif not (math.isfinite(self.rate) and self.rate > 0):
            raise ConfigError(f"rate: expected items per second above 0, got {self.rate:g}")
        if self.seconds_max is not None and not self.seconds_max > 0:
            raise ConfigError(f"seconds_max: expected more than 0, got {self.seconds_max:g}")


class CompareInterrupted(KeyboardInterrupt):
    """Ctrl-C during a comparison. `comparison` holds what was measured, None before the first whole round."""

    def __init__(self, comparison: Comparison | None) -> None:
        super().__init__("interrupted")
        self.comparison = comparison


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"{name}: expected at least {least}, got {value}")
