"""The whole conclusion: of whole data, of data that cannot carry a verdict, and of what is only partly there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from runs_kit import COMPUTING, WAITING, WORKLOAD, Shape, compared, run, runs

from penstock.perf.compare.conclude import conclude
from penstock.perf.compare.lookup import Verdicts
from penstock.perf.compare.model import Comparison
from penstock.perf.measure.model import RunResult
from penstock.perf.workload.model import Alternative

TWO = (Alternative("threads", "threads"), Alternative("asyncio", "asyncio"))


def concluded(
    closed: dict[str, list[RunResult]],
    opened: dict[str, list[RunResult]] | None = None,
    *,
    rate_per_s: float | None = None,
) -> Comparison:
    return conclude(
        WORKLOAD,
        TWO,
        closed,
        opened or {},
        seed=7,
        elapsed_s=3.5,
        rate_per_s=rate_per_s,
        machine={"cpus": 2},
        notes=("warm",),
    )


def test_a_whole_comparison_says_everything() -> None:
    one = compared(WAITING, rate_per_s=600)
    assert one.refusal is None
    assert one.rounds == 8
    assert [summary.name for summary in one.summaries] == list(WAITING)
    assert len(one.pairs) == 3 * 15
    assert {pair.metric for pair in one.pairs} == {"throughput", "cpu", "p95"}
    assert one.recommendation is not None
    assert one.serial is not None
    assert 3 <= len(one.commentary) <= 7
    assert (one.rate_per_s, one.seed, one.workload) == (600, 1, "waits")


def test_what_it_was_told_it_tells() -> None:
    one = concluded({"threads": [run(100)] * 5, "asyncio": [run(200)] * 5})
    assert (one.seed, one.elapsed_s, one.machine, one.notes) == (7, 3.5, {"cpus": 2}, ("warm",))
    assert one.about == WORKLOAD.about


def test_fewer_than_five_rounds_are_a_table_without_a_verdict() -> None:
    one = concluded({"threads": [run(100)] * 4, "asyncio": [run(200)] * 9})
    assert one.refusal is not None
    assert one.refusal.kind == "too_few_runs"
    assert "got 4 (threads)" in one.refusal.message
    assert one.refusal.hint
    assert one.rounds == 4
    assert (one.pairs, one.recommendation, one.commentary, one.serial) == ((), None, (), None)
    assert one.summaries[1].throughput_per_s.value == pytest.approx(200, rel=0.01)


def test_no_runs_at_all_are_refused_too() -> None:
    one = concluded({})
    assert one.refusal is not None
    assert one.refusal.kind == "too_few_runs"
    assert one.rounds == 0
    assert [summary.throughput_per_s.value for summary in one.summaries] == [None, None]


def test_hardly_any_items_are_refused() -> None:
    idle = run(100)
    for column in (idle.intended_s, idle.start_s, idle.end_s):
        del column[:]
    one = concluded({"threads": [idle] * 5, "asyncio": [run(200)] * 5})
    assert one.refusal is not None
    assert one.refusal.kind == "too_few_items"
    assert "threads: 0" in one.refusal.message


def test_failed_items_are_refused_whatever_the_rest_says() -> None:
    bad = replace(run(100), failed=3, failures=[(1, "ValueError: no")])
    one = concluded({"threads": [run(100)] * 5, "asyncio": [run(200)] * 4 + [bad]})
    assert one.refusal is not None
    assert one.refusal.kind == "raised"
    assert "ValueError: no" in one.refusal.message
    pushed = replace(run(100), failed=3, pushbacks=3)
    one = concluded({"threads": [run(100)] * 5, "asyncio": [run(200)] * 5}, {"asyncio": [pushed]}, rate_per_s=50)
    assert one.refusal is not None
    assert one.refusal.kind == "pushback"


def test_tails_are_compared_by_latency_where_there_was_an_open_loop() -> None:
    quick, slow = Shape(900, 0.01, 0.001), Shape(900, 0.02, 0.001)
    closed = {"threads": runs(quick, 1), "asyncio": runs(quick, 2)}
    opened = {
        "threads": runs(quick, 3, rounds=6, rate_per_s=400),
        "asyncio": runs(slow, 4, rounds=6, rate_per_s=400),
    }
    by_service = Verdicts(concluded(closed).pairs).of("threads", "asyncio", "p95")
    by_latency = Verdicts(concluded(closed, opened, rate_per_s=400).pairs).of("threads", "asyncio", "p95")
    assert by_service is not None
    assert by_service.verdict == "cannot tell"
    assert by_latency is not None
    assert by_latency.verdict == "faster"
    assert by_latency.ratio.value == pytest.approx(2, rel=0.05)


def test_tails_of_who_cannot_keep_up_are_not_compared() -> None:
    one = compared({"sync": Shape(90, 0.01, 0.001, concurrency=1), "threads": Shape(900, 0.02, 0.001)}, rate_per_s=400)
    pair = Verdicts(one.pairs).of("threads", "sync", "p95")
    assert pair is not None
    assert pair.verdict == "cannot tell"
    assert "sync: cannot keep up" in pair.note


def test_tails_of_a_few_items_are_not_compared() -> None:
    one = compared({"sync": Shape(90, 0.01, 0.001, concurrency=1), "threads": Shape(900, 0.02, 0.001)})
    pair = Verdicts(one.pairs).of("threads", "sync", "p95")
    assert pair is not None
    assert pair.ratio.value is None
    assert pair.note.startswith("sync: in one run too few: n = ")


def test_cpu_that_is_not_known_is_not_compared_and_the_rest_is() -> None:
    blind = {
        name: [replace(run(rate), cpu_s=0.0) for _ in range(5)] for name, rate in (("threads", 100), ("asyncio", 200))
    }
    one = concluded(blind)
    assert one.refusal is None
    by = {pair.metric: pair for pair in one.pairs}
    assert by["cpu"].ratio.value is None
    assert by["throughput"].verdict == "slower"


def test_the_same_runs_conclude_the_same() -> None:
    assert compared(COMPUTING, seed=4) == compared(COMPUTING, seed=4)


def test_waiting_for_a_free_place_counts_in_the_tail_of_an_open_loop() -> None:
    prompt = [run(900, loop="open", rate_per_s=400, service_s=0.01) for _ in range(6)]
    late = [run(900, loop="open", rate_per_s=400, service_s=0.01) for _ in range(6)]
    for one in late:
        for number in range(one.items):
            one.start_s[number] += 0.02
            one.end_s[number] += 0.02
    closed = {"threads": [run(900)] * 6, "asyncio": [run(900)] * 6}
    found = concluded(closed, {"threads": prompt, "asyncio": late}, rate_per_s=400)
    pair = Verdicts(found.pairs).of("threads", "asyncio", "p95")
    assert pair is not None
    assert pair.ratio.value == pytest.approx(3, rel=0.05)
