"""The verdict on runs in round numbers: which label, how sure, and what it says where it cannot tell."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verdict_runs import SHAPE, probe, run, scrambled

from penstock.telemetry.verdict import judge
from penstock.telemetry.verdict_rules import Label
from penstock.telemetry.verdict_wording import NAMES
from penstock.telemetry.window import Probe, RunShape, Window

INLINE = replace(SHAPE, process_mode="inline")
THREADS = replace(SHAPE, process_mode="thread", process_workers=4)
ASYNC = replace(SHAPE, process_mode="async")
CASES: list[tuple[str, Label, dict[str, Any], RunShape, list[Probe]]] = [
    ("the loop is full", "event_loop", {"loop_run": 0.9, "loop_runqueue": 0.05}, SHAPE, []),
    ("the loop is blocked by a sleep", "event_loop", {"loop_late": 0.8}, ASYNC, []),
    ("the loop waits for a core", "machine_contention", {"loop_run": 0.5, "loop_runqueue": 0.45}, SHAPE, []),
    ("credits are held", "sink", {"fetch_busy": 0.3, "fetch_blocked": 0.7, "sink_busy": 0.98}, SHAPE, []),
    ("inline computing", "cpu", {"loop_run": 0.97, "loop_runqueue": 0.01, "process_busy": 0.9}, INLINE, []),
    ("inline waiting", "cpu", {"loop_late": 0.9, "process_busy": 0.95}, INLINE, []),
    ("threads are busy", "cpu", {"fetch_busy": 0.2, "fetch_process": 0.8, "process_busy": 1.0}, THREADS, []),
    ("the first byte grows", "server", {}, SHAPE, [probe(0.0)] * 3),
    ("the body grows", "network", {}, SHAPE, [probe(0.0, body_share=0.9)] * 3),
    ("half the limit gives half", "concurrency", {}, SHAPE, [probe(1.0)] * 3),
    ("a rate keeps places empty", "rate_limit", {"fetch_busy": 0.2, "fetch_rate": 0.8}, SHAPE, []),
    ("the server pushes back", "rate_limit", {"fetch_busy": 0.4, "fetch_rate": 0.6, "throttled": 20}, SHAPE, []),
    ("names take most of the time", "dns", {"dns_s": 28.0, "ttfb_s": 3.0}, SHAPE, []),
    ("handshakes take most of the time", "connect", {"connect_s": 8.0, "tls_s": 15.0, "ttfb_s": 8.0}, SHAPE, []),
    ("the host's limit", "client_pool", {"fetch_busy": 0.1, "fetch_host": 0.9}, SHAPE, [probe(1.0)] * 3),
    ("nothing is read", "input", {"fetch_busy": 0.1, "fetch_input": 0.9}, SHAPE, []),
    ("half the limit gives two thirds", "mixed", {}, SHAPE, [probe(0.45)] * 3),
]


@pytest.mark.parametrize(
    ("label", "values", "shape", "probes"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_one_cause_in_round_numbers_gets_its_label(
    label: Label, values: dict[str, Any], shape: RunShape, probes: list[Probe]
) -> None:
    verdict = judge(run(**values), shape, probes)
    assert (verdict.label, verdict.name) == (label, NAMES[label])
    assert verdict.confidence >= 0.9 or label == "mixed"
    assert verdict.evidence
    assert all((verdict.next, verdict.falsify, verdict.at_twice_concurrency))


def test_every_label_has_a_case() -> None:
    assert {case[1] for case in CASES} == set(get_args(Label)) == set(NAMES)


def test_without_a_probe_server_and_concurrency_cannot_be_told_apart_and_it_says_so() -> None:
    verdict = judge(run(), SHAPE)
    assert verdict.label == "mixed"
    assert verdict.confidence <= 0.5
    assert {label for label, _ in verdict.alternatives} == {"server", "concurrency"}
    assert verdict.evidence[0] == "mixed: SERVER / CONCURRENCY TOO LOW"
    assert "cannot tell" in verdict.evidence[1]
    assert "probe" in verdict.at_twice_concurrency


@pytest.mark.parametrize("seconds", [0, 1, 4])
def test_a_short_run_is_not_judged(seconds: int) -> None:
    verdict = judge(run(seconds, fetch_busy=0.1, fetch_host=0.9), SHAPE)
    assert verdict.label == "mixed"
    assert verdict.confidence <= 0.3
    assert verdict.evidence[0].startswith("cannot tell")


def test_a_run_without_windows_or_answers_is_not_judged() -> None:
    assert judge([], SHAPE).label == "mixed"
    nothing = [Window(end_s=float(n), span_s=1.0) for n in range(1, 30)]
    verdict = judge(nothing, SHAPE)
    assert verdict.label == "mixed"
    assert verdict.confidence < 1.0 or verdict.evidence


def test_warm_up_and_tail_do_not_count() -> None:
    busy = run(fetch_busy=0.2, fetch_rate=0.8)
    tail = [replace(window, fetch_busy=0.1, fetch_rate=0.0, fetch_ended=0.9) for window in run(30)]
    verdict = judge(busy + tail, SHAPE)
    assert verdict.label == "rate_limit"
    assert verdict.numbers["judged_s"] == 17.0  # of 54 s the first five are warm-up, the last 32 the tail
    assert verdict.numbers["left_out_s"] == 37.0


def test_probed_windows_count_only_when_there_is_nothing_else() -> None:
    normal, probed = run(20, answers=100), run(20, answers=50, is_probe=True)
    assert judge(normal + probed[2:], SHAPE).numbers["answers_per_s"] == 100.0
    assert judge(probed, SHAPE).numbers["answers_per_s"] == 50.0


def test_a_cause_near_its_threshold_is_not_sure() -> None:
    verdict = judge(run(fetch_busy=0.79, fetch_rate=0.21), SHAPE, [probe(0.0)] * 3)
    assert verdict.confidence < 0.9
    assert {"rate_limit", "server"} <= {verdict.label, *(label for label, _ in verdict.alternatives)}
    assert verdict.evidence[0].startswith("mixed: ")


def test_two_causes_that_take_turns_are_not_sure() -> None:
    rated, held = run(10, fetch_busy=0.5, fetch_rate=0.5), run(10, fetch_busy=0.5, fetch_host=0.5)
    verdict = judge(rated + held[2:], SHAPE)
    assert verdict.confidence < 0.9
    assert {verdict.label, verdict.alternatives[0][0]} == {"rate_limit", "client_pool"}


def test_littles_law_that_does_not_hold_makes_the_numbers_suspect() -> None:
    verdict = judge(run(total_s=16.0, ttfb_s=15.0), SHAPE, [probe(0.0)] * 3)
    assert verdict.is_closed is False
    assert verdict.confidence <= 0.6
    assert any("instrumentation suspect" in sentence for sentence in verdict.evidence)


def test_a_gap_between_our_clock_and_libcurls_is_the_loops_when_the_loop_is_full() -> None:
    verdict = judge(run(total_s=16.0, ttfb_s=15.0, loop_run=0.95), SHAPE)
    assert verdict.label == "event_loop"
    assert verdict.confidence >= 0.9
    assert not any("suspect" in sentence for sentence in verdict.evidence)


def test_where_the_system_tells_nothing_of_the_loop_the_rest_is_still_judged() -> None:
    unknown: dict[str, Any] = {"loop_run": None, "loop_runqueue": None, "machine_busy": None, "machine_steal": None}
    verdict = judge(run(fetch_busy=0.1, fetch_input=0.9, **unknown), SHAPE)
    assert verdict.label == "input"
    assert "loop_run" not in verdict.numbers


def test_a_host_that_would_give_no_more_is_the_server_although_its_limit_keeps_places_empty() -> None:
    windows = run(fetch_busy=0.25, fetch_host=0.75)
    assert judge(windows, SHAPE, [probe(0.0)] * 3).label == "server"
    assert judge(windows, SHAPE, [probe(0.0, body_share=0.9)] * 3).label == "network"
    assert judge(windows, SHAPE, [probe(0.0)] * 3).falsify.startswith("--max-per-host 16:")
    unprobed = judge(windows, SHAPE)
    assert (unprobed.label, unprobed.confidence) == ("client_pool", 0.8)
    assert unprobed.alternatives[0][0] == "server"
    assert any("has not been probed" in sentence for sentence in unprobed.evidence)


def test_a_limit_that_costs_answers_no_time_is_no_saturated_server() -> None:
    strange = replace(probe(0.0), ttfb_s=0.1, ttfb_s_low=0.1, body_s=0.0, body_s_low=0.0, answers_per_s_low=130.0)
    assert judge(run(), SHAPE, [strange] * 3).label not in ("server", "network")


def test_credits_that_come_back_late_because_the_loop_is_blocked_are_not_the_sinks_fault() -> None:
    blocked = judge(run(fetch_busy=0.05, fetch_blocked=0.95, sink_busy=0.01, loop_late=0.76), SHAPE)
    assert blocked.label == "event_loop"
    assert judge(run(fetch_busy=0.05, fetch_blocked=0.95, sink_busy=0.97, loop_late=0.76), SHAPE).label == "sink"


def test_one_probe_of_three_in_which_something_else_happened_does_not_decide() -> None:
    verdict = judge(run(), SHAPE, [probe(0.0), probe(0.02), probe(0.8)])
    assert verdict.label == "server"
    assert verdict.confidence < 1.0


def test_probes_of_long_ago_do_not_count() -> None:
    late = [replace(window, end_s=window.end_s + 1000.0) for window in run()]
    assert judge(late, SHAPE, [probe(0.0)] * 3).label == "mixed"
    assert judge(late, SHAPE, [replace(probe(0.0), end_s=990.0)] * 3).label == "server"


def test_where_places_wait_for_an_awaited_function_the_server_is_not_suspected() -> None:
    verdict = judge(run(fetch_busy=0.2, fetch_process=0.8), ASYNC)
    assert {label for label, _ in verdict.alternatives} == {"cpu", "concurrency"}
    assert "process function" in verdict.evidence[1]


def test_twice_the_concurrency_is_told_in_answers_a_second() -> None:
    latency = judge(run(), SHAPE, [probe(1.0)] * 3)
    assert latency.at_twice_concurrency.startswith("about 200 answers/s, now 100")
    near_full = judge(run(loop_run=0.6), SHAPE, [probe(1.0)] * 3)
    assert "the event loop is full" in near_full.at_twice_concurrency
    assert judge(run(), SHAPE, [probe(0.0)] * 3).at_twice_concurrency.startswith("nothing")


def test_the_same_seed_gives_the_same_verdict_and_it_is_plain_json() -> None:
    windows = run(fetch_busy=0.79, fetch_rate=0.21)
    first = judge(windows, SHAPE, [probe(0.2)] * 3, seed=7)
    assert first == judge(windows, SHAPE, [probe(0.2)] * 3, seed=7)
    assert json.loads(json.dumps(first.to_json())) == first.to_json()
    assert first.to_json()["label"] == first.label


def test_every_flag_it_names_exists() -> None:
    from penstock.cli.fetch import fetch

    flags = {flag for parameter in fetch.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    for _, label, values, shape, probes in CASES:
        verdict = judge(run(**values), shape, probes)
        assert verdict.label == label
        for word in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", f"{verdict.next} {verdict.falsify}"):
            assert word in flags or verdict.next.find(f"taskset {word}") >= 0, (label, word)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), seconds=st.integers(0, 40), probes=st.integers(0, 4), zeros=st.floats(0.0, 1.0))
def test_whatever_the_windows_hold_there_is_one_verdict_of_the_closed_set(
    seed: int, seconds: int, probes: int, zeros: float
) -> None:
    rng = random.Random(seed)
    verdict = judge(
        [scrambled(Window(0.0, 0.0), rng, zeros) for _ in range(seconds)],
        scrambled(RunShape(1, 1, process_mode=rng.choice(["none", "inline", "thread", "process", "async"])), rng, 0.0),
        [scrambled(Probe(*[0] * 11), rng, zeros) for _ in range(probes)],
    )
    assert verdict.label in get_args(Label)
    assert 0.0 <= verdict.confidence <= 1.0
    assert all(0.0 <= share <= 1.0 for _, share in verdict.alternatives)
    assert verdict.label not in [label for label, _ in verdict.alternatives]
    assert all(math.isfinite(value) for value in verdict.numbers.values())
    assert all((verdict.evidence, verdict.next, verdict.falsify, verdict.at_twice_concurrency))
    assert json.loads(json.dumps(verdict.to_json())) == verdict.to_json()


@settings(max_examples=50, deadline=None)
@given(scale=st.floats(0.01, 100.0), n=st.integers(0, len(CASES) - 1))
def test_a_run_of_more_answers_or_more_places_has_the_same_verdict(scale: float, n: int) -> None:
    _, label, values, shape, probes = CASES[n]
    scaled = []
    for window in run(**values):
        made = replace(window)
        for name in ("in_flight", "limit", "dns_s", "connect_s", "tls_s", "ttfb_s", "body_s", "total_s", "slot_s"):
            setattr(made, name, getattr(window, name) * scale)
        scaled.append(made)
    assert judge(scaled, shape, probes).label == label


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0.0, 1.0))
def test_the_more_places_a_rate_empties_the_more_of_the_resamples_say_so(share: float) -> None:
    def votes(rate: float) -> float:
        verdict = judge(run(fetch_busy=1.0 - rate, fetch_rate=rate), SHAPE, [probe(1.0)] * 3)
        return {verdict.label: verdict.confidence, **dict(verdict.alternatives)}.get("rate_limit", 0.0)

    assert votes(share) <= votes(min(1.0, share + 0.1))


def test_shares_that_do_not_sum_to_one_are_renormalised() -> None:
    verdict = judge(run(fetch_busy=0.05, fetch_host=0.15, fetch_ended=0.1), SHAPE)
    assert verdict.numbers["busy"] == pytest.approx(0.25)
    assert verdict.numbers["host"] == pytest.approx(0.75)
