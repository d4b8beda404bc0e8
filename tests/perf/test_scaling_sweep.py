"""The driver of a sweep, on a scripted server in virtual time: what it asks for, when it stops, what it concludes."""

from __future__ import annotations

import heapq
import math
import random
import statistics
from array import array
from typing import Any

import pytest
from sweep_kit import ALTERNATIVE, FUNCTION, WORKLOAD, ScriptedServer, queueing_law

from penstock.errors import ConfigError
from penstock.perf.measure.model import RunResult
from penstock.perf.scaling.model import Tuning
from penstock.perf.scaling.options import SweepOptions
from penstock.perf.scaling.sweep import SweepInterrupted, sweep
from penstock.perf.scaling.told import steady_throughput_per_s, told_run

SLOTS = queueing_law(16, 0.02)


def tuned(server: ScriptedServer, *, function: bool = False, **options: Any) -> Tuning:
    alternative = FUNCTION if function else ALTERNATIVE
    return sweep(WORKLOAD, alternative, SweepOptions(**options), make=server, clock=server.clock)


def counted(tuning: Tuning) -> dict[int, int]:
    return {point.concurrency: point.runs for point in tuning.points}


@pytest.fixture(scope="module")
def usual() -> tuple[ScriptedServer, Tuning]:
    """One sweep for all that looks at it from different sides: a conclusion takes half a second."""
    server = ScriptedServer(SLOTS, noise=0.03)
    return server, tuned(server)


def order(seed: int) -> list[int]:
    """The first 40 runs; what was concluded does not matter."""
    server = ScriptedServer(SLOTS, interrupt_at=40)
    with pytest.raises(SweepInterrupted):
        tuned(server, seed=seed)
    return [request.concurrency for request in server.requests]


def test_a_server_with_slots_gets_a_concurrency_near_its_knee(usual: tuple[ScriptedServer, Tuning]) -> None:
    server, tuning = usual
    assert tuning.refusal is None
    assert tuning.recommended is not None
    assert 8 <= tuning.recommended <= 48
    assert server.started == server.stopped == 1


def test_every_level_is_measured_as_often_and_the_looks_do_not_count(usual: tuple[ScriptedServer, Tuning]) -> None:
    server, tuning = usual
    assert set(counted(tuning).values()) == {5}
    assert len(tuning.runs) == 5 * len(tuning.points)
    # Besides them: the warm-up, the ascending look, and perhaps its first step again.
    assert 8 <= len(server.requests) - len(tuning.runs) <= 10


def test_items_go_round_the_list_from_run_to_run(usual: tuple[ScriptedServer, Tuning]) -> None:
    asked = 0
    for request in usual[0].requests:
        assert request.first == asked
        asked += request.items or 0


def test_the_order_after_the_look_follows_from_the_seed() -> None:
    first, second = order(1), order(2)
    assert first == order(1)
    assert first != second
    assert first[:8] == second[:8] == [1, 1, 2, 4, 8, 16, 32, 64]
    assert first[8:19] != sorted(first[8:19])


def test_levels_of_the_user_are_measured_and_no_others() -> None:
    server = ScriptedServer(SLOTS, noise=0.03)
    tuning = tuned(server, levels=(32, 1, 2, 4, 8, 16))
    assert counted(tuning) == dict.fromkeys((1, 2, 4, 8, 16, 32), 5)
    assert {request.concurrency for request in server.requests} == {1, 2, 4, 8, 16, 32}


def test_concurrency_never_exceeds_the_cap() -> None:
    server = ScriptedServer(queueing_law(1000, 0.02))
    tuning = tuned(server, concurrency_max=20)
    assert max(request.concurrency for request in server.requests) == 20
    assert tuning.recommended == 20
    assert not tuning.is_peak_seen


def test_push_back_ends_the_sweep_at_once_without_a_recommendation() -> None:
    server = ScriptedServer(SLOTS, pushes_back_from=4)
    tuning = tuned(server)
    assert tuning.refusal is not None
    assert tuning.refusal.kind == "pushback"
    assert "concurrency 4" in tuning.refusal.message
    assert "429" in tuning.refusal.message
    assert tuning.recommended is None
    assert tuning.chosen is None
    assert [request.concurrency for request in server.requests].count(4) == 1
    assert max(request.concurrency for request in server.requests) == 4
    assert [point.concurrency for point in tuning.points] == [1, 2, 4]


def test_a_run_at_a_server_that_refuses_is_bounded_by_its_items() -> None:
    server = ScriptedServer(SLOTS, pushes_back_from=2)
    tuned(server)
    # Half of the answers come at once; still no more than what was expected to succeed is asked for.
    assert sum(request.items or 0 for request in server.requests) <= 200


def test_failures_under_load_end_the_sweep_too() -> None:
    tuning = tuned(ScriptedServer(SLOTS, fails_from=8))
    assert tuning.refusal is not None
    assert tuning.refusal.kind == "pushback"
    assert "reset by peer" in tuning.refusal.message


def test_a_limit_that_no_level_meets_gives_no_recommendation_and_the_reason() -> None:
    tuning = tuned(ScriptedServer(SLOTS), slo_p95_s=0.001)
    assert tuning.recommended is None
    assert tuning.slo_p95_s == 0.001
    assert tuning.reason or tuning.refusal


def test_a_limit_below_the_knee_gives_a_lower_concurrency() -> None:
    law = queueing_law(64, 0.02)
    # 30 ms are kept up to about 32 at once, the most throughput comes at 64.
    bound = tuned(ScriptedServer(lambda n: law(n) * 4 / (4 + n / 16), noise=0.01), slo_p95_s=0.03).recommended
    assert bound is not None
    assert 16 <= bound <= 40


def test_an_alternative_that_dies_is_a_refusal_with_what_was_seen() -> None:
    server = ScriptedServer(SLOTS, dies_at=4)
    tuning = tuned(server)
    assert tuning.refusal is not None
    assert tuning.refusal.kind == "died"
    assert "signal 9" in tuning.refusal.message
    assert server.stopped == 1


def test_interrupted_after_three_rounds_concludes_from_them(usual: tuple[ScriptedServer, Tuning]) -> None:
    whole, tuning = usual
    server = ScriptedServer(SLOTS, noise=0.03, interrupt_at=len(whole.requests) - len(tuning.runs) // 5)
    with pytest.raises(SweepInterrupted) as caught:
        tuned(server)
    assert caught.value.tuning.recommended is not None
    assert any("interrupted" in note for note in caught.value.tuning.notes)
    assert server.stopped == 1


@pytest.mark.parametrize("number", [0, 3, 12])
def test_interrupted_early_concludes_nothing(number: int) -> None:
    with pytest.raises(SweepInterrupted) as caught:
        tuned(ScriptedServer(SLOTS, interrupt_at=number))
    assert caught.value.tuning.refusal is not None
    assert caught.value.tuning.refusal.kind == "too_few_runs"
    assert caught.value.tuning.recommended is None


def test_it_ends_within_its_time_and_tells_what_was_cut() -> None:
    server = ScriptedServer(SLOTS, noise=0.03)
    tuning = tuned(server, seconds_max=40)
    assert server.now_s <= 40
    assert tuning.recommended is not None
    assert any(note.startswith("to end in time") for note in tuning.notes)


def test_items_too_slow_for_the_time_are_refused_before_the_rounds() -> None:
    server = ScriptedServer(queueing_law(16, 5.0))
    tuning = tuned(server)
    assert tuning.refusal is not None
    assert tuning.refusal.kind == "too_few_runs"
    assert "--max-seconds" in tuning.refusal.hint
    assert server.now_s < 110


def test_requests_never_exceed_their_cap() -> None:
    server = ScriptedServer(SLOTS, noise=0.03)
    tuning = tuned(server, requests_max=9_000)
    assert tuning.refusal is None
    assert sum(request.items or 0 for request in server.requests) <= 9_000


def test_a_cap_on_requests_that_is_too_low_is_refused_with_the_flag_to_raise() -> None:
    server = ScriptedServer(SLOTS)
    tuning = tuned(server, requests_max=2_500)
    assert sum(request.items or 0 for request in server.requests) <= 2_500
    assert tuning.refusal is not None
    assert "--max-requests" in tuning.refusal.hint


def test_a_saturated_client_and_drift_are_noted() -> None:
    tuning = tuned(ScriptedServer(SLOTS, cores=0.99, drift=0.02))
    assert any("the client is the limit" in note for note in tuning.notes)
    assert any("conditions changed" in note for note in tuning.notes)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"levels": (1, 2, 4)}, "--levels: expected at least 6"),
        ({"levels": (1, 1, 2, 2, 3, 3)}, "--levels: expected at least 6"),
        ({"levels": (0, 1, 2, 3, 4, 5)}, "--levels"),
        ({"levels": (1, 2, 3, 4, 5, 300)}, "at most max-concurrency 256"),
        ({"repeats": 2}, "--repeats: expected at least 3"),
        ({"concurrency_max": 5}, "--max-concurrency"),
        ({"seconds_max": 0.0}, "--max-seconds"),
        ({"slo_p95_s": -1.0}, "--slo"),
        ({"requests_max": 0}, "--max-requests"),
    ],
)
def test_options_that_cannot_be_carried_out_are_told_by_their_flag(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SweepOptions(**wrong)


def test_percentiles_leave_out_the_first_wave_and_need_forty_items() -> None:
    def result(items: int, concurrency: int) -> RunResult:
        starts = array("d", [place // concurrency * 1.0 for place in range(items)])
        # The first wave takes a tenth of what all later ones take: it meets an empty queue.
        ends = array("d", [start + (0.1 if start == 0 else 1.0) for start in starts])
        return RunResult("closed", concurrency, items / concurrency, 0.1, 0, starts, starts, ends)

    run = told_run(result(64, 8), 1)
    assert (run.p50_s, run.p95_s) == (1.0, 1.0)
    few = told_run(result(39, 8), 1)
    assert few.p50_s == 1.0
    assert few.p95_s is None
    none = told_run(result(0, 8), 1)
    assert none.p50_s is None


def test_throughput_is_that_of_the_time_when_all_places_are_busy() -> None:
    # Eight waves of four in step, one second each; the last item of all takes ten more seconds.
    starts = array("d", [float(place // 4) for place in range(32)])
    ends = array("d", [start + 1.0 for start in starts])
    ends[-1] += 10.0
    result = RunResult("closed", 4, 18.0, 0.1, 0, starts, starts, ends)
    assert result.throughput_per_s == pytest.approx(32 / 18)
    assert steady_throughput_per_s(result) == pytest.approx(4.0)


def test_throughput_of_a_run_of_few_waves_is_that_of_all_of_it() -> None:
    starts = array("d", [float(place // 4) for place in range(12)])
    result = RunResult("closed", 4, 3.0, 0.1, 0, starts, starts, array("d", [start + 1.0 for start in starts]))
    assert steady_throughput_per_s(result) == pytest.approx(4.0)
    assert steady_throughput_per_s(RunResult("closed", 4, 0.0, 0, 0, array("d"), array("d"), array("d"))) == 0.0


@pytest.mark.parametrize(("concurrency", "items"), [(1, 40), (4, 120), (16, 352), (20, 360), (64, 512)])
def test_steady_throughput_is_unbiased_where_that_of_the_whole_run_is_not(concurrency: int, items: int) -> None:
    rng = random.Random(5)
    runs = [queued_run(concurrency, items, slots=16, sigma=0.5, rng=rng) for _ in range(60)]
    mean_s = 0.02 * math.exp(0.5**2 / 2)
    truth_per_s = min(concurrency, 16) / mean_s
    steady = statistics.fmean(steady_throughput_per_s(run) for run in runs) / truth_per_s
    whole = statistics.fmean(run.throughput_per_s for run in runs) / truth_per_s
    assert 0.97 <= steady <= 1.03
    if concurrency in {16, 20}:
        assert whole < 0.97


def queued_run(concurrency: int, items: int, *, slots: int, sigma: float, rng: random.Random) -> RunResult:
    """A closed loop at a server of `slots` places with one queue: 20 ms, log-normal."""
    free_s, places_s = [0.0] * slots, [0.0] * concurrency
    starts, ends = array("d"), array("d")
    for _ in range(items):
        start_s = heapq.heappop(places_s)
        end_s = max(start_s, heapq.heappop(free_s)) + 0.02 * rng.lognormvariate(0.0, sigma)
        heapq.heappush(free_s, end_s)
        heapq.heappush(places_s, end_s)
        starts.append(start_s)
        ends.append(end_s)
    return RunResult("closed", concurrency, max(ends), 0.1, 0, starts, starts, ends)
