"""What one labelled scenario is: how a run is set up, what must limit it, and why that is certain.

Plain data. The rule: `because` follows from the parameters alone, never from a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from penstock.telemetry.verdict_rules import Label

Half = Literal["design", "hold-out"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run. Times in seconds.

    `truth`: the label that must come out; `because` why. `half`: rules were made by looking at "design" only.
    `path` of every URL, with the origin's parameters; `{n}` is the URL's number. `hosts`: how many addresses the URLs
    go over in turn (0: 127.0.0.1). `is_tls`. `settings` are those of `penstock.run`. `load_s`: drained after that long.

    Surroundings: `relay_bytes_per_s` all answers go through one link of that speed; `relay_delay_s` a new connection's
    first bytes wait that long; `dns_delay_s` each lookup of a name takes that long (every URL has a host of its own);
    `stuck_address` each name has a first address that never answers; `fsync_s` each fsync takes so much longer;
    `neighbours` other processes that compute without end on the run's only core.
    `input_per_s` and `input_burst`: lines come through a pipe at that pace. `parts`: name in `parts.PARTS` of a
    pipeline of its own instead of `penstock.run`. `is_heavy`: uses a core, so no other scenario runs beside it and
    it goes before the machine's other work where that is allowed.
    """

    name: str
    truth: Label
    because: str
    half: Half = "design"
    path: str = "/bytes/1000"
    hosts: int = 0
    is_tls: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)
    load_s: float = 16.0
    relay_bytes_per_s: float | None = None
    relay_delay_s: float = 0.0
    dns_delay_s: float | None = None
    stuck_address: bool = False
    fsync_s: float = 0.0
    neighbours: int = 0
    input_per_s: float | None = None
    input_burst: int = 1
    parts: str | None = None
    is_heavy: bool = False
