"""Readings of /proc: the differences of a written tree to the digit, and of the real one within what must hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.telemetry.machine import OTHER_THREADS, THREADS_MAX, MachineMeter, Reading
from penstock.telemetry.machinefacts import machine_facts
from penstock.telemetry.window import COLUMNS

needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system has no /proc")
SHARES = ("loop_run", "loop_runqueue", "machine_busy", "machine_steal", "cpu_pressure")
LOOP = 10_000_001  # above the largest thread id of Linux, so that no real thread of the tests has it


class Tree:
    """A /proc of our own; what is not written does not exist."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "self" / "task").mkdir(parents=True)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def thread(self, thread_id: int, run_ns: int, waited_ns: int, comm: str = "worker") -> None:
        self.write(f"self/task/{thread_id}/schedstat", f"{run_ns} {waited_ns} 7\n")
        self.write(f"self/task/{thread_id}/comm", f"{comm}\n")

    def end_thread(self, thread_id: int) -> None:
        for path in (self.root / "self" / "task" / str(thread_id)).iterdir():
            path.unlink()
        (self.root / "self" / "task" / str(thread_id)).rmdir()

    def cores(self, user: int, idle: int, steal: int) -> None:
        self.write("stat", f"cpu  {user} 0 0 {idle} 0 0 0 {steal} 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")

    def meter(self) -> MachineMeter:
        return MachineMeter(proc=self.root, loop_thread_id=LOOP)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "proc")


def test_the_loops_shares_are_differences_over_the_callers_span(tree: Tree) -> None:
    meter = tree.meter()
    tree.thread(LOOP, 5_000_000_000, 1_000_000_000)
    assert meter.read(100.0).loop_run is None
    tree.thread(LOOP, 5_800_000_000, 1_300_000_000)
    reading = meter.read(102.0)
    assert reading.span_s == 2.0
    assert reading.loop_run == pytest.approx(0.4)
    assert reading.loop_runqueue == pytest.approx(0.15)


def test_run_and_wait_together_are_never_over_the_span(tree: Tree) -> None:
    meter = tree.meter()
    tree.thread(LOOP, 1_000_000_000, 0)
    meter.read(0.0)
    tree.thread(LOOP, 1_900_000_000, 300_000_000)
    reading = meter.read(1.0)
    assert reading.loop_run == pytest.approx(0.75)
    assert reading.loop_runqueue == pytest.approx(0.25)


def test_threads_that_come_count_whole_and_those_that_go_never_subtract(tree: Tree) -> None:
    meter = tree.meter()
    tree.thread(LOOP, 10**9, 10**8)
    tree.thread(LOOP + 1, 10**9, 9 * 10**8, "ends")
    meter.read(0.0)
    tree.end_thread(LOOP + 1)
    tree.thread(LOOP, 2 * 10**9, 2 * 10**8)
    tree.thread(LOOP + 2, 3 * 10**8, 4 * 10**8, "comes")
    assert meter.read(1.0).runqueue_s == pytest.approx(0.1 + 0.4)
    assert meter.cpu_by_thread == pytest.approx({"worker": 1.0, "comes": 0.3})


def test_an_id_used_again_by_a_new_thread_starts_from_zero(tree: Tree) -> None:
    meter = tree.meter()
    tree.thread(LOOP, 10**9, 0)
    tree.thread(LOOP + 1, 9 * 10**9, 10**9)
    meter.read(0.0)
    tree.thread(LOOP + 1, 10**8, 2 * 10**8)
    assert meter.read(1.0).runqueue_s == pytest.approx(0.2)


def test_at_most_32_names_of_threads_are_kept_and_no_time_is_lost(tree: Tree) -> None:
    meter = tree.meter()
    for number in range(100):
        tree.thread(LOOP + number, 1, 0, f"pool-{number}")
    meter.read(0.0)
    for number in range(100):
        tree.thread(LOOP + number, 10**7 + 1, 0, f"pool-{number}")
    meter.read(1.0)
    counted = meter.cpu_by_thread
    assert len(counted) == THREADS_MAX
    assert OTHER_THREADS in counted
    assert sum(counted.values()) == pytest.approx(100 * 0.01)


def test_machine_shares_are_of_all_cores_and_stolen_time_is_not_work(tree: Tree) -> None:
    meter = tree.meter()
    tree.cores(user=1000, idle=5000, steal=100)
    meter.read(0.0)
    tree.cores(user=1060, idle=5120, steal=120)
    reading = meter.read(1.0)
    assert reading.machine_busy == pytest.approx(60 / 200)
    assert reading.machine_steal == pytest.approx(20 / 200)


def test_children_are_found_and_their_names_do_not_mislead(tree: Tree) -> None:
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    meter = tree.meter()
    tree.thread(LOOP, 10**9, 0)
    tree.write(f"self/task/{LOOP}/children", "77 78 ")
    evil = "77 (a) R 1 (x) S"  # a process may call itself what it likes
    tree.write("77/stat", f"{evil} 1 1 1 0 -1 0 0 0 0 0 {ticks_per_s} 0 0 0 20 0 1\n")
    meter.read(0.0)
    tree.write("77/stat", f"{evil} 1 1 1 0 -1 0 0 0 0 0 {ticks_per_s} {ticks_per_s // 2} 0 0 20 0 1\n")
    assert meter.read(1.0).cpu_children_s == pytest.approx(0.5, abs=0.02)
    assert meter.read(2.0, child_pids=[77]).cpu_children_s == pytest.approx(0.0, abs=0.02)


def test_a_child_that_is_listed_late_does_not_count_more_than_the_machine_has(tree: Tree) -> None:
    meter = tree.meter()
    tree.thread(LOOP, 10**9, 0)
    meter.read(0.0)
    tree.write(f"self/task/{LOOP}/children", "77")
    tree.write("77/stat", f"77 (x) S 1 1 1 0 -1 0 0 0 0 0 {10**9} 0 0 0 20 0 1\n")
    assert meter.read(2.0).cpu_children_s == 2.0 * (os.cpu_count() or 1)


def test_gauges_are_of_now(tree: Tree) -> None:
    tree.write("self/statm", "5000 321 100 1 0 2 0\n")
    tree.write("pressure/cpu", "some avg10=12.50 avg60=1.00 avg300=0.50 total=99\nfull avg10=0.00\n")
    reading = tree.meter().read(0.0)
    assert reading.rss_bytes == 321 * os.sysconf("SC_PAGE_SIZE")
    assert reading.cpu_pressure == pytest.approx(0.125)


@pytest.mark.parametrize(
    "content", ["", "\x00", "cpu", "cpu a b c d e f g h", "cpu - 2", "some avg10=x", "-", "()", ") "]
)
def test_what_cannot_be_read_is_unknown_and_never_raises(tree: Tree, content: str) -> None:
    for name in ("stat", "pressure/cpu", "self/statm", f"self/task/{LOOP}/schedstat", "77/stat"):
        tree.write(name, content)
    tree.write(f"self/task/{LOOP}/children", "77 x")
    meter = tree.meter()
    meter.read(0.0, child_pids=[77, 78])
    reading = meter.read(1.0, child_pids=[77, 78])
    assert (reading.loop_run, reading.runqueue_s, reading.machine_busy, reading.rss_bytes) == (None,) * 4
    assert reading.cpu_pressure is None
    assert reading.cpu_s is not None


def test_a_kernel_without_schedstat_leaves_the_loop_unknown(tree: Tree) -> None:
    meter = tree.meter()
    tree.thread(LOOP, 0, 0)
    meter.read(0.0)
    reading = meter.read(1.0)
    assert reading.loop_run is None
    assert reading.runqueue_s is None


def test_a_system_without_proc_tells_little_and_does_not_fail(tmp_path: Path) -> None:
    meter = MachineMeter(proc=tmp_path / "absent")
    assert meter.read(0.0).rss_bytes is None
    reading = meter.read(1.0)
    unknown = {name for name in Reading.__slots__ if getattr(reading, name) is None}
    assert unknown == {*SHARES, "runqueue_s", "rss_bytes", "fds"}
    assert meter.cpu_by_thread == {}


def test_two_readings_at_one_instant_have_no_differences(tree: Tree) -> None:
    tree.thread(LOOP, 10**9, 0)
    meter = tree.meter()
    meter.read(5.0)
    reading = meter.read(5.0)
    assert reading.loop_run is None
    assert reading.cpu_s is None


@settings(max_examples=40)  # each writes some files
@given(
    steps=st.lists(
        st.tuples(
            st.floats(0.001, 60),
            *(st.integers(0, 10**12) for _ in range(2)),
            *(st.integers(-5, 10**6) for _ in range(3)),
        ),
        min_size=2,
        max_size=6,
    )
)
def test_shares_stay_shares_whatever_the_kernel_counts(
    steps: list[tuple[float, int, int, int, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tree = Tree(tmp_path_factory.mktemp("tree") / "proc")
    meter = tree.meter()
    now_s, run_ns, waited_ns, user, idle, steal = 0.0, 1, 0, 1000, 1000, 1000
    for span_s, run_more, waited_more, user_more, idle_more, steal_more in steps:
        now_s += span_s
        run_ns, waited_ns = run_ns + run_more, waited_ns + waited_more
        user, idle, steal = user + user_more, idle + idle_more, steal + steal_more  # idle time may go back a little
        tree.thread(LOOP, run_ns, waited_ns)
        tree.cores(user, idle, steal)
        check_shares(meter.read(now_s))


def check_shares(reading: Reading) -> None:
    for name in SHARES:
        value = getattr(reading, name)
        assert value is None or 0 <= value <= 1, (name, value)
    assert (reading.loop_run or 0.0) + (reading.loop_runqueue or 0.0) <= 1 + 1e-9
    for name in ("runqueue_s", "cpu_s", "cpu_children_s"):
        value = getattr(reading, name)
        assert value is None or value >= 0, (name, value)


def test_readings_have_the_names_of_the_windows_columns() -> None:
    assert set(Reading.__slots__) - {"cpu_pressure"} <= set(COLUMNS)


# --- the real one


def burn(cpu_s: float) -> None:
    until_s = time.thread_time() + cpu_s
    while time.thread_time() < until_s:
        sum(range(1000))


@needs_proc
def test_a_thread_that_only_computes_is_seen_to_run_or_to_wait_for_a_core() -> None:
    meter = MachineMeter()
    meter.read(time.monotonic())
    burn(0.2)
    reading = meter.read(time.monotonic())
    check_shares(reading)
    assert reading.loop_run is not None
    assert reading.loop_runqueue is not None
    # Not asked how fast: on a crowded machine it waits more. Time a hypervisor takes shows in neither.
    assert reading.loop_run * reading.span_s == pytest.approx(0.2, rel=0.2)
    assert reading.cpu_s == pytest.approx(0.2, rel=0.3)
    assert meter.cpu_by_thread[threading.current_thread().name] == pytest.approx(0.2, rel=0.2)


@needs_proc
def test_gauges_follow_what_this_process_does(tmp_path: Path) -> None:
    meter = MachineMeter()
    before = meter.read(time.monotonic())
    files = [(tmp_path / str(number)).open("w") for number in range(20)]
    ballast = bytearray(os.urandom(1 << 20) * 48)
    after = meter.read(time.monotonic())
    for file in files:
        file.close()
    assert before.fds is not None
    assert after.fds == before.fds + 20
    assert before.rss_bytes is not None
    assert after.rss_bytes is not None
    assert after.rss_bytes - before.rss_bytes > len(ballast) * 0.9


@needs_proc
def test_kernels_that_do_not_tell_the_number_of_descriptors_are_counted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    told = MachineMeter().read(0.0).fds
    with monkeypatch.context() as patched:
        patched.setattr("penstock.telemetry.machine.os.stat", lambda _: SimpleNamespace(st_size=0))
        counted = MachineMeter().read(0.0).fds
    assert counted
    assert counted == told


@needs_proc
@pytest.mark.slow
def test_a_childs_cpu_counts_once_while_it_lives_and_after_it_is_waited_for() -> None:
    program = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\nsys.stdin.read()"
    meter = MachineMeter()
    meter.read(time.monotonic())
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        child.stdout.readline()
        alive = meter.read(time.monotonic()).cpu_children_s
        child.stdin.close()
        child.wait()
    ended = meter.read(time.monotonic()).cpu_children_s
    assert alive is not None
    assert ended is not None
    assert 0.28 <= alive <= 0.6
    assert ended <= 0.2  # what its exit took: not the same 0.3 s again


def test_machine_facts_are_plain_json_and_name_what_ran() -> None:
    facts = machine_facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["cores_usable"]
    assert str(facts["python"]).endswith(sys.version.split()[0])
    assert facts["pyarrow"]


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cgroup": "0::/a/b", "fs/cgroup/a/cpu.max": "150000 100000", "fs/cgroup/a/b/cpu.max": "max 100000"}, 1.5),
        ({"cgroup": "0::/a", "fs/cgroup/a/cpu.max": "max 100000"}, None),
        (
            {
                "cgroup": "3:cpu,cpuacct:/x\n2:memory:/x",
                "fs/cgroup/cpu/x/cpu.cfs_quota_us": "50000",
                "fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
            },
            0.5,
        ),
        ({"cgroup": "1:cpu:/", "fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "fs/cgroup/cpu/cpu.cfs_period_us": "1"}, None),
        ({}, None),
    ],
)
def test_the_smallest_cpu_quota_above_this_process_is_its_limit(
    tmp_path: Path, files: dict[str, str], cores: float | None
) -> None:
    for name, text in files.items():
        path = tmp_path / ("proc/self/cgroup" if name == "cgroup" else f"sys/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert machine_facts(proc=tmp_path / "proc", sys_folder=tmp_path / "sys")["cpu_limit_cores"] == cores
