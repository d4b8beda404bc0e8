"""The order of runs: random, balanced, repeatable; and the time that is left."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.compare.plan import Remaining, concurrency_of, first_items, open_run_s, orders
from penstock.perf.workload.model import Alternative, Workload

NAMES = st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=9, unique=True)
SEEDS = st.integers(0, 2**32)


def block(names: list[str], seed: int) -> list[tuple[str, ...]]:
    return list(islice(orders(names, seed), len(names) * (1 + len(names) % 2)))


@given(NAMES, SEEDS)
def test_each_round_has_every_alternative_once(names: list[str], seed: int) -> None:
    for order in islice(orders(names, seed), 15):
        assert sorted(order) == sorted(names)


@given(NAMES, SEEDS)
def test_in_a_block_each_alternative_stands_equally_often_at_each_place(names: list[str], seed: int) -> None:
    rounds = block(names, seed)
    places = Counter((name, place) for order in rounds for place, name in enumerate(order))
    assert len(places) == len(names) ** 2
    assert len(set(places.values())) == 1


@given(NAMES.filter(lambda names: len(names) > 1), SEEDS)
def test_in_a_block_each_alternative_follows_each_other_one_equally_often(names: list[str], seed: int) -> None:
    follows = Counter(pair for order in block(names, seed) for pair in pairwise(order))
    assert len(follows) == len(names) * (len(names) - 1)
    assert len(set(follows.values())) == 1


@given(NAMES, SEEDS)
def test_the_same_seed_gives_the_same_order(names: list[str], seed: int) -> None:
    assert block(names, seed) == block(names, seed)


def test_which_of_two_comes_first_is_a_fair_coin_in_the_first_round() -> None:
    first = [next(orders(["a", "b", "c"], seed)) for seed in range(3000)]
    share = sum(order.index("a") < order.index("b") for order in first) / len(first)
    assert share == pytest.approx(0.5, abs=0.04)  # 4.4 standard errors
    assert len(set(first)) == 6


@given(st.integers(1, 1000), SEEDS)
def test_the_first_round_begins_at_the_first_item_and_later_ones_anywhere(items: int, seed: int) -> None:
    firsts = list(islice(first_items(items, seed), 12))
    assert firsts[0] == 0
    assert all(0 <= first < items for first in firsts)
    assert firsts == list(islice(first_items(items, seed), 12))


def test_the_rounds_of_a_long_list_begin_at_different_items() -> None:
    assert len(set(islice(first_items(10_000, 1), 12))) > 10


@pytest.mark.parametrize(("strategy", "expected"), [("sync", 1), ("processes", 3), ("threads", 40), ("penstock", 40)])
def test_concurrency_is_what_the_strategy_has(strategy: str, expected: int) -> None:
    workload = Workload("w", "", ("x",), concurrency=40, processes=3)
    assert concurrency_of(Alternative("a", strategy), workload) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("rate_per_s", "expected_s"), [(1000.0, 0.25), (60.0, 0.25), (30.0, 0.5), (1.0, 1.0)])
def test_open_runs_are_longer_at_low_rates_but_not_for_ever(rate_per_s: float, expected_s: float) -> None:
    assert open_run_s(rate_per_s, 0.25) == pytest.approx(expected_s)


def test_the_time_left_follows_from_the_time_that_steps_took() -> None:
    remaining = Remaining(10.0)
    assert remaining.left_s(3.0) is None
    remaining.did(2.0)
    assert remaining.share == pytest.approx(0.2)
    assert remaining.left_s(4.0) == pytest.approx(16.0)
    remaining.skip(4.0)
    assert remaining.left_s(4.0) == pytest.approx(8.0)
    remaining.did(99.0)
    assert remaining.share == 1.0
    assert remaining.left_s(50.0) == 0.0
