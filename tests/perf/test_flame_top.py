"""The ten lines for the terminal: never more, never wider, and the culprit is in them."""

from __future__ import annotations

import pytest
from flame_kit import APP, GET, LOADS, MAIN, UNITS, big, hostile, of_kind, small
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.profile.draw.top import ten_lines
from penstock.perf.profile.model import Frame, Kind, Profile


def words(line: str) -> str:
    return " ".join(line.split())


@given(st.sampled_from(sorted(UNITS)), st.integers(1, 200), st.booleans())
def test_at_most_ten_lines_of_the_width(kind: Kind, width: int, is_hostile: bool) -> None:
    lines = ten_lines(hostile(kind) if is_hostile else of_kind(kind), width)
    assert 1 <= len(lines) <= 10
    assert all(len(line) <= max(width, 40) for line in lines)
    assert all(line.isprintable() for line in lines), "no control characters reach the terminal"


def test_cpu_names_functions_by_their_own_time_and_who_called_a_library() -> None:
    lines = ten_lines(small(), 120)
    assert lines[0] == "cpu of shop: 4.00 s of CPU time (80.0 % of a core), 800 samples in 5.00 s"
    assert words(lines[1]) == "50.0 % 2.00 s parse shop/app.py:20 (with callees 75.0 %)"
    assert words(lines[3]) == "25.0 % 1.00 s main shop/app.py:10 (with callees 100 %)"
    assert words(lines[2]) == "25.0 % 1.00 s loads json/__init__.py:346 ← parse shop/app.py:20"


def test_await_tells_the_states_then_what_is_awaited() -> None:
    profile = Profile("await", "task-seconds", title="app", duration_s=2.0, samples=200)
    task = Frame("task worker", APP, 1)
    profile.add((Frame("[waiting]"), task, Frame("worker", APP, 3), Frame("fetch", APP, 9), GET), 6.0)
    profile.add((Frame("[runnable]"), task, Frame("worker", APP, 3)), 3.0)
    profile.add((Frame("[running]"), task, Frame("worker", APP, 4), LOADS), 1.0)
    profile.numbers = {"running_s": 1.0, "runnable_s": 3.0, "waiting_s": 6.0}
    lines = ten_lines(profile, 120)
    assert "5.0 tasks on average" in lines[0]
    assert lines[1].startswith("running 10.0 % · runnable 30.0 % · waiting 60.0 %")
    assert words(lines[2]) == "60.0 % 6.00 task-s waiting worker: fetch > Session.get shop/app.py:9"
    assert words(lines[3]) == "30.0 % 3.00 task-s runnable worker shop/app.py:3"


def test_loop_names_the_place_of_each_block() -> None:
    lines = ten_lines(of_kind("loop"), 120)
    assert lines[1] == "lag: p50 200 µs, p99 310 ms, max 400 ms; 3 blocks over the threshold"
    assert words(lines[2]) == "500 ms parse (app.py:20) (2 times, longest 400 ms) in order 7"
    assert words(lines[3]) == "200 ms main (app.py:10) (once)"


def test_loop_counts_every_block_although_only_the_longest_are_kept() -> None:
    profile = of_kind("loop")
    profile.numbers["blocks"] = 40
    profile.details["culprits"] = [{"function": "tick", "file": APP, "line": 7, "blocks": 39, "blocked_s": 3.9}]
    lines = ten_lines(profile, 120)
    assert "40 blocks over the threshold" in lines[1]
    assert words(lines[2]) == "3.90 s tick (shop/app.py:7) (39 times)"


def test_memory_names_what_is_not_freed() -> None:
    lines = ten_lines(of_kind("memory"), 120)
    assert "at the high-water mark" in lines[0]
    assert words(lines[-1]) == "not freed 1.91 MiB parse (app.py:20)"


@pytest.mark.parametrize("kind", UNITS)
def test_notes_are_never_pushed_out(kind: Kind) -> None:
    profile = of_kind(kind, {(MAIN, Frame(f"f{at}", APP, at)): 1.0 for at in range(1, 40)})
    profile.notes = ["The program ended before the second look."]
    lines = ten_lines(profile)
    assert lines[-1] == "note: The program ended before the second look."


@pytest.mark.parametrize("kind", UNITS)
def test_nothing_recorded_is_said(kind: Kind) -> None:
    profile = Profile(kind, UNITS[kind], duration_s=0.01, notes=["It ended before the first sample."])
    lines = ten_lines(profile)
    assert "nothing was recorded" in lines[0] or "blocked for 0 s" in lines[0]
    assert lines[-1] == "note: It ended before the first sample."


def test_a_big_profile_is_ten_lines_too() -> None:
    assert len(ten_lines(big(2_000))) == 10
