"""The event loops of the strategies that have one, and the sockets they may open.

The rule: a loop is made once and kept; between runs it does not turn, so nothing of a run is charged to the next.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from importlib.util import find_spec

from penstock.engine.descriptors import fit_descriptors
from penstock.engine.options import EngineOptions
from penstock.errors import ConfigError

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def asyncio_loop() -> asyncio.AbstractEventLoop:
    """The standard library's own loop, whatever policy the user's code has set."""
    # Also on Windows: libcurl's sockets need add_reader, which the proactor loop lacks.
    return asyncio.SelectorEventLoop()


def uvloop_factory() -> LoopFactory:
    """Raises ConfigError where uvloop is not installed."""
    try:
        import uvloop
    except ImportError as error:
        where = "uvloop does not run on Windows" if sys.platform == "win32" else "it is not installed"
        raise ConfigError(
            f"strategy uvloop: expected the package uvloop, but {where}",
            hint="leave the strategy out, or: pip install uvloop",
        ) from error
    factory: LoopFactory = uvloop.new_event_loop
    return factory


def engine_factory() -> LoopFactory:
    """What `penstock` itself runs on: uvloop where it is installed."""
    return uvloop_factory() if sys.platform != "win32" and find_spec("uvloop") is not None else asyncio_loop


def make_room(concurrency: int) -> None:
    """Let the process open as many sockets as `concurrency` needs. Raises ConfigError where the system does not."""
    fit = fit_descriptors(EngineOptions(concurrency=concurrency))
    if fit.note:
        raise ConfigError(
            f"expected to open {concurrency} connections at once; {fit.note}",
            hint=f"raise the limit: ulimit -n {4 * concurrency}, or choose a lower concurrency",
        )
