"""What is measured, as plain data: a workload, and the alternatives that each do all of it.

No I/O, no clock. The rule: an alternative and a workload travel to another process as JSON, so they name functions
(`module:function` or `file.py:function`) and never hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Strategy: TypeAlias = Literal["sync", "threads", "processes", "asyncio", "uvloop", "penstock"]
"""How concurrency is made; in the order from simple to involved, which breaks ties of a recommendation."""
Client: TypeAlias = Literal["curl", "aiohttp", "httpx", "requests"]


@dataclass(frozen=True)
class Workload:
    """What each alternative does: item k of a run is `items[k % len(items)]`.

    For a fetch, items are URLs: each is fetched (any answer but a complete 2xx fails) and the `Response` is given to
    the function that `process` names, whose return value is the item's output (without one: status, length and a
    digest of the body). For functions of the user's (`Alternative.function`) an item is the one argument, and what
    the function returns is the output.

    `concurrency` is for strategies that have one (`sync` has 1); `processes` workers make the process pool.
    `run_s`: no item starts later than this after a run's first. `item_s_max`: an item that takes longer fails the
    comparison. `ca_file`: the certificate to trust, for a local HTTPS origin.
    """

    name: str
    about: str
    items: tuple[str, ...]
    concurrency: int = 32
    processes: int = 4
    process: str | None = None
    run_s: float = 0.4
    item_s_max: float = 30.0
    ca_file: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Workload:
        """Raises TypeError for fields that are not a workload's."""
        return Workload(**{**document, "items": tuple(document["items"])})


@dataclass(frozen=True)
class Alternative:
    """One way to do a workload. `name` is unique within a comparison; a second one of the same gets ` (2)`.

    `function` names the user's function of one item, sync for sync, threads and processes, async for the others;
    None: the workload is a fetch, done with `client`.
    """

    name: str
    strategy: Strategy
    client: Client = "curl"
    function: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Alternative:
        return Alternative(**document)
