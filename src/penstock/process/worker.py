"""What runs inside one worker process: read a response, call the function, send the result, one at a time, in order.

It knows nothing of other workers; nothing is shared with them, so no death can hurt them. The one rule: every result
that can be sent is sent as a frame; everything else is for the parent to see as the end of the connection.

Frames, both ways: 8 bytes little-endian length, then that many bytes of pickle.
| from | payload |
| --- | --- |
| parent, first | `Setup` |
| worker, first | None when ready, else a str that says why the function cannot be loaded |
| parent, then | `Response`, answered in order |
| worker, then | records, None or `Failure` |
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import signal
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstock.errors import PenstockError
from penstock.model import Failure, Response
from penstock.process.call import code_of, guarded, is_async
from penstock.process.load import load_function
from penstock.process.options import Result
from penstock.process.portable import WORKER_VARIABLE, Portable
from penstock.process.records import failure_from, records_from

LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Setup:
    """What a worker needs before the first response."""

    function: Portable
    parent_pid: int
    result_bytes_max: int
    memory_bytes: int | None = None


def main(descriptor: int, fault_descriptor: int) -> None:
    """Serve the parent at the other end of the socket until it closes. `fault_descriptor` takes crash tracebacks."""
    link = socket.socket(fileno=descriptor)
    try:
        setup: Setup = pickle.loads(_receive(link))  # noqa: S301 - our own parent wrote it
    except EOFError:
        return  # the parent changed its mind, or died
    _protect(setup, fault_descriptor)
    try:
        call = _callable(setup.function)
    except BaseException as error:  # noqa: BLE001 - the user's module may raise anything; the parent reports it
        hint = getattr(error, "hint", None) or "the module must import in a fresh Python process"
        text = str(error) if isinstance(error, PenstockError) else f"{type(error).__qualname__}: {error}"
        _send(link, pickle.dumps(f"{text}\nhint: {hint}"))
        return
    _send(link, pickle.dumps(None))
    own_pid = os.getpid()
    while True:
        try:
            frame = _receive(link)
        except (EOFError, ConnectionError):
            return
        data = _encoded(_answer(call, frame), setup.result_bytes_max)
        if os.getpid() != own_pid:
            os._exit(0)  # the function forked and its child came back: only one of them may answer
        _send(link, data)


def _answer(call: Callable[[Response], Result], frame: bytearray) -> Result:
    try:
        response: Response = pickle.loads(frame)  # noqa: S301 - our own parent wrote it
    except BaseException as error:  # noqa: BLE001 - an input column of a class that cannot be rebuilt here
        return Failure("process", f"the response could not be sent to the worker: {failure_from(error).message}")
    return call(response)


def _callable(function: Portable) -> Callable[[Response], Result]:
    os.environ[WORKER_VARIABLE] = "1"
    try:
        if function.reference is not None:
            found = load_function(function.reference)
        else:
            assert function.pickled is not None
            found = pickle.loads(function.pickled)  # noqa: S301 - our own parent wrote it
    finally:
        del os.environ[WORKER_VARIABLE]
    return _own_loop(found) if is_async(found) else guarded(found)


def _own_loop(function: Callable[..., Any]) -> Callable[[Response], Result]:
    """An async function in a worker runs on one loop that lives as long as the worker, one item at a time."""
    import asyncio

    runner = asyncio.Runner()
    code = code_of(function)

    def call(response: Response) -> Result:
        try:
            return records_from(runner.run(function(response)))
        except BaseException as error:  # noqa: BLE001 - in a worker nothing but the item is at stake
            return failure_from(error, code)

    return call


def _protect(setup: Setup, fault_descriptor: int) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        # A terminal or service manager signals the whole group; whether to stop is the parent's decision. A handler
        # rather than SIG_IGN, because programs that the user's function starts would inherit being deaf.
        signal.signal(getattr(signal, name), lambda *_: None)
    faulthandler.enable(fault_descriptor, all_threads=False)
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a thousand crashing items must not write a thousand dumps
    if setup.memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (setup.memory_bytes, setup.memory_bytes))
    if sys.platform == "linux":
        import ctypes

        # An endless loop would outlive a killed run: die with the parent (prctl 1 is PR_SET_PDEATHSIG).
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        # When memory runs out the kernel should choose this process, which costs one item, not the run.
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
    if os.getppid() != setup.parent_pid:
        os._exit(0)  # the parent died before it could take us along


def _encoded(result: Result, bytes_max: int) -> bytes:
    try:
        data = pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except BaseException as error:  # noqa: BLE001 - a value's own __reduce__ may raise anything
        return pickle.dumps(
            Failure(
                "process",
                "expected values that can be sent between processes (pickled), got "
                f"{type(error).__qualname__}: {error}; hint: return plain values, or use --process-mode thread",
            )
        )
    if len(data) > bytes_max:
        return pickle.dumps(
            Failure("process", f"expected a result of at most {bytes_max:,} bytes, got {len(data):,} bytes pickled")
        )
    return data


def _receive(link: socket.socket) -> bytearray:
    (length,) = LENGTH.unpack(_exactly(link, LENGTH.size))
    return _exactly(link, length)


def _exactly(link: socket.socket, count: int) -> bytearray:
    data = bytearray(count)
    rest = memoryview(data)
    while rest:
        got = link.recv_into(rest)
        if not got:
            raise EOFError
        rest = rest[got:]
    return data


def _send(link: socket.socket, data: bytes) -> None:
    link.sendall(LENGTH.pack(len(data)) + data)
