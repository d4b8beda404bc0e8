"""The recommendation: the best, or its equal that costs less or is simpler, with a reason that its numbers carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs_kit import COMPUTING, WAITING, Shape, compared

from penstock.perf.compare.lookup import Verdicts
from penstock.perf.compare.model import Estimate
from penstock.perf.compare.recommend import recommend
from penstock.perf.workload.model import Strategy

EVEN = Shape(500, 0.02, 0.001)


def recommended(shapes: Mapping[Strategy, Shape], *, noise: float = 0.01) -> tuple[str, str]:
    found = compared(shapes, noise=noise).recommendation
    assert found is not None
    return found.name, found.reason


def test_the_only_best_is_recommended_with_its_lead() -> None:
    name, reason = recommended(COMPUTING)
    assert name == "processes"
    assert "times that of the next best, sync" in reason
    assert "items/s" in reason


def test_among_equals_the_one_that_costs_less_cpu() -> None:
    name, reason = recommended({"threads": EVEN, "asyncio": replace(EVEN, cpu_s=0.0006)})
    assert name == "asyncio"
    assert "less CPU than with threads: " in reason
    assert "600 µs" in reason or "59" in reason or "60" in reason


def test_among_equals_of_one_cost_the_simpler() -> None:
    name, reason = recommended({"penstock": EVEN, "asyncio": EVEN, "threads": EVEN})
    assert name == "threads"
    assert "simpler than penstock and asyncio" in reason or "simpler than asyncio and penstock" in reason


def test_a_little_faster_and_not_decided_does_not_beat_simpler() -> None:
    assert recommended({"asyncio": EVEN, "uvloop": replace(EVEN, throughput_per_s=520)})[0] == "asyncio"


def test_cpu_does_not_count_against_decided_throughput() -> None:
    name, _ = recommended({"sync": replace(EVEN, cpu_s=0.0001, throughput_per_s=100), "threads": EVEN})
    assert name == "threads"


def test_an_undecided_lead_is_called_uncertain() -> None:
    comparison = compared({"threads": EVEN, "asyncio": replace(EVEN, throughput_per_s=720)}, noise=0.6, seed=3)
    verdict = Verdicts(comparison.pairs).of("asyncio", "threads", "throughput")
    assert verdict is not None
    assert verdict.verdict == "cannot tell"
    assert comparison.recommendation is not None
    assert "is not certain" in comparison.recommendation.reason


def test_one_alternative_or_no_verdict_makes_no_recommendation() -> None:
    assert compared({"sync": EVEN}).recommendation is None
    waiting = compared(WAITING)
    assert recommend(waiting.summaries, ()) is None


@pytest.mark.parametrize("seed", range(4))
def test_two_comparisons_recommend_the_same(seed: int) -> None:
    first, second = compared(WAITING, seed=seed).recommendation, compared(WAITING, seed=100 + seed).recommendation
    assert first is not None
    assert second is not None
    assert first.name == second.name == "uvloop"


@given(
    st.dictionaries(
        st.sampled_from(("sync", "threads", "processes", "asyncio", "uvloop", "penstock")),
        st.builds(Shape, st.floats(20, 400), st.just(0.02), st.floats(0.0001, 0.01)),
        min_size=2,
        max_size=4,
    ),
    st.integers(0, 5),
)
def test_what_is_recommended_is_never_decidedly_slower_than_another(shapes: dict[Strategy, Shape], seed: int) -> None:
    comparison = compared(shapes, seed=seed, rounds=5, noise=0.05)
    found = comparison.recommendation
    assert found is not None
    verdicts = Verdicts(comparison.pairs)
    first = verdicts.ranked(comparison.summaries)[0]
    assert not verdicts.is_better(first.name, found.name, "throughput")
    assert found.reason


def test_who_a_verdict_puts_behind_another_is_not_first_whatever_its_middle() -> None:
    comparison = compared({"threads": EVEN, "asyncio": replace(EVEN, throughput_per_s=480)}, noise=0.001)
    behind = [
        replace(pair, verdict="slower", ratio=Estimate(0.8, 0.7, 0.9, 8)) if pair.metric == "throughput" else pair
        for pair in comparison.pairs
    ]
    assert [one.name for one in Verdicts(behind).ranked(comparison.summaries)] == ["asyncio", "threads"]
    found = recommend(comparison.summaries, behind)
    assert found is not None
    assert found.name == "asyncio"
    assert "1.25 times that of the next best, threads (1.11 to 1.43)" in found.reason
