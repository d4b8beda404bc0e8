"""The loop profile: every block has its length, and the line that is to blame, on asyncio and uvloop, in any thread."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from timing_kit import one_of_three

from penstock.perf.profile import loopwatch
from penstock.perf.profile.blocks import BLOCKS_KEPT, Block, LongestBlocks, Watch
from penstock.perf.profile.culprit import NOBODY, below_loop, culprit
from penstock.perf.profile.loop import LoopRecorder
from penstock.perf.profile.model import Frame, Profile
from penstock.perf.profile.recorder import RecorderOptions, make_recorder
from penstock.telemetry.lag import LoopLag

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
both_loops = pytest.mark.parametrize("make", LOOPS.values(), ids=list(LOOPS))
uvloop.new_event_loop().close()  # libuv opens a pipe at its first loop, for good: not the first test's fault
INTERVAL_S, THRESHOLD_S = 0.01, 0.05
Main = Callable[[], Coroutine[Any, Any, object]]


def blocks_of(looks: list[tuple[float, tuple[int, ...], str]], beats: list[float]) -> list[Block]:
    """What a watch that began at 0 makes of these looks and beats, in the order of their times."""
    found: list[Block] = []
    watch = Watch(0.0, INTERVAL_S, THRESHOLD_S, LoopLag(interval_s=INTERVAL_S), found.append)
    for at_s, raw, task in sorted([*looks, *((beat, (-1,), "") for beat in beats)]):
        if raw == (-1,):
            watch.beat(at_s)
        else:
            watch.look(at_s, raw, task)
    return found


# --- beats and looks


def test_beats_on_time_are_no_blocks() -> None:
    assert blocks_of([], [0.010, 0.0205, 0.031, 0.045, 0.08]) == []


def test_a_block_is_divided_among_its_looks() -> None:
    looks = [(0.020, (1, 0), "a"), (0.060, (2, 0), "b"), (0.090, (1, 0), "a")]
    (block,) = blocks_of(looks, [0.105])
    assert block.at_s == pytest.approx(0.005)
    assert block.duration_s == pytest.approx(0.1)
    assert dict(block.shares) == {(1, 0): pytest.approx(0.06), (2, 0): pytest.approx(0.04)}
    assert block.task == "a"


def test_one_late_look_stands_for_the_whole_block() -> None:
    (block,) = blocks_of([(0.7, (1, 0), "t")], [0.705])
    assert block.shares == (((1, 0), pytest.approx(0.7)),)


def test_what_was_seen_before_a_short_delay_is_not_blamed_for_the_next_block() -> None:
    looks = [(0.025, (1, 0), ""), (0.115, (2, 0), "")]
    (block,) = blocks_of(looks, [0.030, 0.1205])
    assert block.shares == (((2, 0), pytest.approx(block.duration_s)),)


def test_looks_at_a_loop_that_is_on_time_are_ignored() -> None:
    (block,) = blocks_of([(0.005, (9, 0), "")], [0.1])
    assert block.shares == ()


def test_a_loop_that_stops_inside_a_block_counts_until_then() -> None:
    found: list[Block] = []
    watch = Watch(0.0, INTERVAL_S, THRESHOLD_S, LoopLag(interval_s=INTERVAL_S), found.append)
    watch.look(0.05, (1, 0), "")
    watch.end(0.3)
    assert found[0].duration_s == pytest.approx(0.295)
    watch = Watch(0.0, INTERVAL_S, THRESHOLD_S, LoopLag(interval_s=INTERVAL_S), found.append)
    watch.end(0.005)
    assert len(found) == 1


@given(st.lists(st.tuples(st.floats(0.001, 0.5), st.integers(0, 3)), min_size=1, max_size=60))
def test_the_shares_of_a_block_add_up_to_it_and_blocks_never_overlap(steps: list[tuple[float, int]]) -> None:
    now_s, looks, beats = 0.0, [], []
    for step_s, what in steps:
        now_s += step_s
        if what == 0:
            beats.append(now_s)
        else:
            looks.append((now_s, (what, 0), ""))
    end_s = 0.0
    for block in blocks_of(looks, beats):
        assert block.duration_s >= THRESHOLD_S
        assert block.at_s >= end_s - 1e-9
        end_s = block.at_s + block.duration_s
        assert sum(seconds for _, seconds in block.shares) == pytest.approx(block.duration_s if block.shares else 0)
        assert all(seconds > 0 for _, seconds in block.shares)


def test_only_the_longest_blocks_are_kept_and_all_are_counted() -> None:
    longest = LongestBlocks()
    for number in range(3 * BLOCKS_KEPT):
        longest.add(Block(float(number), (number * 7919 % 1009) / 100, (), ""))
    kept = [block.duration_s for block in longest.longest_first()]
    everything = sorted(((number * 7919 % 1009) / 100 for number in range(3 * BLOCKS_KEPT)), reverse=True)
    assert kept == everything[:BLOCKS_KEPT]
    assert longest.count == 3 * BLOCKS_KEPT
    assert longest.blocked_s == pytest.approx(sum(everything))


# --- whom to blame

LIBRARY = str(asyncio.__file__).removesuffix("asyncio/__init__.py")
ROOT = (Frame("<module>", "app.py", 90), Frame("run", f"{LIBRARY}asyncio/runners.py", 190))
LOOP = (Frame("BaseEventLoop._run_once", f"{LIBRARY}asyncio/base_events.py", 1900),)
HANDLE = (Frame("Handle._run", f"{LIBRARY}asyncio/events.py", 80),)
OWN = Frame("handler", "/srv/app.py", 12)
INSTALLED = Frame("query", "/venv/lib/python3.11/site-packages/db/client.py", 5)
STANDARD = Frame("SocketIO.readinto", f"{LIBRARY}socket.py", 700)


def test_the_culprit_is_the_deepest_line_of_the_program_that_the_loop_called() -> None:
    stack = below_loop((*ROOT, *LOOP, *HANDLE, OWN, INSTALLED, STANDARD))
    assert stack == (OWN, INSTALLED, STANDARD)
    assert culprit(stack) == OWN
    assert culprit((INSTALLED, STANDARD)) == INSTALLED
    assert culprit((STANDARD,)) == STANDARD


def test_a_loop_at_its_own_work_is_nobodys_fault() -> None:
    select = Frame("EpollSelector.select", f"{LIBRARY}selectors.py", 470)
    assert below_loop((*ROOT, *LOOP, select)) == (NOBODY,)
    assert below_loop(ROOT) == (NOBODY,)
    beat = Frame("LoopWatch._beat", str(loopwatch.__file__), 100)
    assert below_loop((*ROOT, *LOOP, *HANDLE, beat)) == (NOBODY,)
    assert below_loop((*ROOT, beat)) == (NOBODY,)


def test_another_threads_stack_is_left_alone() -> None:
    stack = (Frame("[thread pool ran instead]"), *ROOT, *LOOP, *HANDLE, OWN)
    assert below_loop(stack) == stack
    assert culprit(stack) == OWN


def test_frames_of_the_loop_further_down_stay() -> None:
    creates = Frame("BaseEventLoop.create_task", f"{LIBRARY}asyncio/base_events.py", 400)
    assert below_loop((*ROOT, *LOOP, *HANDLE, OWN, creates)) == (OWN, creates)


# --- real loops


def recorded(work: Callable[[], object], **options: Any) -> Profile:
    taking = LoopRecorder(RecorderOptions(threshold_s=THRESHOLD_S, **options))
    taking.start()
    try:
        work()
    finally:
        profile = taking.stop()
    return profile


def run(make: Callable[[], asyncio.AbstractEventLoop], main: Main) -> None:
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(main())


def seconds_by_function(profile: Profile) -> dict[str, float]:
    culprits = profile.details["culprits"]
    assert isinstance(culprits, list)
    return {entry["function"]: entry["blocked_s"] for entry in culprits}


def short() -> None:
    time.sleep(0.02)


def sleeps() -> None:
    time.sleep(0.15)


def computes() -> None:
    until_s = time.monotonic() + 0.15
    while time.monotonic() < until_s:
        sum(range(200))


def keeps_the_interpreter() -> None:
    pattern, text = re.compile(r"(a|a)*$"), "a" * 12 + "b"
    until_s = time.monotonic() + 0.15
    while time.monotonic() < until_s:
        text = "a" + text
        pattern.match(text)  # twice as long each time: the last call takes over half of it all


TOOK_S: dict[str, float] = {}
"""How long each function really took the last time: on a busy machine, longer than it was told to."""


async def blocked_by_all() -> None:
    for function in (sleeps, computes, keeps_the_interpreter):
        await asyncio.sleep(0.03)
        began_s = time.monotonic()
        function()
        TOOK_S[function.__name__] = time.monotonic() - began_s
        await asyncio.sleep(0.03)


@both_loops
@pytest.mark.slow
@one_of_three
def test_each_blocking_function_is_named_with_its_time(make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    profile = recorded(lambda: run(make, blocked_by_all))
    seconds = seconds_by_function(profile)
    for function in (sleeps, computes):
        assert seconds[function.__name__] == pytest.approx(TOOK_S[function.__name__], abs=0.06)
    assert seconds["keeps_the_interpreter"] > 0.1
    assert profile.total == pytest.approx(profile.numbers["blocked_s"])
    assert profile.numbers["lag_s_max"] >= 0.14
    culprits = profile.details["culprits"]
    assert isinstance(culprits, list)
    assert {entry["function"]: entry["blocks"] for entry in culprits}["computes"] == 1
    lines = {entry["function"]: entry["line"] for entry in culprits}
    assert lines["sleeps"] == sleeps.__code__.co_firstlineno + 1
    assert lines["computes"] == computes.__code__.co_firstlineno + 3
    blocks = profile.details["blocks"]
    assert isinstance(blocks, list)
    assert {block["thread"] for block in blocks} == {"MainThread"}
    assert all(block["task"].startswith("Task-") for block in blocks)
    assert "(tests/perf/test_profile_loop.py:" in blocks[0]["place"]


@both_loops
@pytest.mark.slow
@one_of_three
def test_a_loop_in_another_thread_is_watched_too(make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    def work() -> None:
        thread = threading.Thread(target=run, args=(make, blocked_by_all), name="own loop")
        thread.start()
        thread.join()

    profile = recorded(work)
    assert seconds_by_function(profile)["sleeps"] == pytest.approx(TOOK_S["sleeps"], abs=0.06)
    assert seconds_by_function(profile)["computes"] > 0.08
    assert any("own loop" in note for note in profile.notes)


@pytest.mark.slow
@one_of_three
def test_loops_one_after_the_other_and_at_once_are_all_watched() -> None:
    async def main() -> None:
        await asyncio.sleep(0.02)
        sleeps()
        await asyncio.sleep(0.02)

    def work() -> None:
        thread = threading.Thread(target=run, args=(asyncio.new_event_loop, main), name="other")
        thread.start()
        run(asyncio.new_event_loop, main)
        run(uvloop.new_event_loop, main)
        thread.join()

    profile = recorded(work)
    assert profile.numbers["blocks"] == 3
    loops = profile.details["loops"]
    assert isinstance(loops, list)
    assert {entry["thread"] for entry in loops} == {"MainThread", "other"}
    assert {entry["loop"] for entry in loops} >= {"uvloop.Loop"}


@both_loops
@pytest.mark.slow
@one_of_three
def test_a_loop_that_runs_already_is_watched_from_then_on(make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    profiles = []

    async def main() -> None:
        sleeps()
        taking = make_recorder("loop", RecorderOptions(threshold_s=THRESHOLD_S))
        taking.start()
        await asyncio.sleep(0.03)
        began_s = time.monotonic()
        sleeps()
        TOOK_S["sleeps"] = time.monotonic() - began_s
        await asyncio.sleep(0.03)
        profiles.append(taking.stop())
        sleeps()
        await asyncio.sleep(0.03)

    run(make, main)
    assert profiles[0].numbers["blocks"] == 1
    assert seconds_by_function(profiles[0])["sleeps"] == pytest.approx(TOOK_S["sleeps"], abs=0.06)


def test_an_idle_loop_has_little_lag_and_no_blocks() -> None:
    async def main() -> None:
        await asyncio.sleep(0.4)

    profile = recorded(lambda: run(asyncio.new_event_loop, main))
    assert profile.samples >= 20
    assert profile.numbers["lag_s_p50"] < THRESHOLD_S
    assert not profile.notes


def test_a_loop_that_is_on_time_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        for _ in range(100):
            await asyncio.sleep(0.005)

    looks: list[int] = []
    look = loopwatch.LoopWatch._on_signal
    monkeypatch.setattr(loopwatch.LoopWatch, "_on_signal", lambda *words: (looks.append(1), look(*words)))
    profile = recorded(lambda: run(asyncio.new_event_loop, main))
    assert len(looks) < profile.samples / 2  # not none: other programs may hold us up


def test_many_short_loops_cost_no_memory_each() -> None:
    async def main() -> None:
        await asyncio.sleep(0)

    taking = LoopRecorder(RecorderOptions())
    taking.start()
    for _ in range(50):
        asyncio.run(main())
    assert len(taking._lags) == 1
    assert taking.stop().notes[-1].startswith("Too short to speak of lag")


def test_a_recorder_that_was_never_started_gives_an_empty_profile() -> None:
    assert LoopRecorder(RecorderOptions()).stop().stacks == {}


def test_without_a_loop_it_says_so() -> None:
    profile = recorded(lambda: None)
    assert profile.stacks == {}
    assert profile.notes == ["No asyncio event loop ran while this was recorded, so there was nothing to watch."]


@pytest.mark.slow
@one_of_three
def test_an_exception_that_ends_a_block_leaves_the_block() -> None:
    async def main() -> None:
        await asyncio.sleep(0.03)
        sleeps()
        raise KeyError

    def work() -> None:
        with pytest.raises(KeyError):
            run(asyncio.new_event_loop, main)

    assert "sleeps" in seconds_by_function(recorded(work))


@pytest.mark.slow
@both_loops
@one_of_three
def test_a_thread_that_keeps_the_interpreter_is_named_in_the_loops_place(
    make: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    if sys.platform != "linux":
        pytest.skip("CPU clocks of threads are Linux's")

    async def main() -> None:
        await asyncio.sleep(0.03)
        await asyncio.to_thread(keeps_the_interpreter)
        await asyncio.sleep(0.03)

    profile = recorded(lambda: run(make, main))
    seconds = seconds_by_function(profile)
    assert max(seconds, key=seconds.__getitem__) == "keeps_the_interpreter"
    roots = {stack[0].name for stack in profile.stacks if stack[-1].name == "keeps_the_interpreter"}
    assert any(root.startswith("[thread ") and root.endswith("_… ran instead]") for root in roots)


@pytest.mark.slow
@one_of_three
def test_everything_is_put_back() -> None:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    functions = (asyncio._set_running_loop, asyncio.events._set_running_loop, uvloop.Loop.run_forever)
    profile = recorded(lambda: run(uvloop.new_event_loop, blocked_by_all))
    assert profile.numbers["blocks"] > 0
    assert (asyncio._set_running_loop, asyncio.events._set_running_loop, uvloop.Loop.run_forever) == functions
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == handlers
    assert not [thread for thread in threading.enumerate() if thread.name == "penstock-loop-watch"]


def test_a_program_may_use_its_own_alarm_meanwhile() -> None:
    rings: list[float] = []

    async def main() -> None:
        await asyncio.sleep(0.03)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        sleeps()
        await asyncio.sleep(0.03)

    before = signal.signal(signal.SIGALRM, lambda *_: rings.append(time.monotonic()))
    try:
        profile = recorded(lambda: run(asyncio.new_event_loop, main))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(rings) == 1
    assert "sleeps" in seconds_by_function(profile)


def test_a_short_threshold_finds_short_blocks() -> None:
    async def main() -> None:
        for _ in range(5):
            await asyncio.sleep(0.01)
            short()
        await asyncio.sleep(0.01)

    profile = LoopRecorder(RecorderOptions(threshold_s=0.01))
    profile.start()
    run(asyncio.new_event_loop, main)
    found = profile.stop()
    assert found.numbers["blocks"] >= 5
    assert max(seconds_by_function(found), key=seconds_by_function(found).__getitem__) == "short"


def test_a_program_that_blocks_all_signals_is_told_what_was_not_seen() -> None:
    async def main() -> None:
        await asyncio.sleep(0.03)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {signal.SIGINT, signal.SIGTERM})
        sleeps()
        await asyncio.sleep(0.03)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    profile = recorded(lambda: run(asyncio.new_event_loop, main))
    assert profile.numbers["blocks"] == 1
    # A look that was due just before is delivered at the end, in `main`, and stands for the block.
    (name,) = {stack[0].name for stack in profile.stacks}
    assert name == "[not seen]" or name.endswith(".main")
    assert name != "[not seen]" or "were not seen" in profile.notes[0]


@pytest.mark.slow
def test_without_a_free_signal_a_thread_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("real-time signals are Linux's")
    taken = {number: signal.getsignal(number) for number in range(signal.SIGRTMIN, signal.SIGRTMAX + 1)}
    for number in [*taken, signal.SIGALRM]:
        taken.setdefault(number, signal.getsignal(number))
        signal.signal(number, lambda *_: None)
    try:
        profile = recorded(lambda: run(asyncio.new_event_loop, blocked_by_all))
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
    assert profile.notes[0].startswith("Looked at from a thread (")
    assert seconds_by_function(profile)["sleeps"] == pytest.approx(TOOK_S["sleeps"], abs=0.06)
    assert "keeps_the_interpreter" in seconds_by_function(profile)
