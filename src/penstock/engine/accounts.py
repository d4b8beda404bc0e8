"""Which item ended how, as bitmaps built from the manifests. Pure.

Rule of precedence, which makes every crash during a retry harmless: an id in a data shard is written; else, in a
skipped shard, skipped; else, in a dead-letter file, failed, with the kind that the newest of them says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.sinks.ids import bitmap_of, bitmap_of_ranges
from penstock.sinks.manifest import Manifest

if TYPE_CHECKING:
    from pyroaring import BitMap64


@dataclass(frozen=True, slots=True)
class Counts:
    """Items by how they ended. `failed_kinds` adds up to `failed`."""

    written: int
    failed: int
    skipped: int
    failed_kinds: dict[str, int]

    @property
    def total(self) -> int:
        return self.written + self.failed + self.skipped


class Accounts:
    """The state of every item that any committed shard names. Memory: ranges, compressed; not ids."""

    def __init__(self, shards: Iterable[Manifest] = ()) -> None:
        self.data = bitmap_of(())
        self.skipped = bitmap_of(())
        self._kinds: dict[str, BitMap64] = {}
        self._added = 0
        for shard in sorted(shards, key=lambda shard: shard.order):
            self.add(shard)
        self._compress()

    def add(self, shard: Manifest) -> None:
        """Take a shard in; within the failed stream they must come in the order they were committed."""
        match shard.stream:
            case "data":
                self.data |= bitmap_of_ranges(shard.ids)
            case "skipped":
                self.skipped |= bitmap_of_ranges(shard.ids)
            case "failed":
                ids = bitmap_of_ranges(shard.ids)
                for bitmap in self._kinds.values():
                    bitmap -= ids  # noqa: PLW2901  # in place: the newest dead letter of an id replaces the older ones
                for kind, ranges in shard.kinds.items():
                    self._kinds.setdefault(kind, bitmap_of(())).update(bitmap_of_ranges(ranges))
        self._added += 1
        if self._added % 256 == 0:
            self._compress()

    def failed(self, kinds: Collection[str] | None = None) -> BitMap64:
        """Ids whose last word is a dead letter, of these kinds only unless None."""
        ids = bitmap_of(())
        for kind, bitmap in self._kinds.items():
            if kinds is None or kind in kinds:
                ids |= bitmap
        return ids - self.data - self.skipped

    def done(self, retried_kinds: Collection[str] = ()) -> BitMap64:
        """Ids that need no further work when dead letters of `retried_kinds` are to be tried again."""
        done = self.data | self.skipped | self.failed()
        return done - self.failed(retried_kinds) if retried_kinds else done

    def counts(self) -> Counts:
        kinds = {kind: len(bitmap - self.data - self.skipped) for kind, bitmap in sorted(self._kinds.items())}
        kinds = {kind: count for kind, count in kinds.items() if count}
        return Counts(
            written=len(self.data),
            failed=sum(kinds.values()),
            skipped=len(self.skipped) - self.skipped.intersection_cardinality(self.data),
            failed_kinds=kinds,
        )

    def end_id(self) -> int:
        """One past the highest id that any shard names; 0 when there is none."""
        return max(
            (int(bitmap.max()) + 1 for bitmap in (self.data, self.skipped, *self._kinds.values()) if bitmap), default=0
        )

    def _compress(self) -> None:
        for bitmap in (self.data, self.skipped, *self._kinds.values()):
            bitmap.run_optimize()
