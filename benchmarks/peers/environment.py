"""Prepares and describes what the peers run on: their virtual environment, the programs, the machine, stolen time.

Installs Python packages into that environment only, and no system programs: it says which apt package is missing.
"""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks.peers.nginx import program_path

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
REPOSITORY = Path(__file__).resolve().parents[2]
APT_PACKAGES = {"aria2c": "aria2"}  # where the package is not named as the program
_VERSION_FLAGS = {"nginx": "-v", "curl": "--version", "aria2c": "--version", "wget2": "--version", "wrk": "-v"}
_PEER_PACKAGES = ("aiohttp", "uvloop", "httpx", "requests", "Scrapy", "daft", "pyarrow", "pycurl")


def ensure_venv(folder: Path, say: object = print) -> Path:
    """The Python of the peers' environment; made, and filled from requirements.txt, when it is missing or out of date.

    Raises RuntimeError with pip's last words when that fails.
    """
    python = folder / "bin" / "python"
    stamp = folder / "requirements.sha256"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == digest:
        return python
    if callable(say):
        say(f"installing the Python peers into {folder} …")
    _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    _run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(REQUIREMENTS)])
    stamp.write_text(digest)
    return python


def missing_program(name: str) -> str:
    """Why a row that needs this program cannot run, with the command that helps; empty when it is there."""
    if program_path(name):
        return ""
    return f"not installed (apt-get install -y {APT_PACKAGES.get(name, name)})"


def penstock_command(given: str | None) -> tuple[list[str], str]:
    """The words that start Penstock, and why it is not available (empty when it is)."""
    program = given or str(Path(sys.executable).parent / "penstock")
    if os.sep in program:
        program = str(Path(program).absolute())  # it runs in another folder
    try:
        tried = subprocess.run([program, "fetch", "--help"], capture_output=True, timeout=60, check=False)
    except OSError as error:
        return [program], f"not available ({error.strerror})"
    if tried.returncode == 0:
        return [program], ""
    return [program], f"not available (`penstock fetch --help` exits with {tried.returncode})"


@dataclass(frozen=True)
class Cores:
    """The processor of the clients and that of the server; both None when there is only one."""

    client: int | None
    server: int | None


def choose_cores() -> Cores:
    """The lowest two processors that this process may use."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[1]) if len(allowed) > 1 else Cores(None, None)


def machine() -> dict[str, str]:
    """What the numbers depend on: processor, cores, memory, kernel, system, Python, commit, load when it started."""
    return {
        "processor": _field(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        "cores": str(os.cpu_count()),
        "memory": _field(Path("/proc/meminfo"), "MemTotal"),
        "kernel": platform.release(),
        "system": _field(Path("/etc/os-release"), "PRETTY_NAME", "=").strip('"'),
        "python": platform.python_version(),
        "commit": _output(["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"]) or "none",
        "load average at start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def versions(python: Path | None) -> dict[str, str]:
    """Version of each program that is installed and of each peer's Python package; Penstock's from its own metadata."""
    found = {}
    for name, flag in _VERSION_FLAGS.items():
        if program := program_path(name):
            found[name] = first_version(_output([program, flag]))
    if python is not None:
        script = f"import importlib.metadata as m\nfor p in {_PEER_PACKAGES!r}: print(p, m.version(p))\nimport pycurl\n"
        for line in _output([str(python), "-c", script + "print('libcurl', pycurl.version_info()[1])"]).splitlines():
            name, _, version = line.partition(" ")
            found[name] = version
    try:
        found["penstock"] = metadata.version("penstock")
    except metadata.PackageNotFoundError:
        found["penstock"] = "not installed"
    return found


def first_version(text: str) -> str:
    """The first word with a digit and a dot in a program's version text: `nginx version: nginx/1.22.1` gives 1.22.1."""
    for word in text.replace("/", " ").replace("-", " ").split():
        if word[0].isdigit() and "." in word:
            return word
    return "unknown"


@dataclass(frozen=True)
class CpuTimes:
    """Processor time of the machine so far, in seconds of one processor: all of it, worked, stolen; and our own share.

    `own_s` is that of this process and of every descendant that has been waited for.
    """

    total_s: float
    busy_s: float
    steal_s: float
    own_s: float

    def steal_share_since(self, before: CpuTimes) -> float:
        """The share of processor time that the hypervisor took since `before`, 0 to 1; 0 when no time has passed."""
        total_s = self.total_s - before.total_s
        return (self.steal_s - before.steal_s) / total_s if total_s > 0 else 0.0

    def others_share_since(self, before: CpuTimes) -> float:
        """The share of processor time that other programs used since `before`, 0 to 1; good to about 1 %."""
        total_s = self.total_s - before.total_s
        others_s = (self.busy_s - before.busy_s) - (self.own_s - before.own_s)
        return max(0.0, others_s) / total_s if total_s > 0 else 0.0


def cpu_times(text: str | None = None) -> CpuTimes:
    """Read /proc/stat, or the text given. guest and guest_nice are left out: user and nice hold them already."""
    line = (text if text is not None else Path("/proc/stat").read_text()).splitlines()[0]
    ticks = [int(word) / os.sysconf("SC_CLK_TCK") for word in line.split()[1:9]]
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return CpuTimes(
        total_s=sum(ticks),
        busy_s=sum(ticks) - ticks[3] - ticks[4] - ticks[7],  # without idle, iowait, steal
        steal_s=ticks[7],
        own_s=sum(usage.ru_utime + usage.ru_stime for usage in usages),
    )


def _field(path: Path, name: str, separator: str = ":") -> str:
    try:
        for line in path.read_text().splitlines():
            key, found, value = line.partition(separator)
            if found and key.strip() == name:
                return value.strip()
    except OSError:
        pass
    return ""


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip() if done.returncode in {0, 1} else ""


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"`{' '.join(command)}` exits with {done.returncode}:\n{done.stderr.strip()[-1000:]}")
