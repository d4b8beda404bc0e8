"""The four laws: values, derivatives, limits."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import scaling_kit
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.scaling.laws import LAWS, bounds, jacobian, log_throughput, named, parameter_count, usl_peak
from penstock.perf.scaling.model import Law

LEVELS = np.array([1.0, 2.0, 3.0, 7.0, 20.0, 50.0, 200.0])
SETS = {
    "linear": [math.log(40)],
    "amdahl": [math.log(40), math.log(0.05)],
    "usl": [math.log(40), math.log(0.05), math.log(0.95 / 44**2)],
    "two_line": [math.log(40), math.log(20), 0.0],
}
CURVES = {
    "linear": scaling_kit.linear,
    "amdahl": scaling_kit.amdahl,
    "usl": scaling_kit.usl,
    "two_line": scaling_kit.two_line,
}


def test_every_law_of_the_model_is_there() -> None:
    assert set(LAWS) == set(get_args(Law))


@pytest.mark.parametrize("law", LAWS)
def test_values_are_those_of_the_formula(law: Law) -> None:
    values = np.exp(log_throughput(law, np.array([SETS[law]]), LEVELS)[0])
    assert values == pytest.approx([CURVES[law](n) for n in LEVELS])


@pytest.mark.parametrize("law", LAWS)
def test_derivatives_are_those_of_small_steps(law: Law) -> None:
    theta = np.array([SETS[law]])
    exact = jacobian(law, theta, LEVELS)[0]
    assert exact.shape == (len(LEVELS), parameter_count(law))
    for place in range(theta.shape[1]):
        step = np.zeros_like(theta)
        step[0, place] = 1e-6
        slope = (log_throughput(law, theta + step, LEVELS) - log_throughput(law, theta - step, LEVELS))[0] / 2e-6
        # at the knee itself the slope jumps
        away = LEVELS != 20.0
        assert exact[away, place] == pytest.approx(slope[away], abs=1e-6)


@pytest.mark.parametrize("law", LAWS)
def test_many_sets_at_once_are_each_as_alone(law: Law) -> None:
    one = np.array([SETS[law]])
    low, high = bounds(law, LEVELS)
    other = np.clip(one + 0.3, low, high)
    both = log_throughput(law, np.concatenate([one, other]), LEVELS)
    assert both[0] == pytest.approx(log_throughput(law, one, LEVELS)[0])
    assert both[1] == pytest.approx(log_throughput(law, other, LEVELS)[0])


@given(st.floats(1e-5, 0.9), st.floats(1e-6, 0.5), st.integers(1, 500))
def test_the_laws_are_ordered_each_with_one_loss_more(alpha: float, beta: float, level: int) -> None:
    n = np.array([float(level)])
    theta = [0.0, math.log(alpha), math.log(beta)]
    straight = log_throughput("linear", np.array([theta[:1]]), n)[0, 0]
    contended = log_throughput("amdahl", np.array([theta[:2]]), n)[0, 0]
    coherent = log_throughput("usl", np.array([theta]), n)[0, 0]
    assert coherent <= contended + 1e-12
    assert contended <= straight + 1e-12


def test_the_usl_is_highest_at_its_peak() -> None:
    theta = np.array([SETS["usl"]])
    peak = usl_peak(theta)[0]
    assert peak == pytest.approx(44.0)
    around = np.exp(log_throughput("usl", theta, np.array([peak - 1, peak, peak + 1]))[0])
    assert around.argmax() == 1


def test_without_coherency_there_is_no_peak() -> None:
    low, _ = bounds("usl", LEVELS)
    assert usl_peak(np.array([[0.0, math.log(0.1), low[2]]]))[0] == math.inf
    assert named("usl", np.array([0.0, math.log(0.1), low[2]]))["beta"] == 0.0
