"""A comparison from start to end on scripted alternatives: what runs when, what is refused and how, what is stopped."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from session_kit import ALTERNATIVES, SPEEDS, WORKLOAD, Behaviour, FakeMeasured, Stage, ran, steady

from penstock.errors import ConfigError
from penstock.perf.compare.model import Comparison
from penstock.perf.compare.options import CompareInterrupted, CompareOptions
from penstock.perf.compare.session import compare_workload
from penstock.perf.measure.model import AlternativeError, RunRequest, RunResult, Trouble

NAMES = {alternative.name for alternative in ALTERNATIVES}


def compared(stage: Stage, options: CompareOptions = CompareOptions(), **changes: object) -> Comparison:
    workload = replace(WORKLOAD, **changes)  # type: ignore[arg-type]
    return compare_workload(workload, ALTERNATIVES, options, make=stage.make, clock=stage.clock)


def from_run(first: int, behaviour: Behaviour) -> Behaviour:
    """Well until run number `first` of that alternative (1: the check, 2: the warm-up), then `behaviour`."""
    return lambda measured, request, run: (behaviour if run >= first else steady)(measured, request, run)


def fails(trouble: Trouble, message: str) -> Behaviour:
    def run(measured: FakeMeasured, request: RunRequest, number: int) -> RunResult:
        raise AlternativeError(measured.alternative.name, trouble, message)

    return run


def noise(measured: FakeMeasured, request: RunRequest, run: int) -> RunResult:
    """About as fast as threads, but nobody could say."""
    factors = [1.0, 1.35, 0.8, 1.5, 0.7, 1.2, 0.9, 1.4, 0.75, 1.1, 1.3, 0.85, 1.0, 1.25]
    return ran(request, 410 * factors[run % len(factors)])


# --- what runs


def test_every_alternative_is_started_checked_warmed_up_and_stopped_once() -> None:
    stage = Stage()
    comparison = compared(stage)
    assert comparison.refusal is None
    assert [name for what, name in stage.events if what == "start"] == ["sync", "threads", "asyncio"]
    assert sorted(stage.stopped()) == sorted(NAMES)
    checks = [(name, request) for name, request in stage.requests if request.items is not None]
    assert [name for name, _ in checks] == ["sync", "threads", "asyncio"]
    assert {request.items for _, request in checks} == {8}
    assert [request.items for _, request in stage.requests[3:6]] == [None] * 3
    assert stage.requests[3][1].run_s == WORKLOAD.run_s


def test_rounds_are_whole_and_begin_at_the_same_item() -> None:
    stage = Stage()
    comparison = compared(stage)
    closed = [request for _, request in stage.requests if request.loop == "closed" and request.items is None][3:]
    order = stage.order()
    assert len(order) == 3 * comparison.rounds == len(closed)
    for start in range(0, len(order), 3):
        assert set(order[start : start + 3]) == NAMES
        assert len({request.first for request in closed[start : start + 3]}) == 1
    assert len({tuple(order[start : start + 3]) for start in range(0, len(order), 3)}) > 1


def test_the_same_seed_runs_in_the_same_order_and_another_one_in_another() -> None:
    orders = []
    for seed in (1, 1, 2):
        stage = Stage()
        compared(stage, CompareOptions(seed=seed))
        orders.append(stage.order())
    assert orders[0] == orders[1] != orders[2]


def test_concurrency_is_one_for_sync_and_the_workloads_for_the_others() -> None:
    stage = Stage()
    compared(stage)
    assert {(name, request.concurrency) for name, request in stage.requests} == {
        ("sync", 1),
        ("threads", 4),
        ("asyncio", 4),
    }


def test_clear_differences_need_no_more_than_the_least_rounds() -> None:
    assert compared(Stage()).rounds == 5


def test_unclear_differences_get_all_the_rounds() -> None:
    assert compared(Stage({"asyncio": noise}), CompareOptions(rounds_max=9, rate="none")).rounds == 9


def test_the_open_loop_has_one_rate_that_all_who_take_part_sustain() -> None:
    stage = Stage()
    comparison = compared(stage)
    opened = [(name, request) for name, request in stage.requests if request.loop == "open"]
    assert {request.rate_per_s for _, request in opened} == {comparison.rate_per_s}
    assert comparison.rate_per_s is not None
    assert SPEEDS["sync"] < comparison.rate_per_s < SPEEDS["threads"]
    # sync would have worked off its backlog for longer than all the rest took.
    assert Counter(name for name, _ in opened) == {"threads": 5, "asyncio": 5}
    by_name = {summary.name: summary for summary in comparison.summaries}
    assert by_name["sync"].keeps_up is False
    assert by_name["threads"].latency is not None


def test_a_rate_of_the_users_is_taken_as_it_is() -> None:
    stage = Stage()
    comparison = compared(stage, CompareOptions(rate=50.0, open_rounds=6))
    assert comparison.rate_per_s == 50.0
    assert Counter(stage.order("open")) == dict.fromkeys(NAMES, 6)


def test_without_a_rate_there_is_no_open_loop() -> None:
    stage = Stage()
    comparison = compared(stage, CompareOptions(rate="none"))
    assert stage.order("open") == []
    assert comparison.rate_per_s is None
    assert all(summary.latency is None for summary in comparison.summaries)


def test_a_rate_that_nobody_reaches_is_noted_and_left_out() -> None:
    comparison = compared(Stage(), CompareOptions(rate=1e6))
    assert comparison.rate_per_s is None
    assert any("no alternative reaches 1e+06/s" in note for note in comparison.notes)
    assert comparison.refusal is None


def test_too_few_runs_give_numbers_but_no_verdict() -> None:
    comparison = compared(Stage(), CompareOptions(rounds_min=2, rounds_max=2))
    assert comparison.rounds == 2
    assert comparison.refusal is not None
    assert comparison.refusal.kind == "too_few_runs"
    assert comparison.pairs == ()
    assert comparison.recommendation is None
    assert all(summary.throughput_per_s.value for summary in comparison.summaries)


def test_the_time_limit_costs_first_the_open_loop_and_then_rounds_and_says_so() -> None:
    asked = CompareOptions(rounds_min=9, rounds_max=9)
    unlimited = compared(Stage(), asked)
    a_bit_less = compared(Stage(), replace(asked, seconds_max=unlimited.elapsed_s - 0.6))
    assert a_bit_less.rounds == 9
    assert any("of 5 open-loop rounds" in note for note in a_bit_less.notes)
    much_less = compared(Stage(), replace(asked, seconds_max=unlimited.elapsed_s - 3.5))
    assert 1 <= much_less.rounds < 9
    assert any(f"left room for {much_less.rounds} rounds only" in note for note in much_less.notes)
    for comparison, less_s in ((a_bit_less, 0.6), (much_less, 3.5)):
        assert comparison.elapsed_s <= unlimited.elapsed_s - less_s


def test_rounds_beyond_the_least_end_after_the_usual_time() -> None:
    def usual(seconds_usual: float) -> Comparison:
        return compared(Stage({"asyncio": noise}), CompareOptions(rate="none", seconds_usual=seconds_usual))

    long, least = usual(1000.0), usual(0.1)
    short = usual(long.elapsed_s - 1.5)
    assert 5 == least.rounds < short.rounds < long.rounds == 12
    assert least.refusal is None
    assert any("time was up after 5 rounds" in note for note in least.notes)
    assert long.notes == ()
    assert short.elapsed_s <= long.elapsed_s - 1.5


def test_a_time_limit_that_is_gone_at_once_still_gives_one_round() -> None:
    comparison = compared(Stage(), CompareOptions(seconds_max=1.0))
    assert comparison.rounds == 1
    assert comparison.refusal is not None
    assert comparison.refusal.kind == "too_few_runs"


# --- what is refused


def test_an_alternative_that_does_not_start_is_named_with_what_the_others_did() -> None:
    stage = Stage(start_errors={"threads": AlternativeError("threads", "start", "no module named 'pages'")})
    refusal = compared(stage).refusal
    assert refusal is not None
    assert refusal.kind == "start"
    assert refusal.message == "threads: no module named 'pages'; sync, asyncio: started"
    assert [what for what, _ in stage.events] == ["start"] * 3 + ["stop"] * 3


def test_the_hint_of_an_error_wins_over_the_general_one() -> None:
    error = AlternativeError("sync", "start", "the library httpx is missing", hint="pip install httpx")
    refusal = compared(Stage(start_errors={"sync": error})).refusal
    assert refusal is not None
    assert refusal.hint == "pip install httpx"


@pytest.mark.parametrize("trouble", ["raised", "timeout", "died"])
@pytest.mark.parametrize("run", [1, 2, 3, 5])
def test_trouble_in_any_run_is_refused_with_its_kind(trouble: Trouble, run: int) -> None:
    stage = Stage({"threads": from_run(run, fails(trouble, "it broke"))})
    comparison = compared(stage)
    refusal = comparison.refusal
    assert refusal is not None
    assert refusal.kind == trouble
    assert refusal.message.startswith("threads: it broke; sync, asyncio: ")
    assert "all well" in refusal.message or "no whole round yet" in refusal.message
    assert refusal.hint
    assert comparison.pairs == ()
    assert comparison.recommendation is None
    assert comparison.rounds == max(0, run - 3)
    assert sorted(stage.stopped()) == sorted(NAMES)


def test_when_many_never_finish_the_rest_is_not_waited_for() -> None:
    hangs = fails("timeout", "item 0 took longer than 30 s")
    stage = Stage(dict.fromkeys(NAMES, hangs))
    refusal = compared(stage).refusal
    assert refusal is not None
    assert refusal.kind == "timeout"
    assert len(stage.requests) == 2
    assert "threads: the same (timeout)" in refusal.message
    assert "asyncio: not tried" in refusal.message
    assert "--timeout" in refusal.hint


@pytest.mark.parametrize("run", [1, 2, 4])
def test_items_that_fail_are_refused_with_the_first_of_them(run: int) -> None:
    def one_fails(measured: FakeMeasured, request: RunRequest, number: int) -> RunResult:
        return ran(request, 100, failures=[(23, "ValueError: no title")])

    refusal = compared(Stage({"threads": from_run(run, one_fails)})).refusal
    assert refusal is not None
    assert refusal.kind == "raised"
    assert "threads: 1 of " in refusal.message
    assert "item 3 (http://127.0.0.1:1/3): ValueError: no title" in refusal.message
    assert refusal.hint


@pytest.mark.parametrize("run", [1, 2, 4])
def test_push_back_is_refused_in_a_check_and_in_a_run(run: int) -> None:
    def limited(measured: FakeMeasured, request: RunRequest, number: int) -> RunResult:
        return ran(request, 100, failures=[(1, "http_429")], pushbacks=1)

    refusal = compared(Stage({"asyncio": from_run(run, limited)})).refusal
    assert refusal is not None
    assert refusal.kind == "pushback"
    assert "429 or 503" in refusal.message
    assert "asyncio" in refusal.message
    assert "server" in refusal.hint


@pytest.mark.parametrize("run", [1, 2, 4])
def test_outputs_that_differ_anywhere_are_refused_with_both(run: int) -> None:
    def other(measured: FakeMeasured, request: RunRequest, number: int) -> RunResult:
        result = ran(request, 400)
        wrong = max(result.digests)
        return replace(
            result, digests={**result.digests, wrong: "f00"}, samples={**result.samples, wrong: "something else"}
        )

    stage = Stage({"threads": from_run(run, other)})
    refusal = compared(stage).refusal
    assert refusal is not None
    assert refusal.kind == "different_output"
    assert "threads" in refusal.message
    assert "something else" in refusal.message
    assert sorted(stage.stopped()) == sorted(NAMES)


def test_short_outputs_are_checked_in_every_run_and_long_ones_only_before_the_timed_runs() -> None:
    def long(measured: FakeMeasured, request: RunRequest, number: int) -> RunResult:
        result = ran(request, SPEEDS[measured.alternative.strategy])
        return replace(result, samples=dict.fromkeys(result.samples, "x" * 200))

    for behaviours, is_checked in (({}, True), (dict.fromkeys(NAMES, long), False)):
        stage = Stage(behaviours)
        comparison = compared(stage)
        checks_and_warm_ups, timed = stage.requests[:6], stage.requests[6:]
        assert all(request.is_checked for _, request in checks_and_warm_ups)
        assert {request.is_checked for _, request in timed} == {is_checked}
        assert any("outputs are long" in note for note in comparison.notes) is not is_checked


def test_an_output_that_changes_from_run_to_run_is_told_from_one_that_differs() -> None:
    def changing(measured: FakeMeasured, request: RunRequest, number: int) -> RunResult:
        name = measured.alternative.name
        result = ran(request, 100, digests={0: f"{name} {number}"})
        return replace(result, samples={0: f"at {number}"})

    refusal = compared(Stage(dict.fromkeys(NAMES, changing))).refusal
    assert refusal is not None
    assert refusal.kind == "different_output"
    assert refusal.message.startswith("sync: different outputs in two runs")
    assert "at 1" in refusal.message
    assert "at 2" in refusal.message
    assert "random" in refusal.hint


def test_a_refusal_after_some_rounds_keeps_what_was_measured() -> None:
    comparison = compared(Stage({"sync": from_run(5, fails("died", "exited with status 3"))}))
    assert comparison.rounds == 2
    assert [summary.runs for summary in comparison.summaries] == [2, 2, 2]


# --- what is interrupted


def interrupts(measured: FakeMeasured, request: RunRequest, run: int) -> RunResult:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("run", "rounds"), [(1, None), (2, None), (3, None), (4, 1), (6, 3)])
def test_ctrl_c_stops_every_process_and_keeps_whole_rounds(run: int, rounds: int | None) -> None:
    stage = Stage({"asyncio": from_run(run, interrupts)})
    with pytest.raises(CompareInterrupted) as caught:
        compared(stage)
    assert sorted(stage.stopped()) == sorted(NAMES)
    comparison = caught.value.comparison
    if rounds is None:
        assert comparison is None
    else:
        assert comparison is not None
        assert comparison.rounds == rounds
        assert any("interrupted" in note for note in comparison.notes)


def test_a_second_ctrl_c_while_stopping_leaves_no_process_behind() -> None:
    class Stubborn(FakeMeasured):
        stops = 0

        def stop(self) -> None:
            Stubborn.stops += 1
            if Stubborn.stops == 1:
                raise KeyboardInterrupt
            super().stop()

    stage = Stage({"asyncio": interrupts})
    with pytest.raises(KeyboardInterrupt):
        compare_workload(
            WORKLOAD, ALTERNATIVES, make=lambda one, workload: Stubborn(stage, one, workload), clock=stage.clock
        )
    assert sorted(stage.stopped()) == sorted(NAMES)


def test_an_error_of_ours_stops_every_process_too() -> None:
    def broken(measured: FakeMeasured, request: RunRequest, run: int) -> RunResult:
        raise ZeroDivisionError

    stage = Stage({"sync": broken})
    with pytest.raises(ZeroDivisionError):
        compared(stage)
    assert sorted(stage.stopped()) == sorted(NAMES)


# --- what cannot be asked for


@pytest.mark.parametrize(
    ("alternatives", "said"),
    [
        (ALTERNATIVES[:1], "at least two alternatives to compare, got sync"),
        ((), "at least two alternatives to compare, got none"),
        ((ALTERNATIVES[0], ALTERNATIVES[0]), "different names"),
    ],
)
def test_alternatives_must_be_two_with_names_of_their_own(alternatives: tuple[object, ...], said: str) -> None:
    stage = Stage()
    with pytest.raises(ConfigError, match=said):
        compare_workload(WORKLOAD, alternatives, make=stage.make)  # type: ignore[arg-type]
    assert stage.events == []


def test_a_workload_needs_an_item() -> None:
    with pytest.raises(ConfigError, match="at least one item"):
        compared(Stage(), items=())


@pytest.mark.parametrize(
    "options",
    [
        {"rounds_min": 0},
        {"rounds_min": 6, "rounds_max": 5},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"rate": float("inf")},
        {"rate": "fast"},
        {"open_rounds": 0},
        {"seconds_max": 0.0},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        CompareOptions(**options)  # type: ignore[arg-type]


# --- what is told meanwhile


class Told:
    def __init__(self) -> None:
        self.shown: list[tuple[str, float | None, float | None]] = []

    def show(self, what: str, share: float | None = None, left_s: float | None = None) -> None:
        self.shown.append((what, share, left_s))

    def say(self, text: str) -> None:
        raise AssertionError(text)


def test_progress_names_what_runs_and_only_ever_grows() -> None:
    stage, told = Stage(), Told()
    compare_workload(WORKLOAD, ALTERNATIVES, make=stage.make, say=told, clock=stage.clock)
    texts = [what for what, _, _ in told.shown]
    assert texts[0] == "pages · starting sync"
    assert "pages · checking the output of threads" in texts
    assert "pages · warming up asyncio" in texts
    assert any(text.startswith("pages · round 5 · ") for text in texts)
    assert any(", round 5 of 5 · " in text for text in texts)
    shares = [share for _, share, _ in told.shown if share is not None]
    assert len(shares) == len(texts)
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert 0.9 < shares[-1] < 1.0
    assert all(left_s is not None for _, _, left_s in told.shown[1:])
