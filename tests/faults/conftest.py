"""An origin shared by the fault tests, and a way to run the command in a process that can be killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from penstock.perf.origin.process import OriginProcess

COUNT = 240
SETTINGS = ["--allow-private", "127.0.0.0/8", "-j", "16", "--shard-rows", "40", "--progress", "none", "--retries", "6"]


@pytest.fixture(scope="module")
def origin() -> Iterator[OriginProcess]:
    with OriginProcess() as server:
        yield server


@pytest.fixture
def urls(origin: OriginProcess, tmp_path: Path) -> list[str]:
    """Some fail for ever, some need another attempt, some are cut off once; each body is 1,024 bytes. In urls.txt."""
    origin.reset()
    kinds = {7: "&fail=always:404", 11: "&fail=1:503", 13: "&fail=1:truncate", 17: "&fail=1:reset-body"}
    lines = [
        f"{origin.url}/bytes/1024?id={n}" + next((query for step, query in kinds.items() if n % step == 3), "")
        for n in range(COUNT)
    ]
    (tmp_path / "urls.txt").write_text("\n".join(lines) + "\n")
    return lines


def fetch_command(tmp_path: Path, *more: str) -> list[str]:
    head = [sys.executable, "-m", "penstock", "fetch", str(tmp_path / "urls.txt"), "-o", str(tmp_path / "out")]
    return [*head, *SETTINGS, *more]


def run(command: Sequence[str], timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout_s)
