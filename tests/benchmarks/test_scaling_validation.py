"""The validation itself: what it counts as right, its corpus, and the page it makes."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from benchmarks.scaling.groups import CORPUS, SEED_FIRST, STRESS, perform, tasks, traps
from benchmarks.scaling.score import Disturbance, concluded, judged, run_case
from benchmarks.scaling.simulate import found_levels, sweep_runs
from benchmarks.scaling.truths import SHAPES, make_truth
from benchmarks.scaling.validation_page import aims, page


def test_the_corpus_has_every_shape_and_every_disturbance() -> None:
    todo = tasks(networks=21, stressed=7)
    corpus = [task for task in todo if task.group == CORPUS]
    assert len(corpus) == 21
    assert {task.shape for task in corpus} == set(SHAPES)
    assert min(task.seed for task in corpus) == SEED_FIRST
    assert {task.group for task in todo} >= {*STRESS, *(f"trap {name}" for name in traps())}


def test_noise_has_the_size_that_is_asked_for_and_levels_pass_the_knee() -> None:
    truth = make_truth("hard knee", 1)
    levels = found_levels(truth, random.Random(1), 0.05)
    assert levels[0] == 1
    assert truth.throughput_per_s(levels[-1]) > 0.99 * truth.best(256) or levels[-1] == 256
    exact = sweep_runs(truth, random.Random(1), noise=0.0, levels=levels)
    assert all(run.throughput_per_s == truth.throughput_per_s(run.concurrency) for run in exact)
    disturbed = sweep_runs(truth, random.Random(1), noise=0.0, levels=levels, slow_share=1.0)
    assert disturbed[0].throughput_per_s == pytest.approx(0.7 * exact[0].throughput_per_s)


def test_a_conclusion_is_judged_by_the_truth_and_not_by_the_runs() -> None:
    truth = make_truth("retrograde", 2)
    runs = sweep_runs(truth, random.Random(3))
    tuning = concluded(runs, 3)
    right = judged(truth, runs, tuning)
    assert right.share == truth.throughput_per_s(tuning.recommended) / truth.best(256)
    wrong = judged(truth, runs, replace(tuning, recommended=1))
    assert wrong.share < 0.5
    narrow = tuple(replace(point, low=point.high) for point in tuning.curve)
    assert judged(truth, runs, replace(tuning, curve=narrow)).at_levels == 0.0


def test_too_few_levels_count_as_refused() -> None:
    assert run_case(make_truth("balanced", 1), 1, Disturbance(levels=(1, 4, 16, 64), repetitions=1)) is None


def test_the_page_says_which_aims_are_met() -> None:
    chosen = [task for task in tasks(networks=7, stressed=0) if task.group == CORPUS]
    done = [(task, perform(task)) for task in chosen]
    text = page(done, command="the command", machine="the machine", seconds=1.0, pictures={"a caption": "a.svg"})
    for aim in aims(done):
        assert f"| {aim.name} | {aim.wanted} | **{100 * aim.value:.1f} %** | {'yes' if aim.is_met else 'no'} |" in text
    assert "![a caption](a.svg)" in text
    assert "the command" in text
    missed = [(task, replace(case, share=0.5)) for task, case in done if case is not None]
    assert not aims(missed)[0].is_met
