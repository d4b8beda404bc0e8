"""What the system says of this process and its machine, cheap enough for once a second: /proc, elsewhere little.

It measures; what the numbers mean is the verdict's business. The rule: what the system does not tell is None, never 0,
and nothing here may raise into a run. Wall time comes from the caller; the clocks read here are CPU clocks.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

THREADS_MAX = 32
OTHER_THREADS = "(other)"

_READ_MAX = 4096
# /proc/<pid>/stat after the name: utime, stime, cutime, cstime are fields 14 to 17 (proc_pid_stat(5)).
_CHILD_CPU = slice(11, 15)


@dataclass(slots=True)
class Reading:
    """What `MachineMeter.read` found; None: the system does not tell, or there is no earlier reading to compare with.

    Over the `span_s` seconds since the reading before: shares of that time (0 to 1) in which the loop's thread ran
    (`loop_run`) and was ready while the machine ran others (`loop_runqueue`), together at most 1; seconds that all
    threads together were ready and did not run (`runqueue_s`), CPU seconds of this process (`cpu_s`) and of its
    children (`cpu_children_s`); shares of all cores' time (0 to 1) that the machine worked (`machine_busy`, stolen
    time not included) and that its hypervisor gave to others (`machine_steal`).

    Of now: `rss_bytes` resident, `fds` open descriptors, `cpu_pressure` the share of the last 10 s in which some
    runnable task of the machine waited for a core (PSI `some avg10`, 0 to 1).
    """

    span_s: float = 0.0
    loop_run: float | None = None
    loop_runqueue: float | None = None
    runqueue_s: float | None = None
    cpu_s: float | None = None
    cpu_children_s: float | None = None
    rss_bytes: int | None = None
    fds: int | None = None
    machine_busy: float | None = None
    machine_steal: float | None = None
    cpu_pressure: float | None = None


@dataclass(frozen=True, slots=True)
class _Totals:
    """What only ever grows, at one instant. `threads`: thread id → (seconds run, seconds ready but not running)."""

    now_s: float
    cpu_s: float
    children_s: float | None
    threads: dict[int, tuple[float, float]] | None
    cores: tuple[int, int, int] | None  # ticks of all cores: all, busy, stolen


class MachineMeter:
    """Reads the system and gives the differences between readings. Not for several threads at once.

    The kernel adds to a running thread's time at each clock tick (1 to 10 ms) and counts cores in 10 ms: read about
    once a second, not twenty times.
    """

    def __init__(self, *, proc: Path = Path("/proc"), loop_thread_id: int | None = None) -> None:
        """`loop_thread_id`: native id of the event loop's thread; None: the thread that calls `read` first."""
        self._proc = str(proc)
        self._loop_thread_id = loop_thread_id
        self._last: _Totals | None = None
        self._names: dict[int, str] = {}
        self._cpu_by_thread: dict[str, float] = {}
        self._page_bytes = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01

    def read(self, now_s: float, child_pids: Iterable[int] | None = None) -> Reading:
        """The reading at `now_s` (monotonic, seconds). The first has no differences; nor has one at the same instant.

        `child_pids`: the children whose CPU counts (those already waited for count anyway); None: all that the system
        lists. A child's own children count once it has waited for them. Costs 80 µs with 9 threads, about 5 µs more
        for each further thread or child (Linux 6.18, 2-core Xeon).
        """
        if self._loop_thread_id is None:
            self._loop_thread_id = threading.get_native_id()
        now = self._totals(now_s, child_pids)
        reading = Reading(rss_bytes=self._rss_bytes(), fds=self._fds(), cpu_pressure=self._cpu_pressure())
        last, self._last = self._last, now
        if last is None:
            return reading
        self._compare(last, now, reading)
        return reading

    @property
    def cpu_by_thread(self) -> dict[str, float]:
        """CPU seconds since the first reading by thread name, most first; ended threads count up to their last reading.

        Threads of one name are added up; at most 32 names, the rest is `(other)`. Empty where the system does not tell.
        """
        return dict(sorted(self._cpu_by_thread.items(), key=lambda pair: pair[1], reverse=True))

    def _totals(self, now_s: float, child_pids: Iterable[int] | None) -> _Totals:
        threads = self._threads()
        children = self._children_s(threads or (), child_pids)
        return _Totals(now_s, time.process_time(), children, threads, self._cores())

    def _compare(self, last: _Totals, now: _Totals, reading: Reading) -> None:
        span_s = now.now_s - last.now_s
        if span_s <= 0:
            return
        reading.span_s = span_s
        reading.cpu_s = max(0.0, now.cpu_s - last.cpu_s)
        if now.children_s is not None and last.children_s is not None:
            # The kernel's list of children may leave one out now and then; back in it, all its time must not be new.
            grown_s = max(0.0, now.children_s - last.children_s)
            reading.cpu_children_s = min(grown_s, span_s * (os.cpu_count() or 1))
        if now.threads is not None and last.threads is not None:
            self._compare_threads(last.threads, now.threads, reading)
        if now.cores is not None and last.cores is not None:
            total, busy, stolen = (a - b for a, b in zip(now.cores, last.cores, strict=True))
            if total > 0:
                reading.machine_busy = _share(busy / total)
                reading.machine_steal = _share(stolen / total)

    def _compare_threads(
        self, last: dict[int, tuple[float, float]], now: dict[int, tuple[float, float]], reading: Reading
    ) -> None:
        names = {thread.native_id: thread.name for thread in threading.enumerate()}
        runqueue_s = 0.0
        for thread_id, (run, waited) in now.items():
            run_before, waited_before = last.get(thread_id, (0.0, 0.0))
            if run < run_before or waited < waited_before:
                run_before = waited_before = 0.0  # a new thread with the id of one that ended
            run_s, waited_s = run - run_before, waited - waited_before
            runqueue_s += waited_s
            self._count_thread(names.get(thread_id) or self._name(thread_id), run_s)
            if thread_id == self._loop_thread_id:
                # Both are counted a little before or after `now_s`, so their sum can come out over the span.
                whole_s = max(reading.span_s, run_s + waited_s)
                reading.loop_run, reading.loop_runqueue = run_s / whole_s, waited_s / whole_s
        for thread_id in self._names.keys() - now.keys():
            del self._names[thread_id]
        reading.runqueue_s = runqueue_s

    def _count_thread(self, name: str, run_s: float) -> None:
        counted = self._cpu_by_thread
        if name not in counted and len(counted) >= THREADS_MAX - 1:
            name = OTHER_THREADS
        counted[name] = counted.get(name, 0.0) + run_s

    def _name(self, thread_id: int) -> str:
        """The system's name of a thread that Python did not start (of Arrow, of libcurl's resolver)."""
        name = self._names.get(thread_id)
        if name is None:
            comm = _content(f"{self._proc}/self/task/{thread_id}/comm")
            name = self._names[thread_id] = comm.decode("utf-8", "replace").strip() or OTHER_THREADS
        return name

    def _threads(self) -> dict[int, tuple[float, float]] | None:
        """Each thread's seconds run and waited in run queues (kernel: Documentation/scheduler/sched-stats)."""
        folder = f"{self._proc}/self/task"
        threads = {}
        for name in _entries(folder):
            numbers = _integers(_content(f"{folder}/{name}/schedstat").split())
            if len(numbers) >= 2 and numbers[0] > 0:  # all are 0 where the kernel was built without them
                threads[int(name)] = (numbers[0] / 1e9, numbers[1] / 1e9)
        return threads or None

    def _children_s(self, thread_ids: Iterable[int], child_pids: Iterable[int] | None) -> float | None:
        if os.name != "posix":
            return None
        times = os.times()
        if child_pids is None:
            folder = f"{self._proc}/self/task"
            child_pids = [
                pid for thread in thread_ids for pid in _integers(_content(f"{folder}/{thread}/children").split())
            ]
        ticks = 0
        for pid in child_pids:
            # The name may hold anything, also `) R 1`: what counts comes after the last parenthesis.
            fields = _content(f"{self._proc}/{pid}/stat").rpartition(b")")[2].split()
            ticks += sum(_integers(fields[_CHILD_CPU]))
        return times.children_user + times.children_system + ticks * self._tick_s

    def _cores(self) -> tuple[int, int, int] | None:
        line = _content(f"{self._proc}/stat").partition(b"\n")[0].split()
        if len(line) < 9 or line[0] != b"cpu":
            return None
        # user nice system idle iowait irq softirq steal; guest time is in user already (proc_stat(5)).
        ticks = _integers(line[1:9])
        if len(ticks) < 8:
            return None
        total, steal = sum(ticks), ticks[7]
        return total, total - ticks[3] - ticks[4] - steal, steal

    def _rss_bytes(self) -> int | None:
        pages = _integers(_content(f"{self._proc}/self/statm").split()[1:2])
        return pages[0] * self._page_bytes if pages else None

    def _fds(self) -> int | None:
        folder = f"{self._proc}/self/fd"
        try:
            count = os.stat(folder).st_size
        except OSError:
            return None
        # Linux 6.2 and later tell the number as the folder's size; before, it is 0 and one has to count.
        return count or max(0, len(_entries(folder)) - 1) or None  # listing opens one itself

    def _cpu_pressure(self) -> float | None:
        # avg10, not the growth of `total`: the kernel brings both up to date every 2 s only.
        for word in _content(f"{self._proc}/pressure/cpu").partition(b"\n")[0].split():
            if word.startswith(b"avg10="):
                try:
                    return _share(float(word[6:]) / 100)
                except ValueError:
                    return None
        return None


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _content(path: str) -> bytes:
    """The first 4 KiB of a file, or nothing: a thread or child may have ended, a container may hide the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return b""
    try:
        return os.read(descriptor, _READ_MAX)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _entries(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.isdecimal()]
    except OSError:
        return []


def _integers(words: Iterable[bytes]) -> list[int]:
    """The numbers of a /proc line; what is none ends it."""
    numbers = []
    for word in words:
        if not word.removeprefix(b"-").isdigit():
            break
        numbers.append(int(word))
    return numbers
