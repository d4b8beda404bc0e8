"""A program under a profile: starts the recorder, runs the program, and hands over the profile however it ends.

The profile goes on until the interpreter ends, so threads that outlive the main script and exit handlers are in it.
The rule: the program's exit code, output and traceback stay what they would have been.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

from penstock.perf.profile.endings import Endings
from penstock.perf.profile.model import Profile
from penstock.perf.profile.program import Program, run_program
from penstock.perf.profile.recorder import Recorder

INTERRUPTED = 130


def launch(
    program: Program,
    recorder: Recorder,
    finished: Callable[[Profile], None],
    run_command: Callable[[list[str]], None],
) -> NoReturn:
    """Run the program under the recorder and exit as it does. `finished` gets the profile once, at the very end.

    Raises CannotProfile before anything was run. What `finished` raises is reported and changes no exit code.
    """
    recorder.start()
    finish = _Finish(recorder, finished)
    atexit.register(finish)
    try:
        run_program(program, run_command)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, Python's own ending follows
        _show(error)
        sys.exit(INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1)
    sys.exit(0)


class _Finish:
    """Stops and hands over, once, in the process that was profiled and nowhere else."""

    def __init__(self, recorder: Recorder, finished: Callable[[Profile], None]) -> None:
        self._recorder = recorder
        self._finished = finished
        self._pid = os.getpid()
        self._is_done = False
        self._endings = Endings(self)
        self._endings.watch()

    def __call__(self, note: str = "") -> None:
        if self._is_done or os.getpid() != self._pid:
            return
        if note and threading.current_thread() is not threading.main_thread():
            return  # os._exit in another thread: recorders stop in the main thread only, which will not come
        self._is_done = True
        self._endings.release()
        try:
            profile = self._recorder.stop()
            if note:
                profile.notes.append(note)
            sys.stdout.flush()
            self._finished(profile)
            sys.stderr.flush()
        except Exception as error:  # noqa: BLE001 - the program's own ending must not change for it
            print(f"penstock: the profile could not be written: {error}", file=sys.stderr)  # noqa: T201 - the CLI's talk


def _show(error: BaseException) -> None:
    """The traceback as Python would print it, by the program's own `sys.excepthook`, without our frames."""
    error.__traceback__ = _own_part(error.__traceback__)
    sys.excepthook(type(error), error, error.__traceback__)


def _own_part(traceback: TracebackType | None) -> TracebackType | None:
    ours = os.path.dirname(__file__)
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if os.path.dirname(file) != ours and not file.endswith("runpy.py>") and file != "<frozen runpy>":
            break
        traceback = traceback.tb_next
    return traceback
