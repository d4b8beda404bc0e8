"""An alternative in a process of its own, seen from the one that compares: started, run, and ended by force if need be.

The rules: no call here waits longer than it says, whatever the user's code does; every trouble names the alternative;
and nothing is left behind, neither the process and its workers nor a file.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from types import TracebackType
from typing import Any

from penstock.errors import Bug
from penstock.perf.measure.channel import Channel
from penstock.perf.measure.ending import end_group, end_remaining, ending_of
from penstock.perf.measure.environment import environment_for
from penstock.perf.measure.model import AlternativeError, RunRequest, RunResult, Trouble
from penstock.perf.measure.tail import Tail
from penstock.perf.measure.whereabouts import ask_for_stack
from penstock.perf.measure.wire import request_to_json, result_from_json
from penstock.perf.workload.model import Alternative, Workload

_GRACE_S = 5.0
_ANSWER_S_MAX = 2.0
_STOP_S_MAX = 6.0


class MeasuredProcess:
    """Implements `Measured`; as a context manager it starts and stops.

    `start_s_max`: how long imports, clients and pools may take. A run has failed when no item has ended for
    `workload.item_s_max` and `grace_s` after its time; the grace is for the machine, which may be busy. Standard output
    and error of the alternative go to a temporary file; messages show its end.
    """

    def __init__(
        self, alternative: Alternative, workload: Workload, *, start_s_max: float = 30.0, grace_s: float = _GRACE_S
    ) -> None:
        self.alternative = alternative
        self.pid = 0
        self.worker_ids: tuple[int, ...] = ()
        self._workload = workload
        self._start_s_max = start_s_max
        self._grace_s = grace_s
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._stderr: Tail | None = None
        self._asked = 0

    def start(self) -> None:
        """Start it and wait until it is ready. Raises AlternativeError, after which nothing is left of it."""
        if self._process is not None:
            raise Bug(f"{self.alternative.name}: started twice")
        if sys.platform == "win32":
            raise self._error("start", "expected Linux or macOS, where pipes can be waited for", hint="use WSL")
        try:
            self._start()
        except BaseException:
            self._end(is_forced=True)
            raise

    def run(self, request: RunRequest) -> RunResult:
        """One run. Raises AlternativeError; after `raised` it can be run again, else it must be started again."""
        channel = self._running_channel()
        began_s = time.monotonic()
        try:
            channel.send({"run": request_to_json(request)}, began_s + self._grace_s)
            answer = self._await_result(channel, request, began_s)
        except EOFError:
            raise self._died("during a run") from None
        except TimeoutError:  # it does not even read
            error = self._never_finished(began_s, 0, None)
            self._end(is_forced=True)
            raise error from None
        except BaseException:
            self._end(is_forced=True)
            raise
        if "error" in answer:
            problem = self._error(answer["trouble"], answer["error"], hint=answer["hint"])
            if answer["trouble"] == "died":
                self._end(is_forced=True)
            raise problem
        self.worker_ids = tuple(answer["workers"])
        result = result_from_json(answer["result"])
        slowest_s = max((end - start for start, end in zip(result.start_s, result.end_s, strict=True)), default=0.0)
        if slowest_s > self._workload.item_s_max:
            raise self._error(
                "timeout",
                f"expected every item within {self._workload.item_s_max:g} s, got one that took {slowest_s:.3g} s",
                hint="allow items more time, or look at what that one waits for",
            )
        return result

    def stop(self) -> None:
        """End it, in any state; never raises. What ends by itself is given a few seconds."""
        self._end(is_forced=False)

    def __enter__(self) -> MeasuredProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An exception may come from the middle of a run, which nobody waits for any more.
        self._end(is_forced=error is not None)

    def _start(self) -> None:
        deadline_s = time.monotonic() + self._start_s_max
        self._stderr = Tail()
        # With faulthandler, a crash in C says where on standard error. A session of its own: Ctrl-C at the terminal is
        # the parent's alone, and everything that belongs to the alternative can be ended together.
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "penstock.perf.measure.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr.descriptor,
            start_new_session=True,
            env=environment_for(self._workload, os.environ),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.pid = self._process.pid
        channel = self._channel = Channel(self._process.stdout.fileno(), self._process.stdin.fileno(), self._look)
        first = {
            "alternative": self.alternative.to_json(),
            "workload": self._workload.to_json(),
            "path": [folder for folder in sys.path if folder],
        }
        answer = self._await_ready(channel, first, deadline_s)
        if "error" in answer:
            raise self._error(answer["trouble"], f"cannot start: {answer['error']}", hint=answer["hint"])
        self.worker_ids = tuple(answer["workers"])

    def _await_ready(self, channel: Channel, first: dict[str, Any], deadline_s: float) -> dict[str, Any]:
        try:
            channel.send(first, deadline_s)
            return self._receive(channel, deadline_s)
        except EOFError:
            raise self._died("before it was ready") from None
        except TimeoutError:
            pass
        answer = None
        with contextlib.suppress(EOFError):
            answer = self._ask(channel)
        raise self._error(
            "start",
            f"expected to be ready within {self._start_s_max:g} s, got no sign of it{self._place(answer)}",
            hint="look for slow work at import time, a lock, or an input that is waited for",
        )

    def _await_result(self, channel: Channel, request: RunRequest, began_s: float) -> dict[str, Any]:
        """The answer, an error or not. Waits on while items end: how long many of them take is not known before."""
        told = 0
        deadline_s = began_s + request.run_s + self._workload.item_s_max + self._grace_s
        while True:
            with contextlib.suppress(TimeoutError):
                return self._receive(channel, deadline_s)
            answer = self._ask(channel)
            if answer is not None and "asked" not in answer:
                return answer  # it has just ended
            if answer is None or answer["progress"] <= told:
                raise self._never_finished(began_s, told, answer)
            told = answer["progress"]
            deadline_s = time.monotonic() + self._workload.item_s_max + self._grace_s

    def _receive(self, channel: Channel, deadline_s: float, question: int | None = None) -> dict[str, Any]:
        """The next answer, to `question` or to what was requested; those to earlier questions come too late."""
        while True:
            answer = channel.receive(deadline_s)
            if "asked" not in answer or answer["asked"] == question:
                return answer

    def _ask(self, channel: Channel) -> dict[str, Any] | None:
        """How far it is and where, or what was requested if it comes first; None when it does not answer."""
        self._asked += 1
        deadline_s = time.monotonic() + _ANSWER_S_MAX
        try:
            channel.send({"ask": self._asked}, deadline_s)
            return self._receive(channel, deadline_s, self._asked)
        except TimeoutError:
            return None

    def _place(self, answer: dict[str, Any] | None) -> str:
        """For messages: where it is, as it says itself, or as its stack on standard error will show."""
        if answer is not None:
            return f"; it is at {answer['at']}" if answer.get("at") else ""
        if ask_for_stack(self.pid) and self._stderr is not None:
            self._stderr.await_stack(_ANSWER_S_MAX)
        return "; it does not answer: native code may keep the interpreter to itself"

    def _never_finished(self, began_s: float, told: int, answer: dict[str, Any] | None) -> AlternativeError:
        ended = f"{told} item{'s' if told != 1 else ''} had ended" if told else "no item had ended"
        return self._error(
            "timeout",
            f"expected every item within {self._workload.item_s_max:g} s, but a run has not finished "
            f"after {time.monotonic() - began_s:.3g} s; {ended}{self._place(answer)}",
            hint="look for a deadlock or an endless loop, give calls a time-out, or allow items more time",
        )

    def _died(self, when: str) -> AlternativeError:
        process = self._process
        assert process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_ANSWER_S_MAX)
        code = process.returncode
        how = "closed its connection" if code is None else ending_of(code)
        hint = "the machine may be out of memory: try fewer items at once" if code == -9 else None
        error = self._error("died", f"its process {how} {when}", hint=hint)
        self._end(is_forced=True)
        return error

    def _error(self, trouble: Trouble, message: str, *, hint: str | None = None) -> AlternativeError:
        tail = self._stderr.text() if self._stderr is not None else ""
        if tail:
            message = f"{message}\nits last lines on standard error:\n{tail}"
        return AlternativeError(self.alternative.name, trouble, message, hint=hint)

    def _running_channel(self) -> Channel:
        if self._channel is None:
            raise self._error("died", "its process has ended before; it must be started again")
        return self._channel

    def _look(self) -> bool:
        """Called while waiting: whether the process has ended."""
        if self._stderr is not None:
            self._stderr.trim()
        return self._process is None or self._process.poll() is not None

    def _end(self, *, is_forced: bool) -> None:
        process, self._process = self._process, None
        stderr, self._stderr = self._stderr, None
        self._channel = None
        try:
            if process is not None:
                _end_process(process, self.worker_ids, is_forced=is_forced)
        finally:
            self.worker_ids = ()
            if stderr is not None:
                stderr.close()


def _end_process(process: subprocess.Popen[bytes], workers: tuple[int, ...], *, is_forced: bool) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with contextlib.suppress(OSError):
            process.stdin.close()  # which it understands
        if not is_forced:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S_MAX)
    finally:
        if process.poll() is None:
            end_group(process, workers)
        else:
            end_remaining(process.pid)
        process.stdout.close()
