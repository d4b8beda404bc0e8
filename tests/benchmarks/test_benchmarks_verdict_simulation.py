"""The simulation of verdicts: its noise is what its names say, and its page comes from what it counted."""

from __future__ import annotations

import itertools
from math import exp
from random import Random
from statistics import fmean, median, stdev

import pytest
from benchmarks.strategies.noise import ALTERNATIVES, NOISES, ROUNDS, TRUTHS
from benchmarks.strategies.simulate_verdicts import compared, lower_bound, page, simulate

BY_NAME = {noise.name: noise for noise in NOISES}


def test_every_noise_fills_every_round_of_every_alternative() -> None:
    for noise in NOISES:
        drawn = noise.draw(Random(1))
        assert len(drawn) == ROUNDS
        assert all(len(row) == ALTERNATIVES for row in drawn)
        assert drawn == noise.draw(Random(1))


def test_quiet_noise_is_as_large_as_it_says() -> None:
    rng = Random(2)
    values = [value for _ in range(50) for row in BY_NAME["quiet 3 %"].draw(rng) for value in row]
    assert stdev(values) == pytest.approx(0.03, rel=0.1)


def test_drift_is_shared_by_the_alternatives_of_a_round() -> None:
    rng = Random(3)
    draws = [BY_NAME["drift"].draw(rng) for _ in range(200)]
    single = [drawn[0][0] for drawn in draws]
    differences = [drawn[0][0] - drawn[0][1] for drawn in draws]
    assert stdev(differences) < 0.7 * stdev(single)


def test_bursts_slow_one_run_in_ten() -> None:
    rng = Random(4)
    values = [value for _ in range(100) for row in BY_NAME["bursts"].draw(rng) for value in row]
    assert fmean(value < -0.3 for value in values) == pytest.approx(0.1, abs=0.02)
    assert abs(median(values)) < 0.02


def test_a_start_stays_for_all_rounds_of_a_comparison() -> None:
    rng = Random(5)
    means = [fmean(row[0] for row in BY_NAME["starts"].draw(rng)) for _ in range(300)]
    assert stdev(means) == pytest.approx(0.016, rel=0.2)


def test_truths_are_of_six_alternatives_of_which_some_are_near() -> None:
    for name, truth in TRUTHS.items():
        drawn = truth(Random(6))
        assert len(drawn) == ALTERNATIVES, name
        ordered = sorted(drawn)
        assert min(b - a for a, b in itertools.pairwise(ordered)) < 0.1


def test_a_far_better_alternative_is_found_in_five_rounds() -> None:
    pairs, rounds = compared([1.0, 0.0], BY_NAME["quiet 1 %"], Random(7))
    (pair,) = pairs
    assert (pair.verdict, rounds) == ("faster", 5)
    assert pair.ratio.value == pytest.approx(exp(1), rel=0.02)


def test_the_bound_is_below_the_share_and_of_three_where_nothing_went_wrong() -> None:
    assert lower_bound([1.0] * 100) == 0.97
    mixed = [1.0] * 90 + [0.9] * 10
    assert 0.98 < lower_bound(mixed) < fmean(mixed)


def test_the_page_tells_each_noise_and_how_it_was_made() -> None:
    found = [simulate(number, 4, 8) for number in range(2)]
    text = page(found, 4, 8)
    assert "| quiet 1 % | 100.00 %" in text
    assert "--comparisons 4 --seed 8" in text
    assert all(one.noise.about in text for one in found)
    assert all(len(one.agreed) == len(one.same) == 4 for one in found)
    assert all(one.power[2.0] == 1 for one in found)
