"""Who held the memory at its high-water mark, and what was never freed: memray's records as a profile in bytes.

memray tracks every allocation of the process; here its file is read and thrown away. It makes a program about 1.5 to 6
times slower, so times of such a run mean nothing. The rule: what memray cannot see is told in the notes.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import TYPE_CHECKING, Any

from penstock.perf.profile.model import Frame, Profile, Stack, short_place
from penstock.perf.profile.otherprocesses import OtherProcesses
from penstock.perf.profile.recorder import CannotProfile, RecorderOptions

if TYPE_CHECKING:
    from memray import AllocationRecord, FileReader

LEAKS_MAX = 20
RESERVE_BYTES_MIN = 64 * 2**20
_HERE = Path(__file__).parent
_STARTERS = ("runpy>", "/runpy.py", "/click/core.py", "/click/decorators.py", "/penstock/cli/main.py")
_NO_STACK = (Frame("[no Python frame]"),)


class MemoryRecorder:
    """Records all threads of this process with `memray.Tracker`.

    Stacks hold the bytes that were allocated at the moment when most were. `python_allocators` tells Python's small
    objects one by one: right to the line, but about 4 times slower again; without it they show as the arenas of up to
    1 MiB that hold them, on the line that needed the next arena. A place that allocated more than the process ever had
    resident (allocators reserve address space that they never touch) is left out, with a note.

    `numbers`: `peak_bytes` (the stacks' sum), `peak_allocations`, `reserved_bytes` (what was left out), `leaked_bytes`
    (not freed at the end), `rss_peak_bytes` (the most that was resident since the process began).
    `details["leaks"]`: the LEAKS_MAX largest places of what was not freed, as {place, bytes, allocations, stack}.
    """

    def __init__(self, options: RecorderOptions | None = None, *, python_allocators: bool = False) -> None:
        self._options = options or RecorderOptions()
        self._python_allocators = python_allocators
        self._tracker: Any = None
        self._folder: Path | None = None
        self._started_s = 0.0
        self._pid = os.getpid()
        self._others = OtherProcesses()
        self._profile: Profile | None = None

    def start(self) -> None:
        """Begin. Raises CannotProfile without memray, and while another tracker of memray is active."""
        memray = _memray()
        folder = Path(tempfile.mkdtemp(prefix="penstock-memory-"))
        tracker = memray.Tracker(
            folder / "memory.bin",
            file_format=memray.FileFormat.AGGREGATED_ALLOCATIONS,
            trace_python_allocators=self._python_allocators,
        )
        try:
            tracker.__enter__()
        except (RuntimeError, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise CannotProfile(
                f"memory profile: expected to start memray's tracker, got: {error}",
                hint="run it without `memray run`, pytest-memray or a second memory profile around it",
            ) from error
        self._tracker, self._folder, self._pid = tracker, folder, os.getpid()
        self._others = OtherProcesses()
        self._started_s = perf_counter()

    def stop(self) -> Profile:
        """End, read what was recorded and delete memray's file. A second call returns the same profile."""
        if self._profile is not None:
            return self._profile
        self._profile = profile = Profile("memory", "bytes", title=self._options.title)
        tracker, folder, self._tracker = self._tracker, self._folder, None
        if tracker is None or folder is None:
            return profile
        if os.getpid() != self._pid:
            profile.notes.append("This process was forked from the one that was profiled; its memory was not tracked.")
            return profile
        profile.duration_s = perf_counter() - self._started_s
        try:
            gc.collect()  # what is only waiting for the collector is no leak
            tracker.__exit__(None, None, None)
            self._read(folder / "memory.bin", profile)
        except (OSError, RuntimeError, ValueError) as error:
            profile.notes.append(f"memray's records could not be read, so this is incomplete: {error}.")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        profile.notes += self._notes(profile)
        return profile

    def _read(self, path: Path, profile: Profile) -> None:
        with _memray().FileReader(path) as reader:
            profile.samples = sum(1 for _ in reader.get_memory_snapshots())
            profile.numbers["rss_peak_bytes"] = _resident_bytes_max()
            _add_high_water_mark(reader, profile)
            _add_leaks(reader, profile)

    def _notes(self, profile: Profile) -> list[str]:
        notes = []
        if not profile.stacks:
            notes.append("No allocation was seen: the program ended too soon, or used only memory that it already had.")
        if not self._python_allocators:
            notes.append(
                "Small Python objects are shown as the arenas (up to 1 MiB) that hold them, on the line that needed "
                "the next one; memory that was allocated before the start is not in it."
            )
        backend = _arrow_pool()
        if backend not in {"", "system"}:
            notes.append(
                f"pyarrow takes memory from the system in large pieces ({backend}), which stand on the line that "
                "needed the next one. ARROW_DEFAULT_MEMORY_POOL=system shows each buffer."
            )
        return notes + self._others.notes("memory")


def _add_high_water_mark(reader: FileReader, profile: Profile) -> None:
    allocations, reserved = 0, Profile("memory", "bytes")
    for record in reader.get_high_watermark_allocation_records(merge_threads=True):
        if _is_reserve(record, profile):
            reserved.add(_stack(record), float(record.size))
            continue
        profile.add(_stack(record), float(record.size))
        allocations += record.n_allocations
    profile.numbers["peak_bytes"] = profile.total
    profile.numbers["peak_allocations"] = float(allocations)
    profile.numbers["reserved_bytes"] = reserved.total
    for stack, size in reserved.stacks.items():
        profile.notes.append(
            f"{size / 2**20:,.0f} MiB of address space taken at {short_place(stack[-1])} is left out: the process "
            "never had so much resident in all. It is an allocator's reserve, a mapped file, or was never touched."
        )


def _add_leaks(reader: FileReader, profile: Profile) -> None:
    """The places that hold what was not freed, by the line that allocated it. Reserves are no leak."""
    sites: dict[Frame, _Site] = {}
    for record in reader.get_leaked_allocation_records(merge_threads=True):
        if not _is_reserve(record, profile):
            stack = _stack(record)
            sites.setdefault(stack[-1], _Site()).add(stack, record)
    largest = sorted(sites.items(), key=lambda entry: -entry[1].size)
    profile.numbers["leaked_bytes"] = float(sum(site.size for site in sites.values()))
    profile.details["leaks"] = [
        {"place": short_place(frame), "bytes": site.size, "allocations": site.allocations, "stack": _plain(site.stack)}
        for frame, site in largest[:LEAKS_MAX]
    ]


def _is_reserve(record: AllocationRecord, profile: Profile) -> bool:
    return record.size > max(RESERVE_BYTES_MIN, profile.numbers["rss_peak_bytes"])


def _resident_bytes_max() -> float:
    """The most the process ever had resident, as the kernel counted it: looks every 10 ms miss short peaks."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


class _Site:
    """What one line allocated; `stack` is the largest of those that led there."""

    def __init__(self) -> None:
        self.size = self.allocations = self._largest = 0
        self.stack: Stack = ()

    def add(self, stack: Stack, record: AllocationRecord) -> None:
        self.size += record.size
        self.allocations += record.n_allocations
        if record.size > self._largest:
            self._largest, self.stack = record.size, stack


def _stack(record: AllocationRecord) -> Stack:
    """memray's stack, root first, without how `penstock profile` started the program."""
    frames = [Frame(name, file, line) for name, file, line in record.stack_trace()]
    frames.reverse()
    first = next((at for at in range(len(frames), 0, -1) if Path(frames[at - 1].file).parent == _HERE), 0)
    while 0 < first < len(frames) and frames[first].file.replace(os.sep, "/").endswith(_STARTERS):
        first += 1
    return tuple(frames[first:]) or tuple(frames) or _NO_STACK


def _plain(stack: Iterable[Frame]) -> list[list[object]]:
    return [list(frame) for frame in stack]


def _memray() -> ModuleType:
    try:
        import memray
    except ImportError as error:
        where = "memray does not exist for Windows" if sys.platform == "win32" else f"{error}"
        raise CannotProfile(
            f"memory profile: expected the package memray, got none ({where})",
            hint="pip install 'penstock[memory]'; it works on Linux and macOS",
        ) from error
    return memray


def _arrow_pool() -> str:
    """The name of pyarrow's allocator, empty when the program did not use pyarrow."""
    pyarrow = sys.modules.get("pyarrow")
    return str(pyarrow.default_memory_pool().backend_name) if pyarrow is not None else ""
