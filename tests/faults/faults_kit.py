"""The command that the fault tests run, in a process that can be killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

COUNT = 240
SETTINGS = ["--allow-private", "127.0.0.0/8", "-j", "16", "--shard-rows", "40", "--progress", "none", "--retries", "6"]


def fetch_command(tmp_path: Path, *more: str) -> list[str]:
    head = [sys.executable, "-m", "penstock", "fetch", str(tmp_path / "urls.txt"), "-o", str(tmp_path / "out")]
    return [*head, *SETTINGS, *more]


def run(command: Sequence[str], timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout_s)
