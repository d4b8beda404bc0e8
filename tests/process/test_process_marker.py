"""The marker names the items that were inside the function when a run died, and forgets none of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.process.marker import Marker, suspects


def test_an_id_in_a_slot_is_a_suspect_for_whoever_reads_the_file(tmp_path: Path) -> None:
    marker = Marker(tmp_path / "marker")
    assert suspects(tmp_path / "marker") == {}
    marker.slots[0] = 0 + 1
    marker.slots[5] = 2**40 + 1
    assert suspects(tmp_path / "marker") == {0: 1, 2**40: 1}
    marker.slots[0] = 0
    assert suspects(tmp_path / "marker") == {2**40: 1}
    marker.close()


def test_two_items_that_crash_in_turn_are_both_remembered_and_counted(tmp_path: Path) -> None:
    for item_id in (3, 9, 3):
        marker = Marker(tmp_path / "marker")
        marker.slots[0] = item_id + 1
        marker.close()  # as the end of a process would: what is in the slot stays
    assert suspects(tmp_path / "marker") == {3: 2, 9: 1}


@given(st.binary(max_size=200))
def test_a_file_that_is_no_marker_is_replaced(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("marker") / "marker"
    path.write_bytes(content)
    assert suspects(path) == {}
    Marker(path).close()
    assert suspects(path) == {}


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    marker = Marker(tmp_path / "marker")
    marker.close()
    marker.close()


@pytest.mark.slow
@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGSEGV])
def test_the_id_survives_the_death_of_the_process(tmp_path: Path, death: signal.Signals) -> None:
    code = (
        "import os, sys, pathlib; from penstock.process.marker import Marker; "
        "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); "
        "Marker(pathlib.Path(sys.argv[1])).slots[0] = 42 + 1; os.kill(os.getpid(), int(sys.argv[2]))"
    )
    path = tmp_path / "marker"
    ended = subprocess.run([sys.executable, "-c", code, os.fspath(path), str(int(death))], check=False)
    assert ended.returncode == -death
    assert suspects(path) == {42: 1}
