from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.policy.rate import Gcra, Rate, parse_rate


@pytest.mark.parametrize(
    ("text", "per_s"),
    [
        ("100/s", 100),
        ("5/m", 5 / 60),
        ("2/h", 2 / 3600),
        ("0.5/s", 0.5),
        (".5/s", 0.5),
        (" 10 / S ", 10),
        ("30/min", 0.5),
        ("3600/hour", 1),
    ],
)
def test_rates_are_read_as_written(text: str, per_s: float) -> None:
    assert parse_rate(text).per_s == pytest.approx(per_s)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "100",
        "/s",
        "100/",
        "100/d",
        "0/s",
        "0.0/h",
        "-1/s",
        "1e3/s",
        "nan/s",
        "inf/s",
        "1/s/s",
        "٣/s",
        "9" * 400 + "/s",
    ],
)
def test_junk_is_refused_with_what_was_expected_and_what_came(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rate(text)
    assert "expected a rate" in str(caught.value)
    assert repr(text) in str(caught.value)
    assert "100/s" in str(caught.value.hint)


@given(st.text(max_size=12))
def test_any_text_is_a_rate_or_a_config_error(text: str) -> None:
    try:
        rate = parse_rate(text)
    except ConfigError:
        return
    assert 0 < rate.per_s < math.inf


@pytest.mark.parametrize("per_s", [0.0, -1.0, math.nan, math.inf, 1e-320])
def test_a_rate_is_positive_and_finite(per_s: float) -> None:
    with pytest.raises(ConfigError, match="rate above 0"):
        Rate(per_s)


def test_a_burst_is_at_least_one() -> None:
    with pytest.raises(ConfigError, match="burst"):
        Rate(1.0, burst=0)


@pytest.mark.parametrize("burst", [1, 2, 7])
def test_after_a_quiet_time_exactly_the_burst_may_start_at_once(burst: int) -> None:
    gate = Gcra(Rate(4.0, burst))
    for quiet_until_s in (0.0, 1000.0):
        count = 0
        while gate.earliest_s() <= quiet_until_s:
            gate.take(quiet_until_s)
            count += 1
            assert count <= burst
        assert count == burst


gaps_s = st.lists(st.floats(0, 10), min_size=1, max_size=60)


@settings(deadline=None)
@given(per_s=st.floats(0.01, 1000), burst=st.integers(1, 10), gaps=gaps_s)
def test_no_window_holds_more_starts_than_rate_and_tolerance_allow(per_s: float, burst: int, gaps: list[float]) -> None:
    rate = Rate(per_s, burst)
    gate = Gcra(rate)
    now_s, starts_s = 100.0, []
    for gap_s in gaps:
        now_s += gap_s / per_s
        if now_s >= gate.earliest_s():
            gate.take(now_s)
            starts_s.append(now_s)
    for first, begin_s in enumerate(starts_s):
        for last in range(first, len(starts_s)):
            window_s = starts_s[last] - begin_s
            assert last - first + 1 <= 1 + per_s * (window_s + rate.tolerance_s) + 1e-6


@settings(deadline=None)
@given(per_s=st.floats(0.01, 1000), burst=st.integers(1, 10))
def test_starting_whenever_allowed_reaches_the_full_rate(per_s: float, burst: int) -> None:
    gate = Gcra(Rate(per_s, burst))
    now_s = 0.0
    for _ in range(200):
        now_s = max(now_s, gate.earliest_s())
        gate.take(now_s)
    assert now_s <= 200 / per_s


def test_a_timer_that_is_late_by_less_than_the_tolerance_costs_no_throughput() -> None:
    rng = random.Random(7)
    gate = Gcra(Rate(100))
    late_s = now_s = 0.0
    for _ in range(1001):
        now_s = max(now_s, gate.earliest_s()) + late_s
        gate.take(now_s)
        late_s = rng.uniform(0, 0.009)
    assert now_s == pytest.approx(10.0, abs=0.03)


@given(gaps=gaps_s, later_s=st.floats(0, 20))
def test_a_full_bucket_may_be_forgotten(gaps: list[float], later_s: float) -> None:
    gate = Gcra(Rate(2.0, burst=3))
    now_s = 0.0
    for gap_s in gaps:
        now_s += gap_s
        if now_s >= gate.earliest_s():
            gate.take(now_s)
    now_s += later_s
    fresh = Gcra(Rate(2.0, burst=3))
    if gate.is_full(now_s):
        for _ in range(10):
            assert (gate.earliest_s() <= now_s) == (fresh.earliest_s() <= now_s)
            gate.take(now_s)
            fresh.take(now_s)
