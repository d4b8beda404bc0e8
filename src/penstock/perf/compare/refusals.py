"""Why a comparison is refused, in words: which alternative, what happened to it, and what the others did meanwhile.

Pure. The rule: whoever reads it knows what to change without reading code of ours.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from penstock.perf.compare.model import Refusal
from penstock.perf.measure.model import AlternativeError, RunResult
from penstock.perf.workload.model import Workload
from penstock.telemetry.format import printable, shortened

_MESSAGE_MAX = 300
_HINTS = {
    "start": "run the function alone in a Python shell to see the whole error",
    "raised": "run the function alone on that item to see the whole error",
    "timeout": "an item may take {item_s_max:g} s: raise --timeout if it needs longer, leave it out if it hangs",
    "died": "look for sys.exit, os._exit, a crash in C code or too little memory in what each item does",
}


def alternative_failed(error: AlternativeError, workload: Workload, others: Mapping[str, str]) -> Refusal:
    """`others`: what each other alternative did, as `others_did` groups it."""
    hint = error.hint or _HINTS[error.trouble].format(item_s_max=workload.item_s_max)
    return Refusal(error.trouble, f"{printable(str(error))}{others_did(others)}", hint)


def items_failed(name: str, result: RunResult, workload: Workload, others: Mapping[str, str]) -> Refusal:
    """Items of a run failed: the server pushed back, a fetch went wrong, or what is done with an item raised."""
    whole = result.items + result.failed
    if result.pushbacks:
        return Refusal(
            "pushback",
            f"{name}: the server answered {result.pushbacks} of {whole} items with 429 or 503: it limits or is "
            f"overloaded, and a comparison would show its limit, not the alternatives{others_did(others)}",
            f"ask for less at once (-j, now {workload.concurrency}) or compare on a server that may be loaded",
        )
    example, hint = "", _HINTS["raised"]
    if result.failures:
        number, text = result.failures[0]
        index = number % len(workload.items)
        item = printable(workload.items[index])
        example = f"; item {index} ({shortened(item, 80)}): {printable(text, _MESSAGE_MAX)}"
        if "://" in item:
            hint = f"try that item alone: curl -sv {shlex.quote(item)} -o body"
    return Refusal("raised", f"{name}: {result.failed} of {whole} items failed{example}{others_did(others)}", hint)


def others_did(others: Mapping[str, str]) -> str:
    """`; sync, threads: 8 items, all well; asyncio: not started`, or nothing."""
    groups: dict[str, list[str]] = {}
    for name, did in others.items():
        groups.setdefault(did, []).append(name)
    return "".join(f"; {', '.join(names)}: {did}" for did, names in groups.items())


def did(result: RunResult) -> str:
    """What a run did, in a few words."""
    if not result.failed:
        return f"{_items(result.items)}, all well"
    return f"{result.failed} of {_items(result.items + result.failed)} failed"


def _items(n: int) -> str:
    return "1 item" if n == 1 else f"{n:,} items"
