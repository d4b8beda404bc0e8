"""Where a task is: its chain of awaits, from its coroutine to what it waits for. Reads only; decides no state.

Called in a signal handler for dozens of tasks at once, so a chain is kept as numbers (code object, instruction) and
turned into names and lines when the profile ends. The rule: nothing here runs the program's own code, no `repr` either.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType

from penstock.perf.profile.model import Frame

Place = tuple[int, int] | str
"""Where one call is: (id of the code object, byte offset in it), or a text such as `[gather of 3]`."""

DEPTH_MAX = 200
_DEEPER = "[deeper calls left out]"
# These wrap a coroutine or an async generator in C and say so to nobody but the garbage collector.
_WRAPPERS = ("async_generator_asend", "async_generator_athrow", "coroutine_wrapper", "anext_awaitable")
_COUNTED_EXACTLY_BELOW = 100


class Codes:
    """The code objects seen, kept alive so that their ids stay theirs."""

    __slots__ = ("_by_id",)

    def __init__(self) -> None:
        self._by_id: dict[int, CodeType] = {}

    def place(self, frame: FrameType) -> tuple[int, int]:
        code = frame.f_code
        key = id(code)
        if key not in self._by_id:
            self._by_id[key] = code
        return key, frame.f_lasti

    def frame(self, place: Place) -> Frame:
        """The place's name, file and line."""
        if isinstance(place, str):
            return Frame(place)
        code = self._by_id[place[0]]
        return Frame(code.co_qualname, code.co_filename, _line(code, place[1]))

    def root(self, place: Place) -> Frame:
        """The frame under which all tasks of one coroutine stand together, whatever line they are at."""
        if isinstance(place, str):
            return Frame(f"task {place}")
        code = self._by_id[place[0]]
        return Frame(f"task {code.co_qualname}", code.co_filename, code.co_firstlineno)


def suspended_chain(awaitable: object, codes: Codes) -> tuple[list[Place], FrameType | None]:
    """The places from a suspended coroutine down to what it awaits, and the innermost frame (None when there is none).

    Follows coroutines, generator-based awaitables, async generators and what wraps them. About 0.3 µs per level.
    """
    places: list[Place] = []
    innermost: FrameType | None = None
    for _ in range(DEPTH_MAX):
        frame: FrameType | None
        if isinstance(awaitable, CoroutineType):
            frame, awaited = awaitable.cr_frame, awaitable.cr_await
        elif isinstance(awaitable, GeneratorType):
            frame, awaited = awaitable.gi_frame, awaitable.gi_yieldfrom
        elif isinstance(awaitable, AsyncGeneratorType):
            frame, awaited = awaitable.ag_frame, awaitable.ag_await
        else:
            awaitable = _unwrapped(awaitable, places)
            if awaitable is None:
                return places, innermost
            continue
        if frame is None:
            return places, innermost
        places.append(codes.place(frame))
        innermost = frame
        if awaited is None:
            return places, innermost
        awaitable = awaited
    places.append(_DEEPER)
    return places, innermost


def running_chain(frame: FrameType | None, coroutine: object, codes: Codes) -> list[Place]:
    """The places from a running task's coroutine to `frame`, where the thread is now: plain calls are in it too."""
    outermost = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
    places: list[Place] = []
    while frame is not None and len(places) < DEPTH_MAX:
        places.append(codes.place(frame))
        if frame is outermost:
            break
        frame = frame.f_back
    places.reverse()
    return places


def awaited_text(waiter: object) -> str:
    """What kind of future a task waits for, as a leaf: another task, a gather, a thread. Empty for a plain future,
    which the line that awaits it describes best."""
    if isinstance(waiter, asyncio.Task):
        return f"[task {_coroutine_name(waiter.get_coro())}]"
    name = type(waiter).__qualname__
    if name == "_GatheringFuture":
        return f"[gather of {_rounded(getattr(waiter, '_children', ()))}]"
    if name != "Future":
        return f"[{name}]"
    for entry in getattr(waiter, "_callbacks", None) or ():
        callback = entry[0] if isinstance(entry, tuple) else entry
        if getattr(callback, "__qualname__", "").startswith("_chain_future."):
            return "[another thread or process]"
    return ""


def _unwrapped(awaitable: object, places: list[Place]) -> object | None:
    name = type(awaitable).__qualname__
    if name in _WRAPPERS:
        inside: object
        for inside in gc.get_referents(awaitable):
            if isinstance(inside, CoroutineType | AsyncGeneratorType | GeneratorType) or (
                type(inside).__qualname__ in _WRAPPERS
            ):
                return inside
    elif name not in {"FutureIter", "NoneType"}:
        # Compiled coroutines and awaitables written as classes: their names are all there is.
        places.append(f"[{_coroutine_name(awaitable)}]")
    return None


def _coroutine_name(awaitable: object) -> str:
    kind = type(awaitable)
    if kind.__name__ in {"coroutine", "generator", "async_generator"}:  # ours, and those that Cython compiles
        return str(getattr(awaitable, "__qualname__", kind.__qualname__))
    return kind.__qualname__


def _rounded(children: Sequence[object]) -> str:
    count = len(children)
    if count < _COUNTED_EXACTLY_BELOW:
        return str(count)
    unit = 10 ** (len(str(count)) - 2)  # two digits: gathers of about the same size share a box
    return f"about {round(count / unit) * unit}"


def _line(code: CodeType, offset: int) -> int:
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            return line
    return code.co_firstlineno
