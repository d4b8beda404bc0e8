"""The leak check is itself checked: it sees each kind of leak, and only leaks."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaks import Leftovers, snapshot

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are seen through /proc")


def test_nothing_left_is_nothing_said(tmp_path: Path) -> None:
    before = snapshot()
    with ThreadPoolExecutor() as pool, (tmp_path / "file").open("w") as file:
        pool.submit(file.write, "text").result()
    asyncio.run(asyncio.to_thread(os.getpid))
    assert Leftovers.since(before).describe() == []


@given(st.integers())
def test_the_check_goes_together_with_hypothesis(number: int) -> None:
    assert number - number == 0


def test_a_thread_that_ends_by_itself_is_waited_for() -> None:
    before = snapshot()
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    timer = threading.Timer(0.05, release.set)
    timer.start()
    assert Leftovers.since(before).describe() == []
    assert not thread.is_alive()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaks.PATIENCE_S", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_thread_left_running_is_seen() -> None:
    before = snapshot()
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="forgotten", daemon=True)
    thread.start()
    try:
        assert Leftovers.since(before).describe() == ["thread 'forgotten' (daemon)"]
    finally:
        release.set()
        thread.join()


@ON_LINUX
def test_a_descriptor_left_open_is_seen() -> None:
    before = snapshot()
    reader, writer = os.pipe()
    try:
        assert set(Leftovers.since(before).descriptors) == {reader, writer}
    finally:
        os.close(reader)
        os.close(writer)


@ON_LINUX
def test_a_child_process_left_running_is_seen() -> None:
    before = snapshot()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert Leftovers.since(before).children == (child.pid,)
        child.kill()


def test_the_helpers_of_multiprocessing_are_no_leak() -> None:
    before = snapshot()
    process = get_context("spawn").Process(target=os.getpid)
    process.start()
    process.join()
    process.close()
    assert Leftovers.since(before).describe() == []


LOSES_A_TASK = """
import asyncio

def test_loses_a_task():
    loop = asyncio.new_event_loop()
    loop.create_task(asyncio.sleep(3600))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

def test_is_clean():
    asyncio.run(asyncio.sleep(0))
"""


@pytest.mark.slow
def test_a_lost_task_fails_the_test_that_lost_it(tmp_path: Path) -> None:
    tests = Path(__file__).resolve().parents[1]
    for name in ("conftest.py", "leaks.py"):
        shutil.copy(tests / name, tmp_path)
    (tmp_path / "test_sample.py").write_text(LOSES_A_TASK)
    command = [sys.executable, "-m", "pytest", "-rE", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert "2 passed, 1 error" in run.stdout, run.stdout + run.stderr
    assert "ERROR test_sample.py::test_loses_a_task" in run.stdout
    assert "asyncio: Task was destroyed but it is pending" in run.stdout
