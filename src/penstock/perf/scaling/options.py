"""What a sweep is asked for, validated: every mistake in one ConfigError, by the names of the command line's flags."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import ConfigError
from penstock.perf.scaling.levels import LEVELS_MIN, REPEATS_MIN


@dataclass(frozen=True)
class SweepOptions:
    """`levels`: exactly these concurrencies; None: found by looking, from 1 to at most `concurrency_max`.

    `repeats` runs at each (3 or more) of about `run_s` seconds. `seconds_max` for all of it, `requests_max` items in
    all (None: no limit). `slo_p95_s`: the 95th percentile of the service time must stay within it.
    """

    levels: tuple[int, ...] | None = None
    concurrency_max: int = 256
    repeats: int = 5
    run_s: float = 0.6
    seconds_max: float = 110.0
    requests_max: int | None = 100_000
    seed: int = 1
    slo_p95_s: float | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.levels is not None and (len(set(self.levels)) < LEVELS_MIN or min(self.levels) < 1):
            problems.append(
                f"levels: expected at least {LEVELS_MIN} different ones from 1 up, got "
                f"{', '.join(map(str, self.levels)) or 'none'}: fewer cannot tell one law from another"
            )
        if self.concurrency_max < LEVELS_MIN:
            problems.append(f"max-concurrency: expected at least {LEVELS_MIN}, got {self.concurrency_max}")
        if self.levels is not None and max(self.levels, default=0) > self.concurrency_max:
            problems.append(f"levels: expected at most max-concurrency {self.concurrency_max}, got {max(self.levels)}")
        if self.repeats < REPEATS_MIN:
            problems.append(
                f"repeats: expected at least {REPEATS_MIN}, got {self.repeats}: fewer cannot tell the noise"
            )
        for name, value in (("run-seconds", self.run_s), ("max-seconds", self.seconds_max), ("slo", self.slo_p95_s)):
            if value is not None and not 0 < value < float("inf"):
                problems.append(f"{name}: expected a time over 0, got {value:g} s")
        if self.requests_max is not None and self.requests_max < 1:
            problems.append(f"max-requests: expected at least 1, got {self.requests_max}")
        if problems:
            raise ConfigError("\n".join(f"--{problem}" for problem in problems))
