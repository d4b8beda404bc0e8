"""Runs as arrays: deviations by level, and disturbed runs drawn in."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaling_kit import LEVELS, sweep, two_line, usl

from penstock.perf.scaling.conclude import conclude_sweep
from penstock.perf.scaling.model import SweepRun
from penstock.perf.scaling.sample import sample_of

# a sweep of a server with 16 places, on a machine on which eight others worked: items per second
BUSY_MACHINE = {
    1: (43, 47, 44, 46, 38),
    2: (95, 84, 81, 69, 95),
    4: (181, 175, 177, 169, 139),
    8: (361, 368, 339, 354, 348),
    10: (456, 452, 383, 465, 433),
    13: (608, 578, 549, 594, 581),
    16: (755, 698, 369, 399, 717),
    20: (725, 763, 564, 765, 739),
    25: (751, 635, 617, 734, 669),
    32: (738, 744, 629, 500, 750),
    64: (750, 712, 761, 740, 727),
}


def test_means_and_deviations_are_those_of_the_runs() -> None:
    sample = sample_of(sweep(usl, noise=0.05, repetitions=40, seed=1))
    assert sample.levels == pytest.approx(LEVELS)
    assert sample.means == pytest.approx(np.log([usl(n) for n in LEVELS]), abs=0.03)
    assert sample.deviation == pytest.approx(0.05, rel=0.15)
    assert sample.freedom == 39 * len(LEVELS)


def test_a_levels_deviation_leans_on_the_others() -> None:
    wild = [replace(run, throughput_per_s=run.throughput_per_s * (0.9, 1.0, 1.1)[run.repetition]) for run in sweep(usl)]
    runs = [one if one.concurrency >= 16 else calm for one, calm in zip(wild, sweep(usl), strict=True)]
    sample = sample_of(runs)
    assert 0.0 < sample.deviations[0] < sample.deviation < sample.deviations[-1] < 0.1


def test_disturbed_runs_hardly_move_their_level() -> None:
    runs = sweep(usl, noise=0.03, repetitions=5, seed=2)
    hurt = [
        replace(run, throughput_per_s=0.5 * run.throughput_per_s) if run.repetition == 4 else run for run in runs[-3:]
    ]
    sample = sample_of([*runs[:-3], *hurt])
    assert sample.odd >= 3
    assert sample.means == pytest.approx(np.log([usl(n) for n in LEVELS]), abs=0.06)


@given(st.integers(0, 1000))
def test_ordinary_noise_is_left_alone(seed: int) -> None:
    runs = sweep(usl, noise=0.05, seed=seed)
    sample = sample_of(random.Random(seed).sample(runs, len(runs)))
    assert sample.odd <= 4
    raw = np.array([np.mean([np.log(r.throughput_per_s) for r in runs if r.concurrency == n]) for n in LEVELS])
    assert np.abs(sample.means - raw).max() < 0.08


def test_a_sweep_on_a_busy_machine_still_finds_the_servers_places() -> None:
    """Half of the doubt lay at the knee itself: two of its five runs had half of their throughput."""
    runs = [
        SweepRun(level, repetition, float(rate), level / rate, 1.5 * level / rate, 400, 0.1, 400 / rate)
        for level, rates in BUSY_MACHINE.items()
        for repetition, rate in enumerate(rates)
    ]
    for seed in range(3):
        tuning = conclude_sweep(runs, target="t", strategy="penstock", seed=seed, elapsed_s=46.0, machine={})
        assert tuning.recommended in {16, 20}
        assert tuning.knee.low <= 16.0 <= tuning.knee.high
        assert any("far from the others" in note for note in tuning.notes)


def test_without_noise_nothing_is_odd() -> None:
    sample = sample_of(sweep(two_line))
    assert sample.odd == 0
    assert sample.deviation < 1e-5
