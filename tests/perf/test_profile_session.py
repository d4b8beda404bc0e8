"""`with profile(...)`: several kinds at once, files and lines afterwards, and nothing left running whatever happens."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import perf_counter, process_time

import pytest

from penstock.errors import ConfigError
from penstock.perf.profile import CannotProfile, Profile, profile
from penstock.perf.profile.model import Kind

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no timer signals")


async def work(seconds: float = 0.05) -> None:
    until_s = perf_counter() + seconds
    while perf_counter() < until_s:
        await asyncio.sleep(0)


async def work_and_fail() -> None:
    await work()
    raise ZeroDivisionError


def test_the_profile_is_there_after_the_block() -> None:
    with profile("await", title="mine", interval_s=0.001) as p:
        asyncio.run(work())
    assert isinstance(p.profile, Profile)
    assert (p.profile.kind, p.profile.title) == ("await", "mine")
    assert p.profile.samples > 0
    assert p.profiles == {"await": p.profile}


def test_it_works_around_a_part_of_a_coroutine() -> None:
    async def main() -> Profile:
        async with profile("await", interval_s=0.001) as p:
            await work()
        return p.profile

    found = asyncio.run(main())
    assert any(frame.name == "work" for stack in found.stacks for frame in stack)


@pytest.mark.parametrize("kinds", [("await", "loop"), ("cpu", "await"), ("cpu", "await", "loop")])
def test_several_kinds_at_once(kinds: tuple[Kind, ...]) -> None:
    with profile(*kinds, interval_s=0.002) as p:
        asyncio.run(work(0.15))
    assert tuple(p.profiles) == kinds
    assert p.profile.kind == kinds[0]
    assert all(found.samples > 0 for found in p.profiles.values())


def test_files_and_lines(tmp_path: Path) -> None:
    with profile("await", interval_s=0.001) as p:
        asyncio.run(work())
    paths = p.write(tmp_path / "new" / "folder")
    assert {path.name for path in paths} >= {"await.html", "await.folded", "await.speedscope.json", "await.json"}
    (document,) = [json.loads(path.read_text("utf-8")) for path in paths if path.name == "await.json"]
    assert Profile.from_json(document).stacks == p.profile.stacks
    assert 2 <= len(p.top()) <= 10
    assert len(p.top(2)) == 2
    assert "runnable" in p.top()[1]


def test_an_exception_inside_passes_and_the_profile_is_kept() -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    p = profile("await", "cpu", interval_s=0.001)
    with pytest.raises(ZeroDivisionError), p:
        asyncio.run(work_and_fail())
    assert p.profile.samples > 0
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before


def test_asking_inside_the_block_or_using_it_twice_is_refused() -> None:
    p = profile("await")
    with p:
        with pytest.raises(RuntimeError, match="expected the `with` block to have ended"):
            _ = p.profile
        with pytest.raises(RuntimeError, match="expected the `with` block to have ended"):
            p.top()
    with pytest.raises(RuntimeError, match="expected a new profile"):
        p.__enter__()


@pytest.mark.parametrize("kinds", [("flame",), ("cpu", "cpu")])
def test_unknown_and_doubled_kinds_are_refused(kinds: tuple[Kind, ...]) -> None:
    with pytest.raises(ConfigError, match="expected some of cpu, await, memory, loop"):
        profile(*kinds)


@pytest.mark.leaves("libunwind, which memray uses, keeps a pipe for good")
def test_where_one_kind_cannot_be_recorded_none_is_left_running() -> None:
    pytest.importorskip("memray")
    failures: list[BaseException] = []

    def elsewhere() -> None:
        try:
            with profile("memory", "await"):  # memory works in any thread, await in the main one only
                pass
        except CannotProfile as error:
            failures.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in str(failures[0])
    with profile("memory") as p:  # would be refused if the first were still active
        pass
    assert p.profile.kind == "memory"


def test_cpu_is_what_is_recorded_when_no_kind_is_named() -> None:
    with profile(interval_s=0.001) as p:
        until_s = process_time() + 0.05
        while process_time() < until_s:
            pass
    assert p.profile.kind == "cpu"


@pytest.mark.slow
def test_importing_the_name_imports_no_sampler_and_no_asyncio() -> None:
    program = """
import sys
import penstock.perf.profile.pytest_plugin
from penstock.perf.profile import profile
heavy = {"asyncio", "memray", "ctypes", "pyarrow", "pycurl", "rich"} & set(sys.modules)
print(sorted(heavy))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
