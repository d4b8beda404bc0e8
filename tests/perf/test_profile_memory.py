"""The memory profile against allocations of known size, and where memray cannot be used."""

from __future__ import annotations

import asyncio
import mmap
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.perf.profile.memory import LEAKS_MAX, MemoryRecorder
from penstock.perf.profile.model import Profile
from penstock.perf.profile.recorder import CannotProfile, RecorderOptions, make_recorder

MB = 1_000_000


@pytest.fixture(scope="module")
def memray(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """memray after its first tracker: libunwind keeps a pipe for good from then on."""
    module = pytest.importorskip("memray")
    with module.Tracker(tmp_path_factory.mktemp("memray") / "first.bin"):
        pass
    return module


def recorded(program: Callable[[], object], *, python_allocators: bool = False) -> Profile:
    recorder = MemoryRecorder(RecorderOptions(title="a test"), python_allocators=python_allocators)
    recorder.start()
    try:
        program()
    finally:
        profile = recorder.stop()
    return profile


def weight(profile: Profile, name: str) -> float:
    return sum(weight for stack, weight in profile.stacks.items() if any(frame.name == name for frame in stack))


def holds(size: int) -> int:
    blocks = [bytearray(size // 4) for _ in range(4)]
    return len(blocks)


def keeps(size: int, kept: list[bytearray]) -> None:
    kept.append(bytearray(size))


async def parses(size: int) -> None:
    await asyncio.sleep(0)
    holds(size)


async def works(size: int) -> None:
    await parses(size)


@pytest.mark.usefixtures("memray")
def test_the_high_water_mark_is_who_held_it_then() -> None:
    kept: list[bytearray] = []

    def program() -> None:
        holds(8 * MB)
        keeps(5 * MB, kept)
        holds(20 * MB)

    profile = recorded(program)
    assert (profile.kind, profile.unit, profile.title) == ("memory", "bytes", "a test")
    assert weight(profile, "holds") == pytest.approx(20 * MB, rel=0.01)
    assert weight(profile, "keeps") == pytest.approx(5 * MB, rel=0.01)
    assert profile.numbers["peak_bytes"] == pytest.approx(profile.total)
    assert profile.numbers["peak_bytes"] == pytest.approx(25 * MB, rel=0.05)
    assert profile.numbers["peak_allocations"] >= 5


@pytest.mark.usefixtures("memray")
def test_what_is_not_freed_is_told_by_the_line_that_allocated_it() -> None:
    kept: list[bytearray] = []

    def program() -> None:
        for size in (1, 2, 3):
            keeps(size * MB, kept)
        holds(20 * MB)

    profile = recorded(program)
    leaks = profile.details["leaks"]
    assert isinstance(leaks, list)
    first = leaks[0]
    assert first["bytes"] == pytest.approx(6 * MB, rel=0.01)
    assert first["allocations"] == 3
    assert first["place"].startswith("keeps (")
    assert f":{keeps.__code__.co_firstlineno + 1})" in first["place"]
    assert first["stack"][-1][0] == "keeps"
    assert profile.numbers["leaked_bytes"] == pytest.approx(6 * MB, rel=0.05)
    assert len(leaks) <= LEAKS_MAX


@pytest.mark.usefixtures("memray")
def test_garbage_in_cycles_is_no_leak() -> None:
    def program() -> None:
        cycle: list[object] = [bytearray(4 * MB)]
        cycle.append(cycle)

    profile = recorded(program)
    assert profile.numbers["peak_bytes"] > 4 * MB
    assert profile.numbers["leaked_bytes"] < 1 * MB


@pytest.mark.usefixtures("memray")
def test_the_stack_of_an_allocation_is_the_running_chain_of_coroutines() -> None:
    profile = recorded(lambda: asyncio.run(works(9 * MB)))
    (stack,) = [stack for stack, weight in profile.stacks.items() if weight > 8 * MB]
    names = [frame.name for frame in stack]
    places = [names.index(name) for name in ("works", "parses", "holds")]
    assert places == sorted(places)
    assert all(frame.file and frame.line > 0 for frame in stack)


@pytest.mark.usefixtures("memray")
def test_memory_from_mmap_counts_too() -> None:
    def program() -> None:
        with mmap.mmap(-1, 7 * MB) as area:
            area[0] = 1

    assert recorded(program).numbers["peak_bytes"] == pytest.approx(7 * MB, rel=0.1)


@pytest.mark.usefixtures("memray")
def test_address_space_that_was_never_touched_is_left_out_and_told() -> None:
    size = 2**36  # far more than this machine has

    def program() -> None:
        mapped.append(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0))
        holds(20 * MB)

    mapped: list[mmap.mmap] = []
    profile = recorded(program)
    mapped[0].close()
    assert profile.numbers["reserved_bytes"] == size
    assert weight(profile, "holds") == pytest.approx(20 * MB, rel=0.01)
    assert profile.numbers["leaked_bytes"] < MB
    assert any("65,536 MiB of address space taken at program (" in note for note in profile.notes)


@pytest.mark.usefixtures("memray")
def test_python_allocators_show_small_objects_on_their_own_line() -> None:
    def small() -> list[str]:
        return [f"text number {number}" for number in range(30_000)]

    profile = recorded(small, python_allocators=True)
    lines = weight(profile, "small") + weight(profile, "<listcomp>") * (sys.version_info < (3, 12))
    assert lines > 30_000 * 60
    assert not any("arenas" in note for note in profile.notes)


@pytest.mark.usefixtures("memray")
def test_notes_say_what_is_not_seen() -> None:
    notes = recorded(lambda: holds(MB)).notes
    assert any("Small Python objects are shown as the arenas" in note for note in notes)


@pytest.mark.usefixtures("memray")
def test_a_second_tracker_is_refused_and_the_first_goes_on() -> None:
    kept: list[bytearray] = []

    def program() -> None:
        with pytest.raises(CannotProfile, match="No more than one Tracker"):
            MemoryRecorder().start()
        keeps(3 * MB, kept)

    assert weight(recorded(program), "keeps") == pytest.approx(3 * MB, rel=0.01)


@pytest.mark.usefixtures("memray")
def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    recorder = make_recorder("memory", RecorderOptions())
    recorder.start()
    assert list(tmp_path.iterdir())
    profile = recorder.stop()
    assert recorder.stop() is profile
    assert list(tmp_path.iterdir()) == []


def test_without_a_start_it_is_empty() -> None:
    assert MemoryRecorder().stop().stacks == {}


@pytest.mark.slow
def test_without_memray_the_message_says_what_to_install() -> None:
    program = """
import sys
sys.modules["memray"] = None  # as Python itself marks a module that cannot be imported
from penstock.perf.profile.memory import MemoryRecorder
from penstock.perf.profile.recorder import CannotProfile
try:
    MemoryRecorder().start()
except CannotProfile as error:
    print(error, error.hint)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert "expected the package memray" in done.stdout
    assert "pip install 'penstock[memory]'" in done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("memray")
@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_a_forked_child_is_told_of_and_leaves_the_parents_record_alone() -> None:
    program = """
import os
from penstock.perf.profile.memory import MemoryRecorder
recorder = MemoryRecorder()
recorder.start()
block = bytearray(3_000_000)
child = os.fork()
if child == 0:
    more = [bytearray(10_000_000) for _ in range(3)]
    import time
    until = time.process_time() + 0.1
    while time.process_time() < until: pass
    os._exit(0 if "was forked" in recorder.stop().notes[0] else 1)
assert os.waitpid(child, 0)[1] == 0
profile = recorder.stop()
assert 3_000_000 <= profile.numbers["peak_bytes"] < 5_000_000, profile.numbers
print(profile.notes[-1])
"""
    # memray's thread makes Python 3.12 and later warn of every fork.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("There were child processes")
