"""How a process ended, in words; and how to end one with everything that it started, by force.

The rule: a process is signalled only while it belongs to the group that we made, so that an id which the system has
given to somebody else meanwhile is left alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable

_LEAVE_S_MAX = 1.0
_LOOK_S = 0.005


def ending_of(code: int) -> str:
    """`ended with exit code 3`, or `was killed by SIGSEGV`; `code` as in Popen.returncode."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def end_group(process: subprocess.Popen[bytes], workers: Iterable[int] = ()) -> None:
    """Kill `process`, which leads a group of its own, and `workers`; then ask the rest of the group, then kill it.

    In this order, because multiprocessing's resource tracker, which nobody tells that SIGTERM is for it, outlives the
    others and then removes their semaphores. Where there are no groups only `process` is killed. Never raises.
    """
    group = process.pid
    for pid in workers:
        _kill_member(pid, group)
    if process.poll() is None:
        _signal_group(group, signal.SIGTERM)
        process.kill()
        process.wait()
    end_remaining(group)


def end_remaining(group: int) -> None:
    """End those of a group whose leader has ended already: wait a moment, then SIGTERM, then SIGKILL."""
    if _is_empty_soon(group):
        return
    _signal_group(group, signal.SIGTERM)
    if _is_empty_soon(group):
        return
    _signal_group(group, signal.SIGKILL)
    _is_empty_soon(group)


def _is_empty_soon(group: int) -> bool:
    deadline_s = time.monotonic() + _LEAVE_S_MAX
    while _signal_group(group, 0) and _is_any_alive(group):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_LOOK_S)
    return True


def _is_any_alive(group: int) -> bool:
    """False when all that is left of the group are orphans that have ended, and that process 1 has not waited for yet:
    in a container it may take seconds. True where the system does not tell (no /proc)."""
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return True
    for name in names:
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, _parent, member_of = file.read().rpartition(b")")[2].split()[:3]
        except (OSError, ValueError):
            continue  # it has ended meanwhile
        if int(member_of) == group and state not in (b"Z", b"X"):
            return True
    return not names


def _signal_group(group: int, number: int) -> bool:
    """Whether the group has members."""
    if not hasattr(os, "killpg"):
        return False
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _kill_member(pid: int, group: int) -> None:
    try:
        if os.getpgid(pid) == group:
            os.kill(pid, signal.SIGKILL)
    except (OSError, AttributeError):
        pass  # it has ended, or the system has no groups
