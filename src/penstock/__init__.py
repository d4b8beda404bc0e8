"""Fetch, process and write data in bulk: nothing lost, nothing repeated. `run` does a whole job, `stream` is a loop
over answers, `Pipeline` joins parts of your own.

Names are imported on first use, so that `import penstock` and `penstock --help` stay quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from penstock.version import __version__

if TYPE_CHECKING:
    from penstock.api import Record, run, stream
    from penstock.engine.options import EngineOptions
    from penstock.engine.pipeline import Pipeline, RunResult
    from penstock.errors import ConfigError, PenstockError
    from penstock.fetch.callable import FunctionTransport
    from penstock.model import Failure, Item, Response

_HOME = {
    "ConfigError": "penstock.errors",
    "EngineOptions": "penstock.engine.options",
    "Failure": "penstock.model",
    "FunctionTransport": "penstock.fetch.callable",
    "Item": "penstock.model",
    "PenstockError": "penstock.errors",
    "Pipeline": "penstock.engine.pipeline",
    "Record": "penstock.api",
    "Response": "penstock.model",
    "RunResult": "penstock.engine.pipeline",
    "run": "penstock.api",
    "stream": "penstock.api",
}
__all__ = [  # noqa: RUF022 - the order a reader needs
    "run",
    "stream",
    "Record",
    "Pipeline",
    "EngineOptions",
    "FunctionTransport",
    "RunResult",
    "Item",
    "Response",
    "Failure",
    "PenstockError",
    "ConfigError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'penstock' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
