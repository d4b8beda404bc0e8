"""The whole conclusion: numbers, sentences, refusals."""

from __future__ import annotations

import random
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling_kit import LEVELS, amdahl, sweep, two_line, usl

from penstock.errors import ConfigError
from penstock.perf.scaling.conclude import conclude_sweep
from penstock.perf.scaling.model import SweepRun, Tuning


def conclude(runs, **options) -> Tuning:
    told = {"target": "t", "strategy": "penstock", "seed": 7, "elapsed_s": 30.0, "machine": {"cores": 2}} | options
    return conclude_sweep(runs, **told)


def test_a_sweep_past_a_peak_is_concluded_in_full() -> None:
    tuning = conclude(sweep(usl, noise=0.03), notes=("a note",))
    assert tuning.refusal is None
    assert tuning.chosen == "usl"
    assert tuning.recommended == 32
    assert tuning.is_peak_seen
    assert tuning.peak.low < 44.0 < tuning.peak.high
    assert [point.concurrency for point in tuning.points] == list(LEVELS)
    assert all(point.low <= point.throughput_per_s <= point.high for point in tuning.curve)
    assert {fit.law for fit in tuning.fits} == {"linear", "amdahl", "usl", "two_line"}
    assert tuning.notes == ("a note",)
    assert tuning.machine == {"cores": 2}
    assert 3 <= len(tuning.commentary) <= 6


def test_the_sentences_name_the_numbers() -> None:
    tuning = conclude(sweep(two_line, noise=0.02))
    said = " ".join(tuning.commentary)
    assert "smallest measured concurrency with at least 95 % of the maximum" in tuning.reason
    assert "two-line" in said or "sharp knee" in said
    assert "bends at concurrency 20" in said or "bends at concurrency 19" in said or "bends at concurrency 21" in said
    assert "which agrees" in said
    assert "Concurrency 128 instead of 32 would take p95 from 60 ms to 240 ms" in said
    assert "cannot be told" in said


def test_growing_throughput_is_answered_with_at_least() -> None:
    tuning = conclude(sweep(usl, levels=(1, 2, 4, 8, 12, 16), noise=0.03))
    assert tuning.recommended == 16
    assert tuning.reason.startswith("at least")
    assert "64" in tuning.reason
    assert tuning.peak.value is None
    assert not tuning.is_peak_seen


def test_a_limit_that_cannot_be_met_is_said_with_the_nearest() -> None:
    tuning = conclude(sweep(usl, noise=0.03), slo_p95_s=0.002)
    assert tuning.recommended is None
    assert tuning.refusal is None
    assert "the nearest is 1, with p95 37.5 ms" in tuning.reason


def test_a_limit_that_binds_is_said_with_what_it_costs() -> None:
    tuning = conclude(sweep(two_line, noise=0.01), slo_p95_s=0.05)
    assert tuning.recommended == 16
    assert "no measured concurrency has both" in tuning.reason
    assert tuning.slo_p95_s == 0.05


def test_levels_whose_p95_is_unknown_are_not_within_a_limit() -> None:
    runs = [replace(run, p95_s=None) if run.concurrency >= 32 else run for run in sweep(two_line, noise=0.01)]
    tuning = conclude(runs, slo_p95_s=0.1)
    assert tuning.recommended == 16
    assert "too few items" in tuning.points[-1].p95_s.note


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_the_runs_changes_nothing(seed: int) -> None:
    runs = sweep(amdahl, noise=0.05, seed=seed)
    assert conclude(random.Random(seed).sample(runs, len(runs))) == conclude(runs)


@settings(max_examples=3, deadline=None)
@given(st.floats(0.01, 100.0))
def test_a_change_of_unit_does_not_change_the_recommendation(factor: float) -> None:
    runs = sweep(usl, noise=0.05, seed=3)
    scaled = conclude([replace(run, throughput_per_s=factor * run.throughput_per_s) for run in runs])
    plain = conclude(runs)
    assert scaled.recommended == plain.recommended
    assert scaled.throughput_max_per_s.value == pytest.approx(factor * plain.throughput_max_per_s.value, rel=1e-2)


@pytest.mark.parametrize(
    "runs",
    [[], sweep(usl, levels=LEVELS[:5]), sweep(usl, repetitions=2), sweep(usl, levels=LEVELS[:4], repetitions=1)],
    ids=["none", "five levels", "two repetitions", "four levels once"],
)
def test_too_few_runs_are_refused_but_shown(runs: list[SweepRun]) -> None:
    tuning = conclude(runs)
    assert tuning.refusal.kind == "too_few_runs"
    assert "at least 6 concurrencies with 3 runs each" in tuning.refusal.message
    assert tuning.recommended is None
    assert tuning.fits == ()
    assert len(tuning.points) == len({run.concurrency for run in runs})


def test_levels_with_too_few_runs_are_left_out_with_a_note() -> None:
    runs = sweep(usl, noise=0.03) + sweep(lambda n: 1.0, levels=(256,), repetitions=2)
    tuning = conclude(runs)
    assert tuning.recommended == 32
    assert tuning.curve[-1].concurrency == 128
    assert any("not used" in note and "256" in note for note in tuning.notes)


def test_push_back_is_refused_from_the_level_where_it_begins() -> None:
    runs = [replace(run, pushbacks=50, failed=50) if run.concurrency >= 16 else run for run in sweep(usl)]
    tuning = conclude(runs)
    assert tuning.refusal.kind == "pushback"
    assert "at concurrency 16" in tuning.refusal.message
    assert tuning.recommended is None


def test_failures_are_refused() -> None:
    runs = [replace(run, failed=40) if run.concurrency == 8 else run for run in sweep(usl)]
    tuning = conclude(runs)
    assert tuning.refusal.kind == "raised"
    assert "at concurrency 8" in tuning.refusal.message


def test_one_odd_answer_is_let_pass() -> None:
    runs = sweep(usl, noise=0.03)
    assert conclude([replace(runs[0], failed=1, pushbacks=1), *runs[1:]]).refusal is None


def test_a_run_in_which_nothing_ended_is_refused() -> None:
    runs = sweep(usl)
    tuning = conclude([replace(runs[0], throughput_per_s=0.0, items=0), *runs[1:]])
    assert tuning.refusal.kind == "too_few_items"


def test_points_hold_means_costs_and_phases() -> None:
    runs = [replace(run, phases={"connect": 0.001, "body": 0.002}) for run in sweep(usl, noise=0.03)]
    point = conclude(runs).points[3]
    assert point.runs == 3
    assert point.throughput_per_s.low < point.throughput_per_s.value < point.throughput_per_s.high
    assert point.cpu_s_per_1000.value == pytest.approx(4.0)
    assert point.p95_s.n == 1500
    assert point.phases == pytest.approx({"connect": 0.001, "body": 0.002})


@pytest.mark.parametrize("slo_p95_s", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_no_time_is_the_users_mistake(slo_p95_s: float) -> None:
    with pytest.raises(ConfigError, match="seconds above 0"):
        conclude(sweep(usl), slo_p95_s=slo_p95_s)


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ConfigError, match="numpy and scipy") as caught:
        conclude(sweep(usl))
    assert caught.value.hint == "pip install 'penstock[perf]'"
