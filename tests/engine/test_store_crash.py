"""Killed at every step, then resumed: nothing lost, nothing twice. With a disk that dies, and by SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_kit import KillAt, Killed, MortalDisk, assert_each_once, failed, finish, mixed, open_store, written

from penstock.engine.rundir import RunDir
from penstock.engine.verify import verify
from penstock.sinks.shard import COMMIT_STEPS

IDS = range(40)


def run_until_killed(out: Path, kill_at: KillAt, disk: MortalDisk, ids: range, **options: object) -> set[int]:
    """A run over the ids that are not done, in batches of 7; returns the ids acknowledged before it died."""
    acknowledged: set[int] = set()
    store = None
    try:
        store = open_store(out, kill_at, disk=disk, **options)
        acknowledged |= set(store.resume.done)
        todo = [i for i in ids if i not in store.resume.done]
        for start in range(0, len(todo), 7):
            acknowledged |= set(store.write(mixed(todo[start : start + 7])).ids)
        acknowledged |= set(store.commit((ids.stop, "end")).ids)
    except Killed:
        pass
    finally:
        if store is not None:
            store.close()
    return acknowledged


@pytest.mark.parametrize("occurrence", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("step", COMMIT_STEPS)
def test_killed_at_any_step_of_a_commit_and_resumed(tmp_path: Path, step: str, occurrence: int) -> None:
    disk = MortalDisk()
    kill_at = KillAt(disk, step, occurrence)
    acknowledged = run_until_killed(tmp_path, kill_at, disk, IDS)
    assert disk.is_dead or occurrence == 2
    store = open_store(tmp_path)
    assert acknowledged <= set(store.resume.done)
    store.close()
    finish(tmp_path, IDS)
    assert_each_once(tmp_path, IDS)
    report = verify(RunDir(tmp_path))
    assert (report.problems, report.admitted, report.pending) == ([], len(IDS), 0)
    assert report.is_ok


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deaths=st.lists(st.integers(1, 90), max_size=6),
    links=st.booleans(),
    data=st.data(),
)
def test_any_number_of_deaths_at_any_steps_conserves_every_id(
    tmp_path_factory: pytest.TempPathFactory, deaths: list[int], links: bool, data: st.DataObject
) -> None:
    """Also during recovery: a death counts steps from the opening of the output."""
    out = tmp_path_factory.mktemp("out")
    rows_max = data.draw(st.integers(1, 30), label="rows_max")
    known: set[int] = set()
    for count in deaths:
        disk = MortalDisk()
        if not links:
            disk.link = _refuse  # type: ignore[method-assign]  # a file system without links
        acknowledged = run_until_killed(out, KillAt(disk, count=count), disk, IDS, rows_max=rows_max)
        assert known <= acknowledged or not acknowledged  # the ledger never shrinks
        known |= acknowledged
    finish(out, IDS, rows_max=rows_max)
    assert_each_once(out, IDS)
    assert verify(RunDir(out)).is_ok


def _refuse(source: Path, target: Path) -> None:
    raise PermissionError(1, "Operation not permitted")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deaths=st.lists(st.tuples(st.booleans(), st.integers(1, 70)), max_size=6))
def test_deaths_in_runs_and_retries_in_any_order_conserve_every_id(
    tmp_path_factory: pytest.TempPathFactory, deaths: list[tuple[bool, int]]
) -> None:
    """In a retry every second item succeeds; at the end all do, and no dead letter is left."""
    out = tmp_path_factory.mktemp("out")
    for is_retry, count in deaths:
        disk = MortalDisk()
        if is_retry:
            retry_until_killed(out, KillAt(disk, count=count), disk, lambda i: i % 2 == 0)
        else:
            run_until_killed(out, KillAt(disk, count=count), disk, IDS)
    finish(out, IDS)
    disk = MortalDisk()
    retry_until_killed(out, KillAt(disk), disk, lambda i: True)
    assert_each_once(out, IDS)
    report = verify(RunDir(out))
    assert report.is_ok
    assert report.counts.failed == 0


def retry_until_killed(out: Path, kill_at: KillAt, disk: MortalDisk, succeeds: Callable[[int], bool]) -> None:
    store = None
    try:
        store = open_store(out, kill_at, disk=disk, retry_kinds=["dns"], rows_max=3)
        for letter in store.dead_letters(["dns"]):
            i = letter.item.id
            store.write([written(i) if succeeds(i) else failed(i)])
        store.commit()
        store.compact_failed()
    except Killed:
        pass
    finally:
        if store is not None:
            store.close()


SCRIPT = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from store_kit import open_store, mixed

left = int(sys.argv[4])

def die(step):
    global left
    if sys.argv[3] in (step, "any"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

store = open_store(Path(sys.argv[2]), die, durability="power")
todo = [i for i in range(40) if i not in store.resume.done]
for start in range(0, len(todo), 7):
    ack = store.write(mixed(todo[start:start + 7]))
    print(*ack.ids, flush=True)
print(*store.commit((40, "end")).ids, flush=True)
store.close()
"""


def run_script(out: Path, step: str, count: int) -> tuple[int, set[int]]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(out), step, str(count)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, {int(word) for word in done.stdout.split()}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("step", COMMIT_STEPS)
def test_sigkill_at_every_step(tmp_path: Path, step: str) -> None:
    code, acknowledged = run_script(tmp_path, step, 1)
    assert code == -signal.SIGKILL
    store = open_store(tmp_path)
    assert acknowledged <= set(store.resume.done)
    store.close()
    finish(tmp_path, IDS)
    assert_each_once(tmp_path, IDS)
    assert verify(RunDir(tmp_path)).is_ok


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_burst_of_sigkills_converges(tmp_path: Path) -> None:
    """Each run dies a little later, several of them inside recovery; the ledger never shrinks."""
    known: set[int] = set()
    for count in (1, 2, 3, 5, 9, 13, 4, 17, 6, 21):
        _, acknowledged = run_script(tmp_path, "any", count)
        known |= acknowledged
        store = open_store(tmp_path)
        assert known <= set(store.resume.done)
        known = set(store.resume.done)
        store.close()
    finish(tmp_path, IDS)
    assert_each_once(tmp_path, IDS)
