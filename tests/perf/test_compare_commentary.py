"""The commentary of typical comparisons, word for word; and that it never says more than the verdicts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from runs_kit import COMPUTING, WAITING, Shape, compared

from penstock.perf.compare.commentary import comment
from penstock.perf.compare.lookup import Verdicts
from penstock.perf.compare.model import Comparison
from penstock.perf.workload.model import Strategy

EVEN = Shape(500, 0.02, 0.001)


def words(comparison: Comparison) -> list[str]:
    """The sentences with every number as `#`: what is said, whatever the noise."""
    return [re.sub(r"\d[\d.,]*\d|\d", "#", sentence) for sentence in comparison.commentary]


def test_a_workload_that_waits() -> None:
    assert words(compared(WAITING, rate_per_s=600, noise=0.005)) == [
        "An item alone takes # ms, and at least # µs of CPU under one interpreter lock (GIL): the workload waits, and "
        "one interpreter does at most about # times the work of one item after the other (Amdahl); uvloop reached # "
        "times.",
        "uvloop did # items/s (# to #) and cannot be told from penstock and asyncio; it is faster than "
        "threads, processes and sync: # times threads (# to #), the nearest of them.",
        "At # at once uvloop does # times the work of threads, with # µs of CPU per item against # ms: an "
        "answer wakes a blocked thread, which must take the lock; a loop takes several answers at one "
        "wake-up.",
        "When # items/s arrive on schedule, sync and processes cannot keep up; threads, asyncio, uvloop and "
        "penstock can.",
        "uvloop takes # % less CPU per item than asyncio; their throughput cannot be told apart.",
        "Thread switches: threads gives up the processor # times per item, uvloop # times.",
        "Where # items/s are enough, sync does them with the least code; were an item's CPU (# µs) most of "
        "its time, try processes.",
    ]


def test_a_workload_that_computes() -> None:
    assert words(compared(COMPUTING, rate_per_s=108, noise=0.005)) == [
        "An item alone takes # ms, and at least # ms of CPU under one interpreter lock (GIL): the workload computes, "
        "and one interpreter does at most about # times the work of one item after the other (Amdahl); processes, on "
        "several cores, reached # times.",
        "processes is the fastest: # items/s (# to #), which is # times sync (# to #).",
        "Against sync, threads # times (# to #) and asyncio # times (# to #): no gain that could be told, "
        "since under one lock only one item computes at a time, however many are begun.",
        "With a lock in each process, processes keeps # cores busy and does # times the work of sync; its bound is "
        "the cores, not the lock.",
        "Thread switches: threads gives up the processor # times per item, asyncio # times.",
        "processes holds # MB of memory, sync # MB.",
        "Threads and event loops shine where items wait; here waiting is # % of an item's time.",
    ]


def test_alternatives_that_are_all_alike() -> None:
    shapes: Mapping[Strategy, Shape] = {"threads": EVEN, "asyncio": EVEN, "penstock": EVEN}
    assert words(compared(shapes, rate_per_s=300, noise=0.005)) == [
        "By throughput no alternative can be told from asyncio, which did # items/s (# to #).",
        "After # rounds the ratios of throughput are known to # % or better, and differences below # % count "
        "as none: another start of the same program can make them.",
        "All of them keep up when # items/s arrive on schedule.",
        "By CPU per item (# µs to # ms) they cannot be told apart either.",
    ]


def test_one_that_is_saturated() -> None:
    shapes: Mapping[Strategy, Shape] = {
        "threads": EVEN,
        "asyncio": replace(EVEN, throughput_per_s=140, cpu_s=0.007),
    }
    assert words(compared(shapes, rate_per_s=250, noise=0.005)) == [
        "threads is the fastest: # items/s (# to #), which is # times asyncio (# to #).",
        "When # items/s arrive on schedule, asyncio cannot keep up; threads can.",
        "After # rounds the ratios of throughput are known to less than # % or better, and differences below "
        "# % count as none: another start of the same program can make them.",
    ]


def test_uvloop_is_told_from_asyncio_only_where_that_is_decided() -> None:
    loops: dict[Strategy, Shape] = {"asyncio": EVEN, "uvloop": EVEN}
    assert not any("uvloop does" in one or "uvloop takes" in one for one in compared(loops).commentary)
    loops["uvloop"] = replace(EVEN, throughput_per_s=700, cpu_s=0.0007)
    told = " ".join(compared(loops).commentary)
    assert re.search(r"uvloop does \d+ % more work and takes \d+ % less CPU per item than asyncio\.", told)
    loops["uvloop"] = replace(EVEN, throughput_per_s=400, cpu_s=0.0013)
    told = " ".join(compared(loops).commentary)
    assert re.search(r"uvloop does \d+ % less work and takes \d+ % more CPU per item than asyncio\.", told)


def test_threads_that_use_more_cores_than_a_loop_are_explained_by_it() -> None:
    shapes: Mapping[Strategy, Shape] = {
        "sync": Shape(300, 0.0033, 0.001, concurrency=1),
        "threads": Shape(1600, 0.02, 0.001),
        "asyncio": Shape(1000, 0.03, 0.001),
    }
    assert "keeps 1.6" in " ".join(compared(shapes, noise=0.005).commentary)


def test_there_is_nothing_to_say_of_one_alternative() -> None:
    assert compared({"sync": EVEN}).commentary == ()
    assert comment((), (), None) == ()


def test_percentages_are_of_the_right_thing() -> None:
    shapes: Mapping[Strategy, Shape] = {"asyncio": EVEN, "uvloop": replace(EVEN, cpu_s=0.0005)}
    told = " ".join(compared(shapes, noise=0.001).commentary)
    assert "takes 50 % less CPU per item than asyncio; their throughput cannot be told apart" in told


SHAPES = st.builds(
    Shape,
    st.floats(20, 400),
    st.floats(0.001, 0.1),
    st.floats(0.0001, 0.01),
    st.floats(0, 5),
    st.sampled_from((0, 30_000_000, 200_000_000)),
)
STRATEGIES: tuple[Strategy, ...] = ("sync", "threads", "processes", "asyncio", "uvloop", "penstock")


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    shapes = draw(st.dictionaries(st.sampled_from(STRATEGIES), SHAPES, min_size=2, max_size=5))
    if "sync" in shapes:
        shapes["sync"] = replace(shapes["sync"], concurrency=1)
    rate = draw(st.none() | st.floats(50, 200))
    return compared(shapes, seed=draw(st.integers(0, 9)), rounds=5, open_rounds=3, noise=0.05, rate_per_s=rate)


@settings(max_examples=40)
@given(comparisons())
def test_no_sentence_claims_what_cannot_be_told(comparison: Comparison) -> None:
    verdicts = Verdicts(comparison.pairs)
    assert 1 <= len(comparison.commentary) <= 7
    assert len(set(comparison.commentary)) == len(comparison.commentary)
    for sentence in comparison.commentary:
        assert sentence.endswith(".")
        assert "None" not in sentence
        assert "nan" not in sentence
        assert "?" not in sentence
    told = " ".join(comparison.commentary)
    names = [one.name for one in comparison.summaries]
    decided = [(a, b) for a in names for b in names if a != b and verdicts.is_better(a, b, "throughput")]
    if not decided:
        assert "is the fastest" not in told
        assert "is faster than" not in told
    fastest = re.search(r"(\w+) is the fastest", told)
    if fastest is not None:
        assert all((fastest.group(1), other) in decided for other in names if other != fastest.group(1))
    level = re.search(r"(\w+) did [^;.]* and cannot be told from ([^;]*);", told)
    if level is not None:
        assert not any(
            {level.group(1), other} == set(pair) for other in re.findall(r"\w+", level.group(2)) for pair in decided
        )


@settings(max_examples=40)
@given(comparisons(), st.sampled_from(("throughput", "cpu", "p95")))
def test_taking_a_verdict_back_takes_its_claims_back(comparison: Comparison, metric: str) -> None:
    undecided = [replace(pair, verdict="cannot tell") if pair.metric == metric else pair for pair in comparison.pairs]
    told = " ".join(comment(comparison.summaries, undecided, comparison.serial, comparison.rate_per_s))
    claims = {
        "throughput": ("is faster than", "is the fastest", "more work", "less work", "the work of threads"),
        "cpu": ("CPU per item than", "CPU per item more", "of CPU per item against"),
        "p95": ("longest tail",),
    }
    assert not any(claim in told for claim in claims[metric])


def test_uvloop_is_not_told_from_an_asyncio_that_does_another_job() -> None:
    shapes: Mapping[Strategy, Shape] = {"asyncio": EVEN, "uvloop": replace(EVEN, throughput_per_s=700)}
    one = compared(shapes)
    other = [replace(summary, client="aiohttp") if summary.name == "uvloop" else summary for summary in one.summaries]
    assert "more work" in " ".join(comment(one.summaries, one.pairs, None))
    assert "more work" not in " ".join(comment(other, one.pairs, None))


def test_a_loop_that_is_faster_but_not_by_cpu_is_given_no_cause() -> None:
    shapes: Mapping[Strategy, Shape] = {"threads": replace(EVEN, cpu_s=0.003), "asyncio": Shape(800, 0.02, 0.003)}
    told = " ".join(compared(shapes).commentary)
    assert "asyncio is the fastest" in told
    assert "lock" not in told
