"""The networks that serve as truth: closed forms, bounds, and the same answers by another algorithm."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from benchmarks.scaling.mva import Network, Station, solve
from benchmarks.scaling.truths import SHAPES, make_truth
from hypothesis import given, settings
from hypothesis import strategies as st

stations = st.lists(
    st.builds(Station, st.floats(0.001, 0.1), st.sampled_from([1, 1, 1, 2, 3, 8])), min_size=1, max_size=3
)
networks = st.builds(lambda some, delay_s: Network(tuple(some), delay_s), stations, st.floats(0.0, 1.0))


def by_convolution(network: Network, customers_max: int) -> list[float]:
    """Buzen's convolution, in exact fractions: X(N) = G(N-1) / G(N)."""
    sums = [Fraction(network.delay_s) ** n / math.factorial(n) for n in range(customers_max + 1)]
    for one in network.stations:
        weights = [Fraction(1)]
        for n in range(1, customers_max + 1):
            weights.append(weights[-1] * Fraction(one.demand_s) / min(n, one.servers))
        sums = [sum(sums[i] * weights[n - i] for i in range(n + 1)) for n in range(customers_max + 1)]
    return [float(sums[n - 1] / sums[n]) for n in range(1, customers_max + 1)]


@given(networks)
def test_one_item_alone_takes_the_sum_of_all_times(network: Network) -> None:
    assert solve(network, 1).throughput_per_s[0] == pytest.approx(1 / network.alone_s)


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_a_balanced_network_has_its_closed_form(count: int) -> None:
    solution = solve(Network((Station(0.02),) * count), 60)
    expected = [n / (n + count - 1) / 0.02 for n in range(1, 61)]
    assert solution.throughput_per_s == pytest.approx(expected)


def test_two_stations_by_hand() -> None:
    # D = 1 and 2: X(1) = 1/3; queues 1/3, 2/3; R(2) = 4/3 + 10/3 = 14/3; X(2) = 3/7
    solution = solve(Network((Station(1.0), Station(2.0))), 2)
    assert solution.throughput_per_s == pytest.approx([1 / 3, 3 / 7])
    assert solution.residence_s == pytest.approx([3.0, 14 / 3])


def test_the_machine_repairman_has_its_closed_form() -> None:
    # one repairman: p0 = 1 / Σ N!/(N-n)! (S/Z)^n, throughput (1 - p0) / S
    broken = sum(math.factorial(6) / math.factorial(6 - n) * 0.25**n for n in range(7))
    expected = (1 - 1 / broken) / 0.5
    assert solve(Network((Station(0.5),), delay_s=2.0), 6).throughput_per_s[5] == pytest.approx(expected)


def test_servers_alone_work_side_by_side() -> None:
    assert solve(Network((Station(2.0, 4),)), 12).throughput_per_s == pytest.approx(
        [min(n, 4) / 2 for n in range(1, 13)]
    )


def test_more_servers_than_items_are_a_delay() -> None:
    many = solve(Network((Station(0.3), Station(0.7, 40))), 20)
    delay = solve(Network((Station(0.3),), delay_s=0.7), 20)
    assert many.throughput_per_s == pytest.approx(delay.throughput_per_s)


@settings(max_examples=30, deadline=None)
@given(networks)
def test_it_agrees_with_convolution(network: Network) -> None:
    assert solve(network, 24).throughput_per_s == pytest.approx(by_convolution(network, 24), rel=1e-9)


def test_many_servers_near_saturation_lose_no_digits() -> None:
    network = Network((Station(0.25, 16), Station(0.0145), Station(0.125, 8)), 0.5)
    assert solve(network, 60).throughput_per_s == pytest.approx(by_convolution(network, 60), rel=1e-9)
    far = solve(network, 1024).throughput_per_s
    assert far[-1] == pytest.approx(network.throughput_max_per_s, rel=0.02)


@settings(max_examples=50, deadline=None)
@given(networks)
def test_the_asymptotic_bounds_hold_and_more_items_never_hurt(network: Network) -> None:
    throughputs = solve(network, 80).throughput_per_s
    for n, value in enumerate(throughputs, start=1):
        assert value <= min(n / network.alone_s, network.throughput_max_per_s) * (1 + 1e-9)
    assert all(after >= before * (1 - 1e-9) for before, after in itertools.pairwise(throughputs))


@settings(max_examples=30, deadline=None)
@given(networks)
def test_littles_law_holds(network: Network) -> None:
    solution = solve(network, 30)
    for n, (rate, residence_s) in enumerate(zip(solution.throughput_per_s, solution.residence_s, strict=True), start=1):
        assert rate * (residence_s + network.delay_s) == pytest.approx(n)


@pytest.mark.parametrize("bad", [Network(()), Network((Station(-1.0),), 5.0), Network((Station(1.0, 0),))])
def test_a_network_that_cannot_be_is_refused(bad: Network) -> None:
    with pytest.raises(ValueError, match="expected"):
        solve(bad, 4)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_truth_is_a_function_of_its_seed(shape) -> None:
    one, again, other = make_truth(shape, 5), make_truth(shape, 5), make_truth(shape, 6)
    assert one == again
    assert one != other
    assert one.throughput_per_s(17) == one.throughputs[16]
    assert one.best(64) == max(one.throughputs[:64])


def test_only_coherency_makes_throughput_fall() -> None:
    for shape in SHAPES:
        truth = make_truth(shape, 3)
        falls = truth.throughputs[-1] < 0.9 * max(truth.throughputs)
        assert falls == (shape == "retrograde")
