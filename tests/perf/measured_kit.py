"""Functions as users write them, good and bad, in a module of their own; and workloads of them."""

from __future__ import annotations

import os
import select
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.perf.workload.model import Alternative, Strategy, Workload

FUNCTIONS = """
import asyncio, os, signal, sys, time


def echo(item):
    return item


def raises(item):
    if item == "bad":
        raise ValueError("no luck with " + item)
    return item


def exits(item):
    sys.exit(3)


def dies(item):
    sys.stderr.write("about to go\\n")
    sys.stderr.flush()
    os._exit(7)


def kills(item):
    os.kill(os.getpid(), signal.SIGKILL)


def prints(item):
    print("a word on standard output")
    sys.stdout.flush()
    os.write(1, b'{"result": "not really"}\\n')
    return item


def floods(item):
    os.write(2, b"x" * 65535 + b"\\n")
    os.write(1, b"x" * 65535 + b"\\n")
    return item


def reads(item):
    return sys.stdin.read()


def never(item):
    while True:
        time.sleep(60)


def stuck_at_bad(item):
    return never(item) if item == "bad" else item


def announces(item):
    with open(item, "w") as pipe:
        pipe.write(str(os.getpid()))
    never(item)


def sleeps(item):
    time.sleep(0.02)
    return item


def burns(item):
    begun_s = time.thread_time()
    while time.thread_time() - begun_s < 0.03:
        pass
    return time.thread_time() - begun_s


def makes_function(item):
    return lambda: item


def slow_down(item):
    error = ValueError("too many")
    error.status_code = 429
    raise error


async def answers(item):
    return item


def process_id(item):
    time.sleep(0.005)
    return os.getpid()
"""


def write_functions(folder: Path, code: str = FUNCTIONS, name: str = "theirs.py") -> Path:
    path = folder / name
    path.write_text(code, encoding="utf-8")
    return path


def calls(folder: Path, function: str, strategy: Strategy = "sync") -> Alternative:
    """An alternative named after the strategy that calls one of `FUNCTIONS`."""
    path = folder / "theirs.py"
    if not path.exists():
        write_functions(folder)
    return Alternative(strategy, strategy, function=f"{path}:{function}")


WORKLOAD = Workload("kit", "", ("a", "b", "c"), concurrency=2, processes=2, run_s=0.05, item_s_max=30.0)


def workload_of(*items: str, **changes: object) -> Workload:
    return replace(WORKLOAD, items=items, **changes)  # type: ignore[arg-type]  # fields of a workload


def wait_until_ended(pids: list[int], timeout_s: float = 20.0) -> None:
    """Fail unless all these processes end; they need not be children of ours."""
    if not hasattr(os, "pidfd_open"):
        pytest.skip("only Linux tells when a process that is no child of ours has ended")
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            ended, _, _ = select.select([descriptor], [], [], timeout_s)
        finally:
            os.close(descriptor)
        assert ended, f"process {pid} still runs"
