"""Turns what a process function returned, or raised, into records, a skip, or a `Failure`.

Pure apart from reading traceback objects. The one rule: whatever the user's code does, the answer is a value;
nothing of it may escape as an exception, because an exception in a worker would take neighbours down.
"""

from __future__ import annotations

import inspect
import os
import signal
import threading
from collections.abc import Mapping
from types import CodeType, TracebackType
from typing import TypeAlias

from penstock.model import Failure

Records: TypeAlias = list[Mapping[str, object]]
"""The records of one item: one mapping of added columns each, never empty."""

_EXPECTED = "expected dict, list of dict, or None"
_TEXT_CHARS_MAX = 2_000
# Code below these is a library's; the line people look for is the last one above it.
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_OWN_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_OWN_FOLDER = os.path.dirname(__file__) + os.sep


def records_from(result: object) -> Records | Failure | None:
    """The records in what the function returned: a dict is one, a list several; None and `[]` are a skip.

    Everything else, a column name that is not a str included, is a `Failure` of kind `process` that says what was
    expected and what came. The dicts are passed on, not copied.
    """
    if isinstance(result, dict):
        return _bad_column(result, "") or [result]
    if result is None:
        return None
    if isinstance(result, list):
        for index, record in enumerate(result):
            if not isinstance(record, dict):
                return _unexpected(record, f" at index {index} of the list")
            bad = _bad_column(record, f" in record {index} of the list")
            if bad is not None:
                return bad
        return result or None
    if inspect.iscoroutine(result):
        result.close()  # otherwise Python warns, later and elsewhere, that it was never awaited
    return _unexpected(result, "")


def failure_from(error: BaseException, function_code: CodeType | None = None) -> Failure:
    """A `Failure` of kind `process` from what the function raised: `TypeName: text (file:line, in function)`.

    The place is the deepest line of the traceback outside the standard library and installed packages, that is, the
    user's own; where there is none, the line inside `function_code`; where there is none either, the deepest line.
    """
    name = type(error).__qualname__
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - a user's __str__ may raise anything
        text = f"<str() of it raised {type(broken).__qualname__}>"
    if len(text) > _TEXT_CHARS_MAX:
        text = f"{text[:_TEXT_CHARS_MAX]}… ({len(text)} characters)"
    place = _user_line(error.__traceback__, function_code)
    return Failure("process", ": ".join(filter(None, (name, text))) + (f" ({place})" if place else ""))


def is_interrupt(error: BaseException) -> bool:
    """Whether a KeyboardInterrupt came from the keyboard rather than from a `raise` in the user's function.

    Only Python's default SIGINT handler raises it in the middle of other code, in the main thread; a run that drains
    on signals has installed its own handler, so there a KeyboardInterrupt is the function's doing and costs the item
    alone.
    """
    return (
        isinstance(error, KeyboardInterrupt)
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        and threading.current_thread() is threading.main_thread()
    )


def is_user_file(filename: str) -> bool:
    """Whether a line of this file is more use to the reader than its caller's: no library, not generated, not ours."""
    return not (
        filename.startswith(("<", _STANDARD_LIBRARY, _OWN_PACKAGE)) or any(part in filename for part in _INSTALLED)
    )


def _bad_column(record: dict[object, object], where: str) -> Failure | None:
    for name in record:
        if type(name) is not str and not isinstance(name, str):
            return Failure(
                "process", f"expected column names of type str, got {type(name).__qualname__} {_short(name)}{where}"
            )
    return None


def _unexpected(value: object, where: str) -> Failure:
    name = type(value).__qualname__
    hint = ""
    if inspect.isgenerator(value):
        hint = "; hint: return list(...) of it, or build the list and return it instead of using yield"
    elif inspect.iscoroutine(value):
        hint = "; hint: declare the process function itself `async def`"
    elif isinstance(value, (tuple, set)):
        hint = "; hint: return list(...) of it"
    shown = "" if hint else f" {_short(value)}"
    return Failure("process", f"{_EXPECTED}; the process function returned {name}{shown}{where}{hint}")


def _short(value: object) -> str:
    if not isinstance(value, (str, bytes, int, float, bool, type(None))):
        return ""  # a user's __repr__ may be slow, huge or raise
    if isinstance(value, (str, bytes)):
        text = repr(value[:60])
        return text if len(value) <= 60 else f"{text}… (length {len(value)})"
    try:
        text = repr(value)
    except ValueError:  # an int of more than 4300 digits
        return ""
    return text if len(text) <= 60 else f"{text[:60]}…"


def _user_line(traceback: TracebackType | None, function_code: CodeType | None) -> str:
    own = deepest = function_line = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(_OWN_FOLDER):
            place = f"{code.co_filename}:{traceback.tb_lineno}, in {code.co_name}"
            deepest = place
            if code is function_code:
                function_line, own = place, ""  # what stands above it called the function: not the user's mistake
            if is_user_file(code.co_filename):
                own = place
        traceback = traceback.tb_next
    return own or function_line or deepest
