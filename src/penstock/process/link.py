"""The parent's end of one worker process: starts it, sends responses, receives results, notices its death.

Each worker has its own socket and its own queue of at most two calls, answered in order. So when a worker dies, the
first unanswered call is the one that was running, and the second had not started: exactly one item is to blame.
The one rule: a call's future is resolved here only by the worker's answer; what a death means is the pool's decision.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import re
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from penstock.model import Failure, Response
from penstock.process.call import timeout_failure
from penstock.process.options import Result
from penstock.process.records import is_user_file
from penstock.process.worker import LENGTH, Setup

_LIVENESS_S = 1.0
_JOINED_BYTES_MAX = 64 * 1024  # below, one system call is worth a copy
_SOCKET_BYTES = 1 << 20  # asked for; the system gives what it allows
_FAULT_LINE = re.compile(r'File "(.+)", line (\d+) in (.+)')
_FAULT_BYTES_MAX = 64 * 1024


@dataclass(slots=True, eq=False)
class Call:
    """One response on its way through the pool. It is pickled only when a worker takes it, so waiting costs no copy."""

    response: Response
    future: asyncio.Future[Result]


@dataclass(slots=True)
class LinkEvents:
    """What the pool wants to hear. `on_answer` gets the seconds that the call took, as seen from here."""

    on_ready: Callable[[WorkerLink], None]
    on_answer: Callable[[WorkerLink, float], None]
    on_lost: Callable[[WorkerLink], None]


@dataclass(eq=False)
class WorkerLink(asyncio.Protocol):
    """One worker process. `pending[0]` is running in it; `verdict` says why we killed it, if we did."""

    setup: Setup
    timeout_s: float | None
    events: LinkEvents
    is_started: bool = False
    is_ready: bool = False
    is_lost: bool = False
    unusable: str | None = None
    verdict: Failure | None = None
    pending: deque[Call] = field(default_factory=deque)

    async def start(self) -> None:
        """Start the process; `on_ready` follows when it has loaded the function. Raises OSError if it cannot start."""
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._head_start_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._liveness: asyncio.TimerHandle | None = None
        self._was_stopped = False
        self._faults = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker; closed in `wait_dead`
        with contextlib.ExitStack() as undo:
            undo.callback(self._faults.close)
            ours, theirs = socket.socketpair()
            undo.callback(ours.close)
            with theirs:
                for end in (ours, theirs):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
                self.process = self._launch(theirs.fileno(), self._faults.fileno())
            undo.callback(self.process.wait)
            undo.callback(self.process.kill)
            ours.setblocking(False)
            self._transport, _ = await self._loop.create_connection(lambda: self, sock=ours)
            undo.pop_all()
        self._write(pickle.dumps(self.setup))
        self.is_started = True

    def send(self, call: Call) -> None:
        """Queue one call at this worker. A response that cannot be pickled fails at once, here."""
        try:
            frame = pickle.dumps(call.response, pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # noqa: BLE001 - a column's value may be of any class
            message = f"the response cannot be sent to a worker process: {type(error).__qualname__}: {error}"
            call.future.set_result(Failure("process", message))
            return
        self.pending.append(call)
        if len(self.pending) == 1:
            self._begin_head()
        self._write(frame)

    def kill(self) -> None:
        """End the process now, once it `is_started`; `on_lost` follows."""
        self.process.kill()
        self._transport.abort()

    async def wait_dead(self) -> str:
        """Wait until the process is gone and say how it ended: exit code or signal, and the user's line if known."""
        try:
            code = await asyncio.to_thread(self.process.wait, 5)
        except subprocess.TimeoutExpired:  # it closed its socket but lives on
            self.process.kill()
            code = await asyncio.to_thread(self.process.wait)
        place = self._fault_place()
        self._faults.close()
        return describe_exit(code) + (f" at {place}" if place else "")

    # ------------------------------------------------------------------ called by asyncio

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer)
            end = LENGTH.size + length
            if len(self._buffer) < end:
                return
            frame = bytes(memoryview(self._buffer)[LENGTH.size : end])
            del self._buffer[:end]
            self._frame_received(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._stop_timers()
        self.events.on_lost(self)

    # ------------------------------------------------------------------ private

    def _frame_received(self, frame: bytes) -> None:
        if not self.is_ready:
            self.unusable = pickle.loads(frame)  # noqa: S301 - our own worker wrote it
            self.is_ready = self.unusable is None
            if self.is_ready:
                self.events.on_ready(self)
            return
        call = self.pending.popleft()
        duration_s = self._loop.time() - self._head_start_s
        self._stop_timers()
        if self.pending:
            self._begin_head()
        if not call.future.done():  # done: whoever waited was cancelled
            call.future.set_result(_decoded(frame))
        self.events.on_answer(self, duration_s)

    def _begin_head(self) -> None:
        self._head_start_s = self._loop.time()
        if self.timeout_s is not None:
            self._timer = self._loop.call_later(self.timeout_s, self._on_timeout)
        self._was_stopped = False
        self._liveness = self._loop.call_later(_LIVENESS_S, self._check_alive)

    def _stop_timers(self) -> None:
        for handle in (self._timer, self._liveness):
            if handle is not None:
                handle.cancel()
        self._timer = self._liveness = None

    def _on_timeout(self) -> None:
        self.verdict = timeout_failure(self.timeout_s)
        self.kill()

    def _check_alive(self) -> None:
        """Deaths normally show as the end of the connection, but a child forked by the function may hold it open."""
        if self.process.poll() is not None:
            self._transport.abort()
            return
        is_stopped = _is_stopped(self.process.pid)
        if is_stopped and self._was_stopped:  # twice, so that Ctrl-Z and `fg` of the whole group is no reason
            self.verdict = Failure(
                "process_crash", "the worker process was stopped (SIGSTOP) in the process function and did not continue"
            )
            self.kill()
            return
        self._was_stopped = is_stopped
        self._liveness = self._loop.call_later(_LIVENESS_S, self._check_alive)

    def _launch(self, descriptor: int, fault_descriptor: int) -> subprocess.Popen[bytes]:
        """About 1 ms. On the loop's own thread: Linux ends the worker when the thread that started it ends."""
        folders = [str(folder) for folder in sys.path]
        code = (
            f"import sys; sys.path[:] = {folders!r}; from penstock.process.worker import main; "
            f"main({descriptor}, {fault_descriptor})"
        )
        command = [sys.executable, "-c", code]
        return subprocess.Popen(command, pass_fds=(descriptor, fault_descriptor), stdin=subprocess.DEVNULL)

    def _write(self, frame: bytes) -> None:
        if len(frame) < _JOINED_BYTES_MAX:
            self._transport.write(LENGTH.pack(len(frame)) + frame)
        else:
            self._transport.write(LENGTH.pack(len(frame)))
            self._transport.write(frame)

    def _fault_place(self) -> str:
        """The user's line in the traceback that faulthandler left on a fatal signal."""
        lines = _FAULT_LINE.findall(os.pread(self._faults.fileno(), _FAULT_BYTES_MAX, 0).decode("utf-8", "replace"))
        places = [(name, line, function) for name, line, function in lines if is_user_file(name)]
        if not places:
            return ""
        name, line, function = places[0]  # the most recent call comes first
        return f"{name}:{line}, in {function}"


def describe_exit(code: int) -> str:
    """How a process ended, in words, from its return code (negative: the signal that killed it)."""
    if code >= 0:
        return f"the worker process exited with code {code} inside the process function"
    import signal

    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    text = signal.strsignal(-code) if -code in signal.valid_signals() else None
    hint = "; perhaps the kernel ran out of memory" if name == "SIGKILL" else ""
    return f"the worker process was killed by {name} ({text or 'no description'}{hint}) inside the process function"


def _decoded(frame: bytes) -> Result:
    try:
        result: Result = pickle.loads(frame)  # noqa: S301 - our own worker wrote it
    except Exception as error:  # noqa: BLE001 - a value's class may not be importable or rebuildable here
        message = f"the worker's result cannot be read back: {type(error).__qualname__}: {error}; hint: plain values"
        return Failure("process", message)
    return result


def _is_stopped(pid: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return status.rpartition(b")")[2].split()[0] == b"T"
