"""Put first on PYTHONPATH by a CPU profile: makes a Python child process sample itself, then lets the environment's own
`sitecustomize` run, if it has one. Whatever fails here fails silently: the program must run as without a profile."""

import contextlib
import importlib
import os
import sys


def _begin() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != here]
    own = sys.modules.pop("sitecustomize", None)
    try:
        importlib.import_module("sitecustomize")
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        if own is not None:
            sys.modules.setdefault("sitecustomize", own)
        with contextlib.suppress(Exception):  # say, a Python without Penstock: then it is not profiled
            importlib.import_module("penstock.perf.profile.child").begin()


_begin()
