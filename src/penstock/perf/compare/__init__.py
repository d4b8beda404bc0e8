"""Which alternative is faster: interleaved runs, intervals, a verdict for each pair, and the recommendation.

`compare(...)` is the Python API. Imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.perf.compare.api import compare
    from penstock.perf.compare.model import Comparison
    from penstock.perf.compare.options import CompareInterrupted

_HOME = {"CompareInterrupted": "options", "Comparison": "model", "compare": "api"}
__all__ = ["CompareInterrupted", "Comparison", "compare"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
