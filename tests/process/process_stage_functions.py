"""Process functions for the tests of the process stage: what an item's body says is what the function does."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from hashlib import pbkdf2_hmac
from pathlib import Path

from penstock.model import Response


class TwoArguments(Exception):
    """Cannot be unpickled: its arguments are not those of its initialiser."""

    def __init__(self, first: object, second: object) -> None:
        super().__init__(f"{first} {second}")


class BreaksWhenRebuilt:
    def __reduce__(self) -> tuple[object, ...]:
        return int, ("not a number",)


class ExitsWhenPickled:
    def __reduce__(self) -> tuple[object, ...]:
        raise SystemExit(5)


def _raise(error: BaseException) -> None:
    raise error


def _recurse() -> None:
    _recurse()


def _leave_a_child_and_die() -> None:
    """The child holds every descriptor of the dying worker open, the connection to the parent included."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # should the test fail to end it
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    Path(os.environ["PENSTOCK_TEST_CHILD"]).write_text(str(child))
    os._exit(7)


ACTIONS: dict[bytes, Callable[[], object]] = {
    b"raise": lambda: _raise(ValueError("boo")),
    b"two-arguments": lambda: _raise(TwoArguments(1, 2)),
    b"system-exit": lambda: sys.exit(4),
    b"keyboard-interrupt": lambda: _raise(KeyboardInterrupt()),
    b"recursion": _recurse,
    b"memory": lambda: bytearray(1 << 62),
    b"a-gibibyte": lambda: bytearray(1 << 30),
    b"segfault": lambda: ctypes.string_at(0),
    b"abort": os.abort,
    b"exit": lambda: os._exit(3),
    b"kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    b"stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    # in C, holding the GIL: no Python signal handler would run
    b"loop": lambda: re.match(r"(a+)+$", "a" * 64 + "b"),
    b"fork": os.fork,
    b"leave-a-child": _leave_a_child_and_die,
    b"close-descriptors": lambda: os.closerange(3, 64),
}

RETURNS: dict[bytes, Callable[[], object]] = {
    b"wrong-type": lambda: 42,
    b"unpicklable": lambda: {"value": lambda: 1},
    b"unreadable": lambda: {"value": BreaksWhenRebuilt()},
    b"exits-when-pickled": lambda: {"value": ExitsWhenPickled()},
    b"huge": lambda: {"value": bytes(2 << 20)},
    b"none": lambda: None,
    b"two": lambda: [{"n": 1}, {"n": 2}],
}


def act(response: Response) -> object:
    """Do what the body says; by default return the item's id and the process it ran in."""
    if response.body in RETURNS:
        return RETURNS[response.body]()
    if response.body in ACTIONS:
        ACTIONS[response.body]()
    return {"id": response.item_id, "pid": os.getpid()}


async def act_async(response: Response) -> object:
    await asyncio.sleep(0)
    return act(response)


async def wait_for_ever(response: Response) -> object:
    await asyncio.Event().wait()
    return {}


def record_call(response: Response) -> dict[str, object]:
    """Append the id to the file that the URL names, then do what the body says."""
    with Path(response.url).open("a") as file:
        file.write(f"{response.item_id}\n")
    act(response)
    return {"id": response.item_id}


def echo(response: Response) -> dict[str, object]:
    return {"body": response.body}


class Scaled:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def parse(self, response: Response) -> dict[str, object]:
        return {"n": len(response.body) * self.factor}


def thread_name(response: Response) -> dict[str, object]:
    return {"thread": threading.current_thread().name}


def environment(response: Response) -> dict[str, object]:
    """What a worker looks like from inside."""
    child = subprocess.run(
        [sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        "cwd": os.getcwd(),
        "child_hears_sigterm": child.stdout.strip(),
        "stdin": sys.stdin.read(),
        "is_loading": "PENSTOCK_WORKER_IS_LOADING" in os.environ,
    }


def compute(response: Response) -> dict[str, object]:
    """Pure Python for some milliseconds: holds the GIL."""
    return {"sum": sum(i * i for i in range(60_000))}


def derive_key(response: Response) -> dict[str, object]:
    """Some milliseconds inside OpenSSL: releases the GIL."""
    return {"key": pbkdf2_hmac("sha256", b"secret", b"salt", 10_000)}


def wait(response: Response) -> dict[str, object]:
    """Five milliseconds of doing nothing, as a blocking database call would."""
    time.sleep(0.005)
    return {"id": response.item_id}
