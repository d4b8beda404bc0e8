"""Wraps the process function so that calling it always gives records, a skip or a `Failure`, wherever it runs.

No event loop, no processes: this is also what a worker process imports, so it stays light.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import CodeType
from typing import Any

from penstock.model import Failure, Response
from penstock.process.marker import Marker
from penstock.process.options import InlineCall, Result
from penstock.process.records import failure_from, is_interrupt, records_from


def guarded(function: Callable[..., object]) -> InlineCall:
    """`function` with its result normalised and whatever it raises turned into a `Failure`.

    Only an interrupt from the keyboard passes through.
    """
    code = code_of(function)

    def call(response: Response) -> Result:
        try:
            return records_from(function(response))
        except BaseException as error:
            if is_interrupt(error):
                raise
            return failure_from(error, code)

    return call


def marked(function: Callable[..., object], marker: Marker, slot: int) -> InlineCall:
    """`guarded(function)` that keeps the item's id in `marker.slots[slot]` while the function runs."""
    code = code_of(function)
    slots = marker.slots

    def call(response: Response) -> Result:
        slots[slot] = response.item_id + 1
        try:
            return records_from(function(response))
        except BaseException as error:
            if is_interrupt(error):
                raise
            return failure_from(error, code)
        finally:
            slots[slot] = 0

    return call


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling `function` gives something to await: `async def`, also as a method, partial or `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - not a test for being callable


def code_of(function: Callable[..., object]) -> CodeType | None:
    """The code object whose lines count as the user's even inside an installed package."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None) or getattr(getattr(function, "__call__", None), "__code__", None)  # noqa: B004 - not a test for being callable
    return code if isinstance(code, CodeType) else None


def timeout_failure(timeout_s: float | None) -> Failure:
    """The `Failure` of an item whose call was stopped at the limit."""
    return Failure(
        "process_timeout",
        f"expected the process function to return within {timeout_s:g} s, it did not and was stopped; "
        "hint: raise --process-timeout",
    )
