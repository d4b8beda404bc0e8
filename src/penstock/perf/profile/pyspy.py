"""The CPU profile from outside, by py-spy as a subprocess: for where signals cannot be used. Never a thread of our own.

py-spy counts how often a thread was found running, so its weights are looks times the interval, of all threads. The
rule: it is asked not to pause the program (`--nonblocking`), because pausing falsifies asynchronous programs most.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from penstock.perf.profile.model import Frame, Profile
from penstock.perf.profile.recorder import CannotProfile

_PR_SET_PTRACER, _ANYBODY = 0x59616D61, -1
_STOP_S = 20.0
_FRAME = re.compile(r"(?P<name>.*) \((?P<file>.*?)(?::(?P<line>\d+))?\)")


class PySpy:
    """One run of py-spy on this process. `program` is its path, None when it is not installed."""

    def __init__(self, interval_s: float) -> None:
        self._rate = max(1, min(1000, round(1 / interval_s)))
        beside = Path(sys.executable).with_name("py-spy")
        self.program = str(beside) if beside.exists() else shutil.which("py-spy")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, obstacle: str) -> None:
        """Begin; returns when py-spy samples. Raises CannotProfile with its words when it may not."""
        assert self.program is not None
        self._obstacle = obstacle
        self._folder = tempfile.TemporaryDirectory(prefix="penstock-py-spy-")
        self._raw = Path(self._folder.name) / "raw"
        if sys.platform == "linux":
            # Where the kernel lets only parents look at a process (Yama), allow our child to.
            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(_ANYBODY), 0, 0, 0)
        command = [self.program, "record", "--nonblocking", "--full-filenames", "--format", "raw"]
        command += ["--rate", str(self._rate), "--pid", str(os.getpid()), "--output", str(self._raw)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
        )
        words = self._until_it_samples()
        if words is not None:
            self._process = None
            self._folder.cleanup()
            raise CannotProfile(
                f"a CPU profile cannot be taken with signals ({obstacle}), and py-spy failed: {words}",
                hint="py-spy needs the permission to look at this process: in a container, --cap-add SYS_PTRACE",
            )

    def stop_into(self, profile: Profile) -> None:
        """End py-spy and add what it saw."""
        process = self._process
        if process is None:
            return
        self._process = None
        process.send_signal(signal.SIGINT)
        try:
            words, _ = process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            words, _ = process.communicate()
        profile.notes.append(
            f"Sampled from outside by py-spy, because {self._obstacle}: weights are the time that threads were found "
            "running, and child processes are left out."
        )
        with suppress(FileNotFoundError):
            for line in self._raw.read_text("utf-8").splitlines():
                self._add(profile, line)
        self._folder.cleanup()
        if not profile.samples:
            profile.notes.append(f"py-spy saw nothing: {_last_line(words)}")

    def _until_it_samples(self) -> str | None:
        """None when it samples; what it said when it ended instead."""
        assert self._process is not None
        assert self._process.stdout is not None
        heard = b""
        while line := self._process.stdout.readline():
            heard += line
            if b"Sampling process" in line:
                return None
        self._process.stdout.close()
        self._process.wait()
        return _last_line(heard)

    def _add(self, profile: Profile, line: str) -> None:
        text, _, count = line.rpartition(" ")
        if not count.isdigit():
            return
        frames = []
        for part in text.split(";"):
            match = _FRAME.fullmatch(part)
            if match is None:
                frames.append(Frame(part))
            else:
                frames.append(Frame(match["name"], match["file"], int(match["line"] or 0)))
        profile.add(tuple(frames), int(count) / self._rate)
        profile.samples += int(count)


def _last_line(words: bytes) -> str:
    lines = words.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
