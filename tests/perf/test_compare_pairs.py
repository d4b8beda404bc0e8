"""Verdicts: mirrored, independent of units and of the order of rounds; and never from an error or a gap."""

from __future__ import annotations

from math import exp, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.compare.lookup import Verdicts, mirrored
from penstock.perf.compare.model import Pair
from penstock.perf.compare.pairs import MARGIN, judge, judge_pairs

THROUGHPUTS = st.integers(5, 12).flatmap(
    lambda rounds: st.lists(st.lists(st.floats(1, 1000), min_size=rounds, max_size=rounds), min_size=2, max_size=5).map(
        lambda rows: {str(number): row for number, row in enumerate(rows)}
    )
)


def only(a: list[float | None], b: list[float | None]) -> Pair:
    (pair,) = judge_pairs("throughput", {"a": a, "b": b})
    return pair


def noisy(rng: Random, middle: float, rounds: int = 8, noise: float = 0.02) -> list[float | None]:
    return [middle * exp(rng.gauss(0, noise)) for _ in range(rounds)]


def test_a_clear_difference_is_decided_either_way() -> None:
    rng = Random(1)
    fast, slow = noisy(rng, 130), noisy(rng, 100)
    assert only(fast, slow).verdict == "faster"
    assert only(slow, fast).verdict == "slower"
    assert only(fast, slow).ratio.value == pytest.approx(1.3, rel=0.05)


def test_a_difference_below_the_margin_is_none_however_sure() -> None:
    rng = Random(2)
    pair = only(noisy(rng, 105, 12, 0.002), noisy(rng, 100, 12, 0.002))
    assert pair.verdict == "cannot tell"
    assert pair.ratio.low is not None
    assert pair.ratio.low > 1
    assert pair.note == "within 10 %"


def test_a_difference_that_noise_hides_is_none_and_says_so() -> None:
    pair = only([100, 180, 90, 160, 120], [100, 90, 110, 95, 100])
    assert pair.verdict == "cannot tell"
    assert pair.ratio.value is not None
    assert pair.ratio.value > 1 + MARGIN
    assert "too noisy" in pair.note


def test_what_slows_both_in_a_round_does_not_matter() -> None:
    rng = Random(3)
    weather = [exp(rng.gauss(0, 0.5)) for _ in range(6)]
    assert only([120 * one for one in weather], [100 * one for one in weather]).verdict == "faster"


def test_one_disturbed_round_of_ten_does_not_hide_a_difference() -> None:
    rng = Random(4)
    fast = noisy(rng, 130, 10)
    fast[3] = 40.0
    assert only(fast, noisy(rng, 100, 10)).verdict == "faster"


def test_fewer_than_five_common_rounds_never_decide() -> None:
    pair = only([1000.0] * 4 + [None, None], [1.0] * 6)
    assert pair.verdict == "cannot tell"
    assert pair.note == "too few rounds: 4, needs at least 5"


@pytest.mark.parametrize("bad", [None, 0.0, float("nan"), float("inf"), -1.0])
def test_rounds_without_a_number_do_not_count(bad: float | None) -> None:
    assert only([bad, 200, 200, 201, 199, 200], [100.0] * 6).ratio.n == 5
    nothing = only([bad] * 6, [100.0] * 6)
    assert nothing.verdict == "cannot tell"
    assert nothing.ratio.value is None
    assert nothing.note


def test_one_common_round_has_a_ratio_and_no_interval() -> None:
    one = only([2.0], [1.0])
    assert (one.verdict, one.ratio.low) == ("cannot tell", None)
    assert one.ratio.value == pytest.approx(2)


def test_less_is_better_for_costs_and_the_ratio_stays_above_one_for_the_better() -> None:
    rng = Random(5)
    (pair,) = judge_pairs("cpu", {"a": noisy(rng, 0.5), "b": noisy(rng, 1.0)}, is_less_better=True)
    assert pair.verdict == "faster"
    assert pair.ratio.value == pytest.approx(2, rel=0.05)


def test_what_cannot_be_judged_says_why_and_the_others_are_judged() -> None:
    rng = Random(6)
    series = {"a": noisy(rng, 2), "b": noisy(rng, 1), "c": noisy(rng, 1)}
    pairs = judge_pairs("p95", series, is_less_better=True, unsayable={"c": "c: cannot keep up"})
    assert [(pair.a, pair.b, pair.verdict) for pair in pairs] == [
        ("a", "b", "slower"),
        ("a", "c", "cannot tell"),
        ("b", "c", "cannot tell"),
    ]
    assert pairs[1].note == pairs[1].ratio.note == "c: cannot keep up"


def test_noise_is_shared_between_pairs_so_that_five_rounds_suffice() -> None:
    rng = Random(7)
    series = {
        name: noisy(rng, middle, 5, 0.02) for name, middle in zip("abcdef", (100, 100, 100, 100, 100, 120), strict=True)
    }
    alone = judge({"a": series["a"], "f": series["f"]})["a", "f"]
    among = judge(series)["a", "f"]
    assert among.half_width < alone.half_width
    assert among.verdict == "slower"


@given(THROUGHPUTS)
def test_swapping_two_mirrors_their_verdict(series: dict[str, list[float]]) -> None:
    backwards = dict(reversed(series.items()))
    ours, theirs = Verdicts(judge_pairs("throughput", series)), judge_pairs("throughput", backwards)
    for pair in theirs:
        other = ours.of(pair.a, pair.b, "throughput")
        assert other is not None
        assert other.verdict == pair.verdict
        assert other.ratio.value == pytest.approx(pair.ratio.value)
        assert other.ratio.low == pytest.approx(pair.ratio.low)
        assert mirrored(mirrored(pair)).verdict == pair.verdict


@given(THROUGHPUTS, st.floats(0.001, 1000))
def test_scaling_all_throughputs_changes_nothing(series: dict[str, list[float]], factor: float) -> None:
    scaled = {name: [value * factor for value in row] for name, row in series.items()}
    for one, other in zip(judge(series).values(), judge(scaled).values(), strict=True):
        assert one.location.centre == pytest.approx(other.location.centre, abs=1e-9)
        assert one.half_width == pytest.approx(other.half_width, rel=1e-6, abs=1e-9)
        if _is_clear(one.location.centre, one.half_width):
            assert one.verdict == other.verdict


@given(THROUGHPUTS, st.randoms(use_true_random=False))
def test_the_order_of_rounds_changes_nothing(series: dict[str, list[float]], shuffler: Random) -> None:
    order = list(range(len(next(iter(series.values())))))
    shuffler.shuffle(order)
    shuffled = {name: [row[place] for place in order] for name, row in series.items()}
    for one, other in zip(judge(series).values(), judge(shuffled).values(), strict=True):
        assert one.location.centre == pytest.approx(other.location.centre)
        assert one.half_width == pytest.approx(other.half_width)


@given(THROUGHPUTS)
def test_a_decided_pair_looks_larger_than_the_margin_and_its_interval_excludes_one(
    series: dict[str, list[float]],
) -> None:
    for pair in judge_pairs("throughput", series):
        assert pair.ratio.value is not None
        assert pair.ratio.low is not None
        assert pair.ratio.high is not None
        if pair.verdict == "faster":
            assert pair.ratio.value > 1 + MARGIN
            assert pair.ratio.low > 1
            assert not pair.note
        elif pair.verdict == "slower":
            assert pair.ratio.value < 1 / (1 + MARGIN)
            assert pair.ratio.high < 1
            assert not pair.note
        else:
            assert pair.note


def test_equal_arms_are_hardly_ever_told_apart_and_intervals_hold() -> None:
    rng, told, held, pairs_seen = Random(8), 0, 0, 0
    for _ in range(150):
        series = {name: noisy(rng, 100, 6, 0.08) for name in "abcd"}
        for pair in judge_pairs("throughput", series):
            pairs_seen += 1
            told += pair.verdict != "cannot tell"
            held += (
                pair.ratio.low is not None and pair.ratio.high is not None and pair.ratio.low <= 1 <= pair.ratio.high
            )
    assert told / pairs_seen <= 0.02
    assert held / pairs_seen >= 0.98


def _is_clear(centre: float, half_width: float) -> bool:
    """Not so near to a threshold that rounding decides."""
    return abs(abs(centre) - log(1.1)) > 1e-6 and abs(abs(centre) - half_width - log(1.03)) > 1e-6
