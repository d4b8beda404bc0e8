"""The CPU profile: who used the CPU stands in it with what was used, in every thread, and nothing is left behind."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

import pytest
from timing_kit import one_of_three

from penstock.errors import ConfigError
from penstock.perf.profile.cpu import CpuRecorder
from penstock.perf.profile.cputimer import CpuTimer
from penstock.perf.profile.model import Frame, Profile
from penstock.perf.profile.recorder import CannotProfile, RecorderOptions, make_recorder
from penstock.perf.profile.stacks import DEPTH_MAX, Stacks, Weights

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="CPU clocks of threads and POSIX timers are Linux's")
OPTIONS = RecorderOptions(interval_s=0.002, title="a test")


def recorder() -> CpuRecorder:
    return CpuRecorder(OPTIONS, with_children=False)


def burn(cpu_s: float) -> None:
    until_s = time.thread_time() + cpu_s
    while time.thread_time() < until_s:
        sum(range(500))


def little(cpu_s: float) -> None:
    burn(cpu_s)


def much(cpu_s: float) -> None:
    burn(cpu_s)


def recorded(work: Callable[[], object]) -> Profile:
    taking = recorder()
    taking.start()
    try:
        work()
    finally:
        profile = taking.stop()
    return profile


def below(profile: Profile, name: str) -> float:
    """The weight of all stacks with a frame of that name, in seconds."""
    return sum(weight for stack, weight in profile.stacks.items() if any(frame.name == name for frame in stack))


# --- shares and sums


@pytest.mark.slow
@one_of_three
def test_cpu_goes_to_the_functions_that_used_it() -> None:
    profile = recorded(lambda: (much(0.4), little(0.2)))
    assert below(profile, "much") / (below(profile, "much") + below(profile, "little")) == pytest.approx(
        2 / 3, abs=0.08
    )
    assert below(profile, "burn") > 0.9 * profile.total


def test_the_sum_of_the_weights_is_the_cpu_of_the_process() -> None:
    profile = recorded(lambda: burn(0.3))
    assert profile.total == pytest.approx(profile.numbers["cpu_s"], rel=0.1)
    assert profile.numbers["unseen_s"] <= 0.1 * profile.numbers["cpu_s"]
    assert profile.unit == "seconds"
    assert profile.title == "a test"
    assert [note for note in profile.notes if "uvloop" not in note] == []


@pytest.mark.slow
@one_of_three
def test_a_long_call_of_c_code_is_charged_to_the_line_that_called_it() -> None:
    data = os.urandom(3_000_000)

    def sorts() -> None:
        sorted(data)  # one call that never comes back to the interpreter before its end

    line = sorts.__code__.co_firstlineno + 1
    profile = recorded(lambda: [sorts() for _ in range(3)])
    at_line = sum(weight for stack, weight in profile.stacks.items() if stack[-1] == Frame(*leaf(sorts, line)))
    assert at_line > 0.8 * profile.total


@pytest.mark.slow
@one_of_three
def test_c_code_that_calls_back_is_charged_to_its_caller_not_to_the_callback() -> None:
    text = ("a" * 20_000 + "b") * 300
    pattern = re.compile("a+b")

    def innocent(_: re.Match[str]) -> str:
        return ""

    def substitutes() -> None:
        pattern.sub(innocent, text)

    profile = recorded(lambda: [substitutes() for _ in range(30)])
    assert below(profile, substitutes.__qualname__) > 0.8 * profile.total
    assert below(profile, innocent.__qualname__) < 0.1 * profile.total


def leaf(function: Callable[[], None], line: int) -> tuple[str, str, int]:
    return function.__code__.co_qualname, function.__code__.co_filename, line


@linux_only
@pytest.mark.slow
@one_of_three
def test_each_thread_has_its_own_cpu_while_the_main_thread_waits() -> None:
    def run() -> None:
        threads = [
            threading.Thread(target=much, args=(0.3,), name="busy"),
            threading.Thread(target=little, args=(0.1,), name="less busy"),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    profile = recorded(run)
    busy, less = below(profile, "[thread busy]"), below(profile, "[thread less busy]")
    assert busy / (busy + less) == pytest.approx(0.75, abs=0.12)
    assert busy + less > 0.8 * profile.total
    assert below(profile, "much") > 0.8 * busy


@linux_only
@pytest.mark.slow
@one_of_three
def test_threads_without_a_name_of_their_own_stand_together() -> None:
    def run() -> None:
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(burn, 0.1), pool.submit(burn, 0.1)]:
                future.result()
        thread = threading.Thread(target=burn, args=(0.1,))
        thread.start()
        thread.join()

    profile = recorded(run)
    assert below(profile, "[thread ThreadPoolExecutor-…]") > 0.12
    assert below(profile, "[thread Thread-… (burn)]") > 0.06


@linux_only
@pytest.mark.slow
@one_of_three
def test_threads_seen_only_after_the_main_threads_c_code_are_said_to_be_so() -> None:
    def work() -> None:
        thread = threading.Thread(target=much, args=(0.4,))
        thread.start()
        hashlib.pbkdf2_hmac("sha256", b"text", b"salt", 1_500_000)  # lets threads run, but handles no signals
        thread.join()

    profile = recorded(work)
    assert any("were looked at late" in note for note in profile.notes)
    assert profile.total == pytest.approx(profile.numbers["cpu_s"], rel=0.1)


@linux_only
@pytest.mark.slow
@one_of_three
def test_what_a_thread_used_before_the_recording_does_not_count() -> None:
    may_go_on, has_worked = threading.Event(), threading.Event()

    def work() -> None:
        burn(0.3)
        has_worked.set()
        may_go_on.wait()
        burn(0.05)

    thread = threading.Thread(target=work, name="early")
    thread.start()
    has_worked.wait()
    profile = recorded(lambda: (may_go_on.set(), thread.join()))
    assert below(profile, "[thread early]") < 0.2


# --- what is left behind


def test_nothing_is_left_behind() -> None:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    environment, functions = dict(os.environ), (os.execv, os.execve)
    taking = make_recorder("cpu", RecorderOptions())
    taking.start()
    assert os.environ.get("PYTHONPATH") != environment.get("PYTHONPATH")
    folder = Path(os.environ["PENSTOCK_SAMPLED_BY"].partition(":")[2])
    assert folder.is_dir()
    burn(0.02)
    taking.stop()
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == handlers
    assert dict(os.environ) == environment
    assert (os.execv, os.execve) == functions
    assert not folder.exists()
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_stopping_twice_gives_the_same_profile() -> None:
    taking = recorder()
    taking.start()
    burn(0.02)
    assert taking.stop() is taking.stop()


def test_a_recorder_that_was_never_started_gives_an_empty_profile() -> None:
    assert recorder().stop().stacks == {}


def test_two_recorders_do_not_take_each_others_samples() -> None:
    first, second = recorder(), recorder()
    first.start()
    burn(0.1)
    second.start()
    burn(0.1)
    inner, outer = second.stop(), first.stop()
    assert inner.total < 0.75 * outer.total
    assert inner.total > 0.05


# --- programs with signals of their own


@linux_only
def test_a_program_may_use_sigprof_itself_meanwhile() -> None:
    ticks = []

    def run() -> None:
        signal.signal(signal.SIGPROF, lambda *_: ticks.append(1))
        signal.setitimer(signal.ITIMER_PROF, 0.004, 0.004)
        burn(0.2)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)

    profile = recorded(run)
    assert len(ticks) > 10
    assert below(profile, "burn") > 0.8 * profile.total
    assert profile.total == pytest.approx(profile.numbers["cpu_s"], rel=0.1)


def test_a_program_that_takes_our_signal_keeps_it_and_the_partial_result_says_so() -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    taking = recorder()
    taking.start()
    (ours,) = (number for number in signal.valid_signals() if signal.getsignal(number) != before[number])
    burn(0.1)

    def own(*_: object) -> None:
        pass

    signal.signal(ours, own)
    try:
        burn(0.1)
        profile = taking.stop()
        assert signal.getsignal(ours) is own
    finally:
        signal.signal(ours, signal.SIG_DFL)
    assert "set a handler of its own" in profile.notes[0]
    assert "are missing" in profile.notes[0]
    assert 0.05 < profile.total < 0.17
    assert profile.numbers["unseen_s"] > 0.05


def test_a_program_that_resets_every_signal_survives_and_is_told_what_is_missing() -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    taking = recorder()
    taking.start()
    burn(0.1)
    (ours,) = (number for number in signal.valid_signals() if signal.getsignal(number) != before[number])
    signal.signal(ours, signal.SIG_DFL)  # as `for number in signal.valid_signals(): …` would
    burn(0.1)
    profile = taking.stop()
    assert "are missing" in profile.notes[0]
    assert profile.total > 0.05


def test_a_program_that_blocks_all_signals_is_told_how_much_is_missing() -> None:
    def run() -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {signal.SIGINT, signal.SIGTERM})
        try:
            burn(0.2)
        finally:
            blocked.append(before)

    blocked: list[set[signal.Signals]] = []
    taking = recorder()
    taking.start()
    try:
        run()
        profile = taking.stop()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked[0])
    assert "came after the last sample and are missing" in profile.notes[0]
    assert profile.numbers["unseen_s"] > 0.15
    assert profile.total < 0.05


@pytest.fixture
def interval_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems without POSIX timers."""
    monkeypatch.setattr("penstock.perf.profile.cputimer._HAS_POSIX_TIMERS", False)


@pytest.mark.usefixtures("interval_timers")
def test_with_interval_timers_it_samples_too() -> None:
    profile = recorded(lambda: burn(0.2))
    assert below(profile, "burn") > 0.8 * profile.total > 0.1
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGPROF) is signal.SIG_DFL


@pytest.mark.usefixtures("interval_timers")
def test_with_interval_timers_a_program_that_takes_the_timer_keeps_it() -> None:
    taking = recorder()
    taking.start()
    burn(0.1)
    signal.setitimer(signal.ITIMER_PROF, 50, 50)
    try:
        burn(0.1)
        profile = taking.stop()
        assert signal.getitimer(signal.ITIMER_PROF)[1] == 50
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    assert profile.notes[0].startswith("The program changed the timer ITIMER_PROF, so sampling ended there: ")
    assert 0.05 < profile.total < 0.17


@pytest.mark.usefixtures("interval_timers")
def test_with_interval_timers_a_program_that_uses_them_already_is_an_obstacle() -> None:
    signal.setitimer(signal.ITIMER_PROF, 50)
    try:
        assert CpuTimer.obstacle() == "the program already uses the timer ITIMER_PROF"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, lambda *_: None)
    try:
        assert CpuTimer.obstacle() == "the program already handles SIGPROF"
    finally:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
    assert CpuTimer.obstacle() is None


@linux_only
def test_without_a_free_signal_there_is_an_obstacle() -> None:
    numbers = [int(signal.SIGURG), *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)]
    taken = {number: signal.getsignal(number) for number in numbers}
    for number in taken:
        signal.signal(number, lambda *_: None)
    try:
        assert CpuTimer.obstacle() == "the program handles SIGURG and every real-time signal"
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
    assert CpuTimer.obstacle() is None


def test_outside_the_main_thread_and_without_py_spy_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    raised: list[BaseException] = []

    def start() -> None:
        try:
            recorder().start()
        except ConfigError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    (error,) = raised
    assert isinstance(error, CannotProfile)
    assert "not the main thread" in str(error)
    assert error.hint is not None
    assert "penstock[py-spy]" in error.hint


@pytest.mark.slow
@linux_only
def test_outside_the_main_thread_py_spy_records(tmp_path: Path) -> None:
    if not Path(sys.executable).with_name("py-spy").exists() and shutil.which("py-spy") is None:
        pytest.skip("py-spy is not installed")
    script = tmp_path / "threaded.py"
    script.write_text(
        "import json, threading, time\n"
        "from penstock.perf.profile.recorder import RecorderOptions, make_recorder, CannotProfile\n"
        "def spin():\n"
        "    until = time.thread_time() + 1.5\n"
        "    while time.thread_time() < until: sum(range(300))\n"
        "def record():\n"
        "    recorder = make_recorder('cpu', RecorderOptions(interval_s=0.01))\n"
        "    try: recorder.start()\n"
        "    except CannotProfile as error: print(json.dumps({'error': str(error)})); return\n"
        "    spin()\n"
        "    print(json.dumps(recorder.stop().to_json()))\n"
        "thread = threading.Thread(target=record); thread.start(); thread.join()\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    found = __import__("json").loads(done.stdout)
    if "error" in found:
        assert "py-spy failed" in found["error"]
        pytest.skip(found["error"])
    profile = Profile.from_json(found)
    assert "py-spy" in profile.notes[0]
    assert below(profile, "spin") > 0.8 * profile.total > 0.5


# --- short, deep, many


def test_a_recording_without_work_is_said_to_be_too_short() -> None:
    profile = recorded(lambda: None)
    assert profile.notes[-1].startswith("Too short for a CPU profile:")


@pytest.mark.slow
@one_of_three
def test_a_deep_recursion_keeps_its_leaves() -> None:
    def down(depth: int) -> None:
        if depth:
            down(depth - 1)
        else:
            burn(0.1)

    profile = recorded(lambda: down(2 * DEPTH_MAX // 3))
    heaviest = max(profile.stacks, key=lambda stack: profile.stacks[stack])
    assert heaviest[-1].name == "burn"
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 3_000))
    profile = recorded(lambda: down(2 * DEPTH_MAX))
    heaviest = max(profile.stacks, key=lambda stack: profile.stacks[stack])
    assert heaviest[0].name == "[deeper frames left out]"
    assert len(heaviest) == DEPTH_MAX + 1


@pytest.mark.slow
@one_of_three
def test_a_program_at_its_recursion_limit_hears_nothing_of_the_sampler() -> None:
    def down(depth: int) -> None:
        if depth:
            down(depth - 1)
        else:
            burn(0.05)

    def fits(spare: int) -> bool:
        try:
            down(sys.getrecursionlimit() - len(inspect.stack()) - spare)
        except RecursionError:
            return False
        return True

    least = next(spare for spare in range(1, 50) if fits(spare))
    found: list[bool] = []
    profile = recorded(lambda: found.extend(fits(least + 2 + more) for more in (0, 1, 2, 3, 30)))  # 2: itself
    assert found == [True] * 5
    assert profile.total > 0.03  # with 30 to spare it samples; with fewer it may have to leave a tick out


def test_weights_stay_right_when_there_are_more_stacks_than_are_kept_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.perf.profile.stacks._RAW_MAX", 5)
    monkeypatch.setattr("penstock.perf.profile.stacks._STACKS_MAX", 30)
    stacks = Stacks()
    weights = Weights(stacks)
    codes = [compile("import sys; frame = sys._getframe()", f"file{number}.py", "exec") for number in range(50)]
    for repeat in range(3):
        for number, code in enumerate(codes):
            seen: dict[str, FrameType] = {}
            exec(code, seen)
            weights.add("", stacks.take(seen["frame"]), number + repeat)
            seen.clear()
    profile = Profile(kind="cpu", unit="seconds")
    weights.into(profile)
    assert profile.total == sum(number + repeat for number in range(50) for repeat in range(3))
    assert len(profile.stacks) == 31
    assert profile.stacks[(Frame("[other stacks]"),)] > 0


def test_a_resolved_stack_has_qualified_names_and_the_lines_that_ran() -> None:
    class Outer:
        def method(self) -> tuple[int, ...]:
            return stacks.take(sys._getframe())

    stacks = Stacks()
    stack = stacks.stack(Outer().method())
    assert stack[-1].name.endswith("Outer.method")
    assert stack[-1].line == Outer.method.__code__.co_firstlineno + 1
    assert stack[-2].name == "test_a_resolved_stack_has_qualified_names_and_the_lines_that_ran"
    assert stack[-1].file == __file__
