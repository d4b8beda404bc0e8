"""Decides whether and how a process function can be found again in another process.

A function is sent by name and imported anew in the worker, never by value where a name will do: that works for
functions of `__main__` and of a file, too. The one rule: a worker must not start the user's program a second time.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WORKER_VARIABLE = "PENSTOCK_WORKER_IS_LOADING"
"""Set in a worker's environment while it imports the user's module: a run started then is a missing main guard."""


@dataclass(frozen=True)
class Portable:
    """A process function as a worker finds it: by `reference` (see `load_function`), or unpickled from `pickled`."""

    reference: str | None = None
    pickled: bytes | None = None


def portable(function: Callable[..., Any], reference: str | None = None) -> Portable | str:
    """How to send `function`, which was loaded from `reference` if that is given; or, as a string, why it cannot be."""
    if sys.platform == "win32":
        return "worker processes are not supported on Windows"
    if reference is not None:
        return Portable(reference=reference)
    module_name = getattr(function, "__module__", None)
    path = getattr(function, "__qualname__", None)
    if isinstance(module_name, str) and isinstance(path, str):
        if "<lambda>" in path:
            return "a lambda cannot be sent to another process"
        if "<locals>" in path:
            return f"{path} is defined inside another function, so another process cannot import it"
        if _find(module_name, path) is function:
            return _by_name(module_name, path)
    try:
        data = pickle.dumps(function)
    except Exception as error:  # noqa: BLE001 - whatever a user's object raises, it cannot be pickled
        return f"it cannot be pickled: {type(error).__qualname__}: {error}"
    if b"__main__" in data:
        return "it is made of parts of the main script, which a worker does not run"
    return Portable(pickled=data)


def _by_name(module_name: str, path: str) -> Portable | str:
    if module_name != "__main__":
        file = getattr(sys.modules[module_name], "__file__", None)
        if module_name.startswith("penstock_file_") and file is not None:
            return Portable(reference=f"{file}:{path}")
        return Portable(reference=f"{module_name}:{path}")
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:  # python -m package.module
        return Portable(reference=f"{spec.name}:{path}")
    file = getattr(main, "__file__", None)
    if file is None:
        return "it was typed into an interactive session, which another process cannot import"
    return Portable(reference=f"{file}:{path}")


def _find(module_name: str, path: str) -> object:
    found: object = sys.modules.get(module_name)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found
