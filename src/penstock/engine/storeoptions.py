"""What a store is told when it opens, and what it tells: plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.engine.ledger import Checkpoint
from penstock.model import FailureKind
from penstock.sinks.disk import Durability
from penstock.sinks.encoder import Format

if TYPE_CHECKING:
    from pyroaring import BitMap64


@dataclass(frozen=True, slots=True)
class ShardOptions:
    """How shards are cut and written. A shard is committed by the write that brings it to `rows_max` rows or to
    `bytes_max` bytes of uncompressed bodies, so it may exceed them by one batch. How old a shard may get is
    the writer's to know. `compression_level` is zstd's, 1 to 22.
    """

    rows_max: int = 8192
    bytes_max: int = 256 << 20
    durability: Durability = "power"
    format: Format = "parquet"
    include_body: bool = True
    compression_level: int = 1
    url_column: str | None = "url"


@dataclass(frozen=True, slots=True)
class ResumeState:
    """Where a run goes on. `done` holds ids that need no work; every id below `low_water` is in it, none from
    `end_id` on. `checkpoint` is where the source is to be read from, None for its start.
    """

    checkpoint: Checkpoint | None
    done: BitMap64
    written: int
    failed: int
    skipped: int
    low_water: int
    end_id: int


@dataclass(frozen=True, slots=True)
class StoreHooks:
    """What a store is told from outside and does not decide."""

    on_step: Callable[[str], None]
    retry_kinds: frozenset[FailureKind]
