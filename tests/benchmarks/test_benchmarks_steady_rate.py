"""The rate that the latency-bound benchmark reads from the origin's log."""

from __future__ import annotations

import random

import pytest
from benchmarks.latency_bound import steady_rate


def waves(count: int, size: int, every_s: float) -> list[float]:
    return [wave * every_s + place * 1e-5 for wave in range(count) for place in range(size)]


def test_answers_in_waves_give_the_rate_of_littles_law() -> None:
    assert steady_rate(waves(100, 500, 0.1)) == pytest.approx(5_000, rel=0.005)


def test_a_slow_start_and_a_long_tail_are_outside() -> None:
    ends_s = waves(100, 500, 0.1)
    slow = [time_s - 5.0 for time_s in ends_s[:2000]] + ends_s[2000:-500] + [time_s + 9.0 for time_s in ends_s[-500:]]
    assert steady_rate(slow) == pytest.approx(5_000, rel=0.005)


def test_the_order_of_the_log_does_not_matter() -> None:
    ends_s = waves(40, 50, 0.1)
    shuffled = random.Random(3).sample(ends_s, len(ends_s))
    assert steady_rate(shuffled) == steady_rate(ends_s)


def test_too_few_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        steady_rate([1.0] * 9)
