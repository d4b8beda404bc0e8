"""What the await recorder does where it cannot work, or is disturbed: a clear message, a partial result, no damage."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from penstock.perf.profile.awaiting import AwaitRecorder
from penstock.perf.profile.model import Profile
from penstock.perf.profile.recorder import CannotProfile, RecorderOptions, make_recorder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no timer signals")
FAST = RecorderOptions(interval_s=0.001, title="a test")


def recorded(coroutine: Any = None, options: RecorderOptions = FAST) -> Profile:
    recorder = AwaitRecorder(options)
    recorder.start()
    try:
        if coroutine is not None:
            asyncio.run(coroutine)
    finally:
        profile = recorder.stop()
    return profile


async def compute(looks: int = 10) -> None:
    """Busy until about so many looks must have come."""
    until_s = perf_counter() + looks * 0.003
    while perf_counter() < until_s:
        pass


def script(text: str, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "script.py"
    path.write_text(text)
    return subprocess.run(
        [sys.executable, "-W", "error", path, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_factory_makes_it() -> None:
    assert isinstance(make_recorder("await", RecorderOptions()), AwaitRecorder)


def test_it_must_start_in_the_main_thread() -> None:
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            AwaitRecorder().start()
        except CannotProfile as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere, name="not-main")
    thread.start()
    thread.join()
    assert "expected to be started in the main thread, got thread 'not-main'" in str(errors[0])


def test_a_program_that_ends_at_once_gives_an_empty_profile_and_says_so() -> None:
    profile = recorded(options=RecorderOptions(interval_s=10))
    assert profile.stacks == {}
    assert profile.notes == ["It ended before the first look (one every 10000 ms on average)."]
    assert profile.numbers["waiting_s"] == 0.0


def test_a_program_without_a_loop_says_so() -> None:
    recorder = AwaitRecorder(FAST)
    recorder.start()
    until_s = perf_counter() + 0.05
    while perf_counter() < until_s:
        pass
    profile = recorder.stop()
    assert profile.samples > 0
    assert profile.stacks == {}
    assert profile.numbers["outside_loop_s"] > 0
    assert profile.notes[0].startswith("No asyncio event loop ran in the main thread")


def test_a_second_stop_returns_the_same_and_without_a_start_it_is_empty() -> None:
    recorder = AwaitRecorder(FAST)
    profile = recorder.stop()
    assert profile.stacks == {}
    assert recorder.stop() is profile


def test_numbers_add_up_to_the_stacks_and_are_told_by_coroutine() -> None:
    profile = recorded(compute())
    assert profile.title == "a test"
    states = [profile.numbers[f"{state}_s"] for state in ("running", "runnable", "waiting")]
    assert sum(states) == pytest.approx(profile.total)
    (entry,) = profile.details["coroutines"]  # type: ignore[misc]  # plain JSON
    assert entry["name"] == "compute"
    assert entry["running_s"] == pytest.approx(profile.numbers["running_s"])
    assert 0 < profile.numbers["own_cost_share"] < 0.5


def test_handlers_and_timers_are_as_before() -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    recorded(compute())
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before


class Hostile(asyncio.Future[None]):
    """A future that fails when it is asked anything."""

    armed = False

    def done(self) -> bool:
        if self.armed:
            raise RuntimeError("do not ask")
        return super().done()


def test_a_look_that_fails_never_reaches_the_program() -> None:
    async def main() -> str:
        future = Hostile()

        async def waits() -> None:
            await future

        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        future.armed = True
        await compute()
        future.armed = False
        future.set_result(None)
        await task
        return "unharmed"

    result: list[str] = []

    async def outer() -> None:
        result.append(await main())

    profile = recorded(outer())
    assert result == ["unharmed"]
    assert "A look failed and was left out: RuntimeError: do not ask" in profile.notes


def test_a_keyboard_interrupt_during_it_is_an_ordinary_one() -> None:
    async def main() -> None:
        await compute()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        recorded(main())


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="eager tasks came with Python 3.12")
def test_the_caller_of_an_eager_task_runs_as_much_as_the_task() -> None:
    async def child() -> None:
        await compute(30)

    async def parent() -> None:
        await asyncio.create_task(child())

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]  # 3.12
        await asyncio.create_task(parent())

    profile = recorded(main())
    running = {stack[1].name.rpartition(".")[2] for stack in profile.stacks if stack[0].name == "[running]"}
    assert running == {"child", "parent", "task main"} or {"child", "parent", "main"} == running
    runnable = profile.numbers["runnable_s"]
    assert runnable < 0.1 * profile.total


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the program's alarm is the only timer there is")
def test_a_programs_own_alarm_goes_off_and_is_no_matter(tmp_path: Path) -> None:
    done = script(
        """
import asyncio, signal
from penstock.perf.profile.awaiting import AwaitRecorder

rings = []
recorder = AwaitRecorder()
recorder.start()
signal.signal(signal.SIGALRM, lambda *_: rings.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
asyncio.run(asyncio.sleep(0.5))
signal.setitimer(signal.ITIMER_REAL, 0)
profile = recorder.stop()
assert len(rings) >= 2, rings
assert profile.samples >= 5, profile.samples
assert profile.notes == [], profile.notes
print("ok")
""",
        tmp_path,
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


@pytest.mark.slow
def test_the_portable_timer_is_not_taken_from_a_program_that_uses_it(tmp_path: Path) -> None:
    done = script(
        """
import signal
from penstock.perf.profile.awaiting import AwaitRecorder
from penstock.perf.profile.recorder import CannotProfile

signal.alarm(60)
try:
    AwaitRecorder(timer="alarm").start()
except CannotProfile as error:
    print(error)
assert signal.alarm(0) > 50
signal.signal(signal.SIGALRM, print)
try:
    AwaitRecorder(timer="alarm").start()
except CannotProfile:
    assert signal.getsignal(signal.SIGALRM) is print
    print("refused")
""",
        tmp_path,
    )
    assert done.stderr == ""
    assert "expected SIGALRM to be free" in done.stdout
    assert done.stdout.endswith("refused\n")


@pytest.mark.slow
def test_a_program_that_takes_the_portable_timer_keeps_it_and_the_profile_is_partial(tmp_path: Path) -> None:
    done = script(
        """
import asyncio, signal
from penstock.perf.profile.awaiting import AwaitRecorder

async def main():
    await asyncio.sleep(0.2)
    signal.signal(signal.SIGALRM, handler)
    signal.alarm(30)
    await asyncio.sleep(0.2)

def handler(*_): ...

recorder = AwaitRecorder(timer="alarm")
recorder.start()
asyncio.run(main())
profile = recorder.stop()
assert profile.numbers["waiting_s"] > 0
assert signal.getsignal(signal.SIGALRM) is handler
assert signal.alarm(0) > 20
print(profile.notes)
""",
        tmp_path,
    )
    assert done.stderr == ""
    assert "The program took the timer signal for itself" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("timer", ["own", "alarm"])
def test_children_are_not_hit_by_the_timer(timer: str, tmp_path: Path) -> None:
    """A forked child has no timer, and one that runs another program is not killed by a signal it never asked for."""
    if timer == "own" and sys.platform != "linux":
        pytest.skip("Linux only")
    done = script(
        """
import asyncio, os, subprocess, sys, time
from penstock.perf.profile.awaiting import AwaitRecorder
from penstock.perf.profile.recorder import RecorderOptions

async def main():
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(0.3)")
    assert await process.wait() == 0
    assert subprocess.run(["sleep", "0.2"]).returncode == 0
    child = os.fork()
    if child == 0:
        until = time.process_time() + 0.2
        while time.process_time() < until: pass
        profile = recorder.stop()
        os._exit(0 if "was forked" in profile.notes[0] else 1)
    assert os.waitpid(child, 0)[1] == 0

recorder = AwaitRecorder(RecorderOptions(interval_s=0.002), timer=sys.argv[1])
recorder.start()
asyncio.run(main())
profile = recorder.stop()
assert any(note.startswith("There were child processes (") for note in profile.notes), profile.notes
assert profile.numbers["waiting_s"] > 0.2
print("ok")
""",
        tmp_path,
        timer,
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("timer", ["own", "alarm"])
def test_a_program_that_becomes_another_one_is_not_ended_by_the_timer(timer: str, tmp_path: Path) -> None:
    if timer == "own" and sys.platform != "linux":
        pytest.skip("Linux only")
    done = script(
        """
import os, sys, time
from penstock.perf.profile.awaiting import AwaitRecorder
from penstock.perf.profile.recorder import RecorderOptions

recorder = AwaitRecorder(RecorderOptions(interval_s=0.05), timer=sys.argv[1])
recorder.start()
try:
    os.execv("/there/is/no/such/program", ["none"])
except FileNotFoundError:
    until = time.monotonic() + 0.3
    while time.monotonic() < until: pass
assert recorder._found.looks > 0
os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(0.3); print('ok')"])
""",
        tmp_path,
        timer,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("ok\n", "", 0)
