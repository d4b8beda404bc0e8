"""What machine a run was on: what stats.json holds under `machine`, so that a number can be judged years later.

Read once per run, not per second. Plain JSON types; what the system does not tell is None. Nothing here names the
host, its addresses or its user.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from penstock.version import __version__

_PACKAGES = ("uvloop", "pyarrow")


def machine_facts(*, proc: Path = Path("/proc"), sys_folder: Path = Path("/sys")) -> dict[str, object]:
    """Processor, cores, memory, limits, system and versions. Costs about 3 ms, once.

    `cores_usable` is what this process may run on, `cpu_limit_cores` what its cgroup allows in CPU seconds per second
    (None: no limit). `virtualisation` is a hint, from what the firmware says: `kvm`, `container`, …, None: nothing
    points to it. `libcurl` as pycurl says once it is loaded.
    """
    return {
        "cpu": _cpu_model(proc),
        "cores_total": os.cpu_count(),
        "cores_usable": _cores_usable(),
        "cpu_limit_cores": _cpu_limit_cores(proc, sys_folder),
        "memory_bytes": _memory_bytes(proc),
        "memory_limit_bytes": _memory_limit_bytes(proc, sys_folder),
        "virtualisation": _virtualisation(proc, sys_folder),
        "platform": f"{sys.platform} {platform.machine()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "penstock": __version__,
        **_curl_versions(),
        **{package: _package_version(package) for package in _PACKAGES},
    }


def _cpu_model(proc: Path) -> str | None:
    for line in _lines(proc / "cpuinfo"):
        name, colon, value = line.partition(":")
        if colon and name.strip() in ("model name", "Model", "cpu model") and value.strip():
            return value.strip()
    return platform.processor() or None


def _cores_usable() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _memory_bytes(proc: Path) -> int | None:
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemTotal:"):
            words = line.split()
            return int(words[1]) * 1024 if len(words) > 1 and words[1].isdecimal() else None
    return None


def _cpu_limit_cores(proc: Path, sys_folder: Path) -> float | None:
    """The smallest quota of this process's cgroup and those above it (version 2, then version 1)."""
    limits = []
    for folder in _cgroup_folders(proc, sys_folder, "cpu"):
        words = " ".join(_lines(folder / "cpu.max")).split()
        if len(words) != 2:
            words = [*_lines(folder / "cpu.cfs_quota_us"), *_lines(folder / "cpu.cfs_period_us")]
        if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]) > 0:
            limits.append(int(words[0]) / int(words[1]))
    return min(limits, default=None)


def _memory_limit_bytes(proc: Path, sys_folder: Path) -> int | None:
    memory_bytes = _memory_bytes(proc)
    limits = []
    for folder in _cgroup_folders(proc, sys_folder, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            words = _lines(folder / name)
            # Version 1 says "no limit" with the largest number it knows.
            if len(words) == 1 and words[0].isdecimal() and (memory_bytes is None or int(words[0]) < memory_bytes):
                limits.append(int(words[0]))
    return min(limits, default=None)


def _cgroup_folders(proc: Path, sys_folder: Path, controller: str) -> list[Path]:
    """The folders of this process's cgroup and of all above it, in the hierarchies that hold `controller`."""
    root = sys_folder / "fs" / "cgroup"
    folders = []
    for line in _lines(proc / "self" / "cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        base = root / controller if controllers else root
        inside = Path(path.lstrip("/"))
        folders += [base / inside, *(base / parent for parent in inside.parents)]
    return folders


def _virtualisation(proc: Path, sys_folder: Path) -> str | None:
    """A word for the layer below: a container when a runtime left its mark, else the hypervisor, if any shows."""
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return "container"
    vendor = " ".join(_lines(sys_folder / "class" / "dmi" / "id" / "sys_vendor")).lower()
    for word, name in (
        ("qemu", "kvm"),
        ("vmware", "vmware"),
        ("microsoft", "hyperv"),
        ("xen", "xen"),
        ("amazon", "ec2"),
        ("google", "gce"),
    ):
        if word in vendor:
            return name
    if _lines(sys_folder / "hypervisor" / "type"):
        return _lines(sys_folder / "hypervisor" / "type")[0]
    flags = next((line for line in _lines(proc / "cpuinfo") if line.startswith("flags")), "")
    return "vm" if " hypervisor" in flags else None


def _curl_versions() -> dict[str, str | None]:
    """Of libcurl and pycurl, from the line that pycurl says of itself: `PycURL/7.49.0 libcurl/8.23.0 …`."""
    words = str(getattr(sys.modules.get("pycurl"), "version", "")).split()
    said = {name.lower(): version for name, _, version in (word.partition("/") for word in words)}
    return {"libcurl": said.get("libcurl"), "pycurl": said.get("pycurl") or _package_version("pycurl")}


def _package_version(package: str) -> str | None:
    version = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(version, str):
        return version
    from importlib import metadata  # 8 ms, with the e-mail parser it reads with: for what has no such attribute

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
