"""What the verdict is computed from: which seconds count, sums that lose nothing, resamples that add up."""

from __future__ import annotations

import math
import random
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verdict_runs import SHAPE, probe, run, scrambled

from penstock.telemetry.verdict_bootstrap import shares
from penstock.telemetry.verdict_elasticity import draw, middle, readings
from penstock.telemetry.verdict_rules import LIMITS, drawn_limits
from penstock.telemetry.verdict_sums import CHUNKS_MAX, NOTHING, Means, means, steady, total
from penstock.telemetry.window import Window


@given(seconds=st.integers(1, 400), seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_a_long_run_is_summed_into_few_rows_that_hold_the_same(seconds: int, seed: int) -> None:
    rng = random.Random(seed)
    windows = [replace(window, answers=rng.randrange(1, 50), fetch_busy=rng.random()) for window in run(seconds)]
    stretch = steady(windows)
    assert len(stretch.rows) <= CHUNKS_MAX
    assert stretch.span_s + stretch.left_out_s == pytest.approx(seconds + 2.0)
    if stretch.rows:
        kept = windows[-round(stretch.span_s) :]
        assert means(total(stretch.rows)).answers_per_s == pytest.approx(sum(w.answers for w in kept) / len(kept))


def test_a_longer_window_counts_for_more() -> None:
    windows = [*run(5, fetch_busy=1.0), replace(run(1, fetch_busy=0.0, fetch_host=1.0)[-1], span_s=15.0)]
    assert means(total(steady(windows).rows)).busy == pytest.approx(5 / 20)


@settings(max_examples=100)
@given(seed=st.integers(0, 10_000), zeros=st.floats(0.0, 1.0))
def test_every_mean_is_finite_and_the_places_sum_to_one_or_to_nothing(seed: int, zeros: float) -> None:
    rng = random.Random(seed)
    windows = [scrambled(Window(0.0, 0.0), rng, zeros) for _ in range(10)]
    rows = steady(windows).rows
    found = means(total(rows)) if rows else means(NOTHING)
    for field in fields(Means):
        value = getattr(found, field.name)
        assert value is None or (math.isfinite(value) and value >= 0.0)
    places = found.busy + found.process + found.blocked + found.input + found.rate + found.host
    assert places == pytest.approx(1.0) or places == 0.0


def test_the_shares_of_the_resamples_sum_to_one_and_the_seed_decides_them() -> None:
    rows = steady(run(fetch_busy=0.79, fetch_rate=0.21)).rows
    each = readings([probe(0.3)] * 3)
    first = shares(rows, each, SHAPE, seed=3)
    assert sum(first.values()) == pytest.approx(1.0)
    assert len(first) > 1
    assert first == shares(rows, each, SHAPE, seed=3) != shares(rows, each, SHAPE, seed=4)
    assert list(first.values()) == sorted(first.values(), reverse=True)


def test_drawn_thresholds_stay_near_and_inside_their_range() -> None:
    rng = random.Random(1)
    drawn = [drawn_limits(rng).loop for _ in range(500)]
    assert all(0.7 < value < 1.0 for value in drawn)
    assert sum(drawn) / len(drawn) == pytest.approx(LIMITS.loop, abs=0.01)


@pytest.mark.parametrize("e", [-0.1, 0.0, 0.5, 1.0])
def test_both_estimates_of_the_elasticity_agree_on_an_exact_probe(e: float) -> None:
    (reading,) = readings([probe(e)])
    assert reading.e == pytest.approx(e, abs=0.02)


def test_probes_that_cannot_be_read_are_left_out() -> None:
    broken = [
        replace(probe(1.0), answers_per_s_low=0.0),
        replace(probe(1.0), limit_low=32),
        replace(probe(1.0), limit_low=0),
    ]
    assert readings(broken) == ()
    assert middle([]) is None
    assert draw([], random.Random(1)) is None


def test_few_probes_that_disagree_are_drawn_wider_than_those_that_agree() -> None:
    def spread(values: list[float]) -> float:
        rng = random.Random(5)
        each = readings([probe(value) for value in values])
        drawn = [one.e for _ in range(400) if (one := draw(each, rng)) is not None]
        return max(drawn) - min(drawn)

    assert spread([0.1, 0.5, 0.9]) > 2 * spread([0.5, 0.5, 0.5])
    assert spread([0.5]) > spread([0.5, 0.5, 0.5])
