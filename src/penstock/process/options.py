"""What the process stage is told and what it says of itself: options, the Runner contract, the decision.

Plain data and one Protocol; checking against each other happens in `runner.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from penstock.model import Failure, Response
from penstock.process.records import Records

Mode: TypeAlias = Literal["auto", "inline", "thread", "process"]
Result: TypeAlias = Records | Failure | None
"""What became of one response: records to write, None for a skip, or why it failed."""
InlineCall: TypeAlias = Callable[[Response], Result]


@dataclass(frozen=True)
class ProcessOptions:
    """How responses become records.

    `function`: `"module:function"`, `"path/to/file.py:function"`, a callable, or None (one empty dict per response).
    `workers`: threads or processes, at least 1; None means the cores this process may use.
    `timeout_s`: the longest one call may take, over 0; a sync function then runs in a process, the only place where
    it can be stopped. None: no limit.
    `worker_memory_bytes`: address space of one worker process (Linux); over it Python raises MemoryError there.
    `result_bytes_max`: the largest pickled result accepted from a worker process.
    """

    function: str | Callable[..., Any] | None = None
    mode: Mode = "auto"
    workers: int | None = None
    timeout_s: float | None = None
    worker_memory_bytes: int | None = None
    result_bytes_max: int = 256 * 2**20


@dataclass(frozen=True)
class Decision:
    """Where the function runs and why; `mode` is "none" without a function.

    `median_s` and `mean_s` are seconds per call over the `calls` that were measured (the slowest of them left out of
    the mean: the first call often pays for imports); None where nothing was measured. `workers`: calls at once there.
    """

    mode: Literal["none", "measuring", "inline", "thread", "process"]
    reason: str
    median_s: float | None = None
    mean_s: float | None = None
    calls: int = 0
    workers: int = 1


class Runner(Protocol):
    """Runs the process function on one response at a time per caller; many callers may await at once.

    Waiting for a free worker happens inside `run`, so a full stage pushes back on whoever awaits it.
    """

    @property
    def inline(self) -> InlineCall | None:
        """A plain function to call instead of awaiting `run`, while there is one; read it anew for each item."""
        ...

    @property
    def decision(self) -> Decision:
        """Where the function runs at present, and why."""
        ...

    async def run(self, response: Response) -> Result:
        """The records of one response. Raises ProcessError when workers cannot be started at all."""
        ...

    async def aclose(self) -> None:
        """Stop the workers, those in the middle of an item too. Harmless when repeated."""
        ...
