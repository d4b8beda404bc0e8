"""The functions that a workload names: found, checked, and the ones of Penstock's own that the presets use.

Loading runs the user's module. The rule: what is loaded is a plain function of one argument that gives a value to
compare; how often and where it is called is the strategy's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MappingProxyType

import xxhash

from penstock.errors import ConfigError
from penstock.model import Response
from penstock.perf.workload.burn import REPETITIONS_MAX, parse_page
from penstock.perf.workload.model import Workload
from penstock.process.call import is_async
from penstock.process.load import Wanted, load_function

REPETITIONS = "_repetitions"
"""The query parameter that says how much `parse` has to do; the origin ignores names that begin with `_`."""

PARSE = "penstock.perf.workload.work:parse"

_COMPARED = Wanted(
    what="function to compare",
    argument="the item",
    example="penstock compare mypackage.pages:fetch_sync",
    code="def fetch(item): return {'title': ...}",
)


def output_function(workload: Workload) -> Callable[[Response], object]:
    """What makes an item's output of its response: the function that `workload.process` names, or `record`.

    Raises ConfigError as `load_function`, and for functions that are not plain (async def, generators).
    """
    if workload.process is None:
        return record
    function: Callable[[Response], object] = load_function(workload.process)
    kind = kind_of(function)
    if kind != "sync":
        raise ConfigError(
            f"process function {workload.process}: expected a plain function, because it is compared under strategies "
            f"with and without an event loop, got {_KINDS[kind]}",
            hint="def parse(response): return {'title': ...}",
        )
    return function


def user_function(reference: str) -> Callable[[str], object]:
    """The user's function of one item. Raises ConfigError as `load_function`, and for generator functions."""
    function: Callable[[str], object] = load_function(reference, _COMPARED)
    kind = kind_of(function)
    if kind in ("generator", "async generator"):
        listed = "[x async for x in …]" if kind == "async generator" else "[x for x in …]"
        raise ConfigError(
            f"function to compare {reference}: expected a function that returns an item's output, got {_KINDS[kind]}",
            hint=f"wrap it in a function that returns a list: {listed}",
        )
    return function


def kind_of(function: Callable[..., object]) -> str:
    """`sync`, `async`, `generator` or `async generator`; of an object with `__call__`, what that is."""
    if is_async(function):
        return "async"
    call = getattr(type(function), "__call__", function)  # noqa: B004 - it is looked into, not called
    for test, kind in (
        (inspect.isasyncgenfunction, "async generator"),
        (inspect.isgeneratorfunction, "generator"),
    ):
        if test(function) or test(call):
            return kind
    return "sync"


def record(response: Response) -> dict[str, object]:
    """The output of a fetch without a process function: status, length and digest of the body."""
    return {
        "status": response.fetch_status,
        "bytes": len(response.body),
        "digest": xxhash.xxh3_64_hexdigest(response.body),
    }


def parse(response: Response) -> dict[str, object]:
    """What `parse_page` makes of the body, as often as the URL's `_repetitions` says (1 without it)."""
    _, name, text = response.url.rpartition(f"{REPETITIONS}=")
    repetitions = 1
    if name:
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= REPETITIONS_MAX):
            raise ValueError(f"expected {REPETITIONS}=1…{REPETITIONS_MAX} at the end of the URL, got {response.url}")
        repetitions = int(text)
    return parse_page(response.text, repetitions)


_KINDS = MappingProxyType(
    {
        "async": "an async def function",
        "generator": "a generator function",
        "async generator": "an async generator function",
    }
)
