"""Which concurrencies a sweep measures, how long its runs are, and what is cut when time is short."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_kit import looks_of, queueing_law

from penstock.perf.scaling.budget import plan_within, told_cuts
from penstock.perf.scaling.levels import (
    ITEMS_MIN,
    LEVELS_MIN,
    Look,
    first_near_best,
    interpolated,
    measured_levels,
    next_look,
    run_items,
    run_seconds,
    shuffled_rounds,
)

looks_anyhow = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=9).map(
    lambda rates: [Look(2**place, rate, 2**place / rate) for place, rate in enumerate(rates)]
)


def ascend(law, concurrency_max: int = 256) -> list[int]:
    looks: list[Look] = []
    while (level := next_look(looks, concurrency_max)) is not None:
        looks += looks_of(law, [level])
    return [look.concurrency for look in looks]


def test_the_look_ascends_by_doubling_and_ends_two_steps_past_the_knee() -> None:
    assert ascend(queueing_law(16, 0.02)) == [1, 2, 4, 8, 16, 32, 64]


def test_the_look_stops_at_the_cap_while_throughput_still_grows() -> None:
    assert ascend(queueing_law(10_000, 0.02), 100) == [1, 2, 4, 8, 16, 32, 64, 100]


def test_one_flat_step_is_taken_for_noise() -> None:
    looks = [Look(1, 50, 0.02), Look(2, 51, 0.04), Look(4, 200, 0.02)]
    assert next_look(looks, 256) == 8


def test_a_server_that_falls_is_left_alone_after_two_doublings() -> None:
    assert ascend(lambda n: 100 * n / (1 + 0.02 * n * n)) == [1, 2, 4, 8, 16, 32]


def test_levels_are_densest_around_the_knee() -> None:
    law = queueing_law(16, 0.02)
    levels = measured_levels(looks_of(law, [1, 2, 4, 8, 16, 32, 64]), 256)
    knee = first_near_best(looks_of(law, [1, 2, 4, 8, 16, 32, 64]))
    assert knee == 16
    assert levels == (1, 2, 4, 8, 10, 13, 16, 20, 25, 32, 64)


def test_a_limit_of_p95_is_looked_at_more_closely_where_it_is_crossed() -> None:
    looks = looks_of(queueing_law(16, 0.02), [1, 2, 4, 8, 16, 32, 64])
    # p95 is 30 ms up to 8, 33 ms at 16; the limit lies between.
    assert 11 in measured_levels(looks, 256, slo_p95_s=0.031)


def test_throughput_that_never_grows_still_gives_six_levels_without_much_load() -> None:
    looks = [Look(1, 100, 0.01), Look(2, 100, 0.02), Look(4, 100, 0.04)]
    assert next_look(looks, 256) is None
    assert measured_levels(looks, 256) == (1, 2, 3, 4, 6, 8)


@given(looks_anyhow, st.integers(LEVELS_MIN, 300))
def test_levels_are_six_or_more_within_the_cap_and_hold_all_that_was_looked_at(looks: list[Look], cap: int) -> None:
    looks = [look for look in looks if look.concurrency <= cap]
    levels = measured_levels(looks, cap, slo_p95_s=0.1)
    assert len(levels) >= LEVELS_MIN
    assert list(levels) == sorted(set(levels))
    assert levels[0] >= 1
    assert levels[-1] <= cap
    assert {look.concurrency for look in looks} <= set(levels)


@given(looks_anyhow, st.integers(1, 300))
def test_the_next_look_is_higher_and_never_over_the_cap(looks: list[Look], cap: int) -> None:
    level = next_look(looks, cap)
    assert level is None or looks[-1].concurrency < level <= cap


@given(st.sets(st.integers(1, 100), min_size=1, max_size=12), st.integers(1, 6), st.integers())
def test_every_round_is_a_permutation_of_all_levels(levels: set[int], repeats: int, seed: int) -> None:
    rounds = shuffled_rounds(sorted(levels), repeats, random.Random(seed))
    assert len(rounds) == repeats
    assert all(sorted(order) == sorted(levels) for order in rounds)


def test_the_order_follows_from_the_seed_and_differs_between_rounds() -> None:
    rounds = shuffled_rounds(range(1, 11), 5, random.Random(3))
    assert rounds == shuffled_rounds(range(1, 11), 5, random.Random(3))
    assert len(set(rounds)) == 5


@pytest.mark.parametrize(
    ("look", "items"),
    [
        (Look(1, 50, 0.02), ITEMS_MIN),  # half a second would be 25 items, too few for a p95
        (Look(16, 800, 0.02), 400),
        (Look(256, 800, 0.32), 1792),  # eight waves would be 2,048 items, longer than four times the length
        (Look(1, 0.1, 10.0), 2),
        (Look(64, 1.0, 64.0), 128),
    ],
)
def test_a_run_has_enough_items_but_is_not_stretched_beyond_bounds(look: Look, items: int) -> None:
    assert run_items(look, 0.5) == items


@given(looks_anyhow, st.floats(0.01, 10))
def test_a_run_takes_about_four_times_its_length_at_most_or_two_waves(looks: list[Look], run_s: float) -> None:
    for look in looks:
        bound = max(4 * run_s * look.throughput_per_s, 2 * look.concurrency)
        assert 1 <= run_items(look, run_s) <= bound + look.concurrency
        assert run_items(look, run_s) % look.concurrency == 0
        assert run_seconds(look, run_s) > 0


def test_between_levels_throughput_is_interpolated_and_above_them_taken_as_flat() -> None:
    looks = [Look(4, 100, 0.04), Look(16, 400, 0.04)]
    assert interpolated(looks, 8).throughput_per_s == pytest.approx(200)
    assert interpolated(looks, 32).throughput_per_s == 400
    assert interpolated(looks, 16) is looks[1]


def test_a_plan_that_fits_is_left_alone() -> None:
    looks = looks_of(queueing_law(16, 0.02), [1, 2, 4, 8, 16, 32, 64])
    plan, fits = plan_within(looks, (1, 2, 4, 8, 16, 32, 64), 5, 0.6, seconds_max=100)
    assert fits
    assert (plan.levels, plan.repeats, plan.run_s) == ((1, 2, 4, 8, 16, 32, 64), 5, 0.6)
    assert told_cuts(plan, plan.levels, 5, 0.6) is None


def test_repetitions_go_first_then_the_length_of_runs_then_levels_between() -> None:
    levels = (1, 2, 4, 8, 10, 12, 16, 24, 32, 64)
    looks = looks_of(queueing_law(16, 0.02), levels)
    whole, _ = plan_within(looks, levels, 5, 0.6, seconds_max=1000)
    fewer, _ = plan_within(looks, levels, 5, 0.6, seconds_max=0.7 * whole.seconds)
    assert (fewer.repeats, fewer.run_s, fewer.levels) == (3, 0.6, levels)
    shorter, _ = plan_within(looks, levels, 5, 0.6, seconds_max=0.45 * whole.seconds)
    assert shorter.repeats == 3
    assert shorter.run_s < 0.6
    assert shorter.levels == levels
    least, _ = plan_within(looks, levels, 5, 0.6, seconds_max=0.2 * whole.seconds)
    assert least.repeats == 3
    assert len(least.levels) < len(levels)
    assert told_cuts(least, levels, 5, 0.6)


@given(st.floats(0.01, 500), st.one_of(st.none(), st.integers(1, 200_000)), st.booleans())
def test_a_plan_said_to_fit_does_and_can_conclude(seconds: float, items: int | None, is_fixed: bool) -> None:
    levels = (1, 2, 4, 8, 10, 12, 16, 24, 32, 64)
    looks = looks_of(queueing_law(16, 0.02), levels)
    plan, fits = plan_within(looks, levels, 5, 0.6, seconds_max=seconds, items_max=items, is_fixed=is_fixed)
    assert plan.repeats >= 3
    assert len(plan.levels) >= (len(levels) if is_fixed else LEVELS_MIN)
    assert set(plan.levels) <= set(levels)
    assert {1, 64} <= set(plan.levels)
    if fits:
        assert plan.seconds <= seconds
        assert items is None or plan.items <= items
