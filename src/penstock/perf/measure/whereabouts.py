"""Where the user's code is right now, for the message about a run that never ends.

Two ways: a thread that is free to run looks at the others' stacks; and where none is, because native code (a regular
expression, say) keeps the interpreter to itself, a signal makes faulthandler write the stack, which needs nobody.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading

from penstock.process.records import is_user_file


def tell_stack_on_signal() -> None:
    """From now on `ask_for_stack` makes this process write its stack to standard error."""
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1)


def ask_for_stack(pid: int) -> bool:
    """Whether the process was asked; it answers within moments. Only for one that called `tell_stack_on_signal`."""
    if not hasattr(signal, "SIGUSR1"):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)
        return True
    return False


def user_line() -> str | None:
    """`file:line, in name`: the innermost line of the user's in any other thread; None when none is in user code."""
    own = threading.get_ident()
    for thread, innermost in sys._current_frames().items():
        frame = innermost if thread != own else None
        while frame is not None:
            if is_user_file(frame.f_code.co_filename):
                return f"{frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_name}"
            frame = frame.f_back
    return None
