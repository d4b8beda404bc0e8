"""Repeated comparisons are counted by pair, and the same code twice apart from the rest."""

from __future__ import annotations

from benchmarks.strategies.agreement import Repetition, agreement, unsteady

STEADY: Repetition = {("small", "threads", "sync"): "faster", ("small", "uvloop", "uvloop (2)"): "cannot tell"}


def test_repetitions_that_say_the_same_agree_fully() -> None:
    found = agreement([STEADY] * 4)
    assert (found.same, found.compared, found.share) == (6, 6, 1.0)
    assert (found.twins_right, found.twins, found.pairs) == (4, 4, 1)
    assert unsteady([STEADY] * 4) == []


def test_one_odd_repetition_of_four_costs_half_of_the_comparisons() -> None:
    """It differs from each of the three others: three of six."""
    odd: Repetition = {**STEADY, ("small", "threads", "sync"): "cannot tell"}
    found = agreement([STEADY, STEADY, STEADY, odd])
    assert (found.same, found.compared, found.opposite) == (3, 6, 0)
    ((key, counts),) = unsteady([STEADY, STEADY, STEADY, odd])
    assert key == ("small", "threads", "sync")
    assert counts == {"faster": 3, "cannot tell": 1}


def test_faster_against_slower_is_told_apart_from_not_knowing() -> None:
    turned: Repetition = {("small", "threads", "sync"): "slower"}
    assert agreement([STEADY, turned]).opposite == 1


def test_a_verdict_on_the_same_code_twice_is_a_wrong_one() -> None:
    wrong: Repetition = {("small", "uvloop", "uvloop (2)"): "faster"}
    found = agreement([STEADY, wrong])
    assert (found.twins_right, found.twins) == (1, 2)


def test_a_pair_that_only_one_repetition_judged_is_not_compared() -> None:
    found = agreement([STEADY, {}])
    assert (found.compared, found.share) == (0, None)
