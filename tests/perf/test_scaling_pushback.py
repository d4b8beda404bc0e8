"""When a sweep must stop because the server wants it to, and when the client is what it measured."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.measure.model import RunResult
from penstock.perf.scaling.model import SweepRun
from penstock.perf.scaling.pushback import Watch, client_notes, drift_notes, queue_notes


def run(items: int, *, pushbacks: int = 0, failed: int = 0, concurrency: int = 8, said: str = "HTTP 429") -> RunResult:
    times = array("d", [0.1] * items)
    lost = pushbacks + failed
    return RunResult(
        "closed", concurrency, 1.0, 0.1, 0, times, times, times,
        failed=lost, pushbacks=pushbacks, failures=[(0, said)] if lost else [],
    )  # fmt: skip


def swept(concurrency: int, rate_per_s: float, *, repetition: int = 1, cores: float = 0.1) -> SweepRun:
    return SweepRun(concurrency, repetition, rate_per_s, 0.02, 0.03, 100, cpu_s=cores * 2, wall_s=2.0)


def test_answers_that_are_well_are_let_pass() -> None:
    watch = Watch()
    assert all(watch.refusal(run(100, concurrency=n)) is None for n in (1, 2, 4))


def test_push_back_is_refused_with_the_level_the_answer_and_what_to_do() -> None:
    watch = Watch()
    watch.refusal(run(100, concurrency=8))
    refusal = watch.refusal(run(50, pushbacks=50, concurrency=16, said="HTTP 429, Retry-After 1"))
    assert refusal is not None
    assert refusal.kind == "pushback"
    assert "concurrency 16" in refusal.message
    assert "50 of 100" in refusal.message
    assert "Retry-After 1" in refusal.message
    assert "100/s at concurrency 8 went well" in refusal.hint
    assert "--max-concurrency 8" in refusal.hint


def test_a_single_push_back_is_let_pass_and_a_second_is_not() -> None:
    watch = Watch()
    assert watch.refusal(run(39, pushbacks=1)) is None
    assert watch.refusal(run(39, pushbacks=1)) is not None


def test_rare_push_back_in_long_runs_is_let_pass() -> None:
    watch = Watch()
    assert all(watch.refusal(run(999, pushbacks=1)) is None for _ in range(5))


def test_failures_that_come_with_concurrency_are_push_back_in_other_words() -> None:
    watch = Watch()
    watch.refusal(run(100, concurrency=16))
    refusal = watch.refusal(run(90, failed=10, concurrency=32, said="connection reset"))
    assert refusal is not None
    assert refusal.kind == "pushback"
    assert "connection reset" in refusal.message


def test_failures_at_the_first_level_are_no_matter_of_concurrency() -> None:
    refusal = Watch().refusal(run(90, failed=10, concurrency=1, said="HTTP 404"))
    assert refusal is not None
    assert refusal.kind == "raised"
    assert "HTTP 404" in refusal.message


def test_a_function_that_raises_is_not_a_server_that_pushes_back() -> None:
    watch = Watch(is_fetch=False)
    watch.refusal(run(100, concurrency=1))
    refusal = watch.refusal(run(50, failed=50, concurrency=2, said="ValueError: no"))
    assert refusal is not None
    assert refusal.kind == "raised"


@pytest.mark.parametrize("is_fetch", [True, False])
def test_nothing_but_failures_is_refused_even_for_three_items(is_fetch: bool) -> None:
    refusal = Watch(is_fetch=is_fetch).refusal(run(0, failed=3, concurrency=1))
    assert refusal is not None
    assert refusal.kind == "raised"


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 500)), min_size=1, max_size=20))
def test_over_one_percent_push_back_never_passes(runs: list[tuple[int, int]]) -> None:
    watch = Watch()
    asked = pushed = 0
    for items, pushbacks in runs:
        refusal = watch.refusal(run(items, pushbacks=pushbacks))
        asked, pushed = asked + items + pushbacks, pushed + pushbacks
        if refusal is not None:
            return
        assert pushed <= max(1, 0.01 * asked)


def test_a_client_that_uses_its_whole_core_at_the_plateau_is_told() -> None:
    runs = [swept(1, 100), swept(2, 200, cores=0.4), swept(4, 300, cores=0.98), swept(8, 300, cores=0.97)]
    (note,) = client_notes("asyncio", runs, cores=2)
    assert "the client is the limit" in note
    assert client_notes("processes", runs, cores=2) == ()
    assert client_notes("asyncio", [swept(1, 100), swept(2, 200)], cores=2) == ()
    assert client_notes("asyncio", [], cores=2) == ()


def test_a_first_round_much_faster_than_the_last_is_told() -> None:
    runs = [
        swept(level, 100 * level / repetition, repetition=repetition) for repetition in (1, 2) for level in (1, 2, 4)
    ]
    (note,) = drift_notes(runs)
    assert "50 % slower" in note
    assert drift_notes(runs[:3]) == ()
    steady = [swept(level, 100 * level, repetition=repetition) for repetition in (1, 2) for level in (1, 2, 4)]
    assert drift_notes(steady) == ()


def test_a_server_that_does_one_after_another_is_told() -> None:
    def one(concurrency: int, rate_per_s: float) -> SweepRun:
        return SweepRun(concurrency, 1, rate_per_s, concurrency / rate_per_s, None, 100, cpu_s=0.1, wall_s=2.0)

    (note,) = queue_notes([one(1, 100), one(2, 103), one(4, 99)])
    assert "only latency grows" in note
    assert "4.0 times as long at 4" in note
    assert queue_notes([one(1, 100), one(2, 190), one(4, 200)]) == ()
    assert queue_notes([one(1, 100)]) == ()
    assert queue_notes([]) == ()
