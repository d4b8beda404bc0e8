"""Reads dead letters back: which of them still stand, and the items in them.

It writes nothing. Rule: of several letters for one item the newest stands; none, once it is written or skipped.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from penstock.engine.accounts import Accounts
from penstock.engine.rundir import RunDir
from penstock.engine.storeinput import load_input
from penstock.errors import LedgerError
from penstock.model import Failed, FailureKind
from penstock.sinks.deadletter import decode_dead_letters, own_key
from penstock.sinks.ids import bitmap_of, bitmap_of_ranges
from penstock.sinks.manifest import Manifest

if TYPE_CHECKING:
    from pyroaring import BitMap64

# A dead-letter file, and the ids in it whose letter stands.
LiveLetters: TypeAlias = "tuple[Manifest, BitMap64]"


def live_letters(
    shards: Sequence[Manifest], accounts: Accounts, kinds: Collection[str] | None = None
) -> list[LiveLetters]:
    """For each dead-letter file, oldest first, the ids that still stand failed by it."""
    standing = accounts.failed(kinds)
    newer = bitmap_of(())
    letters: list[LiveLetters] = []
    for shard in sorted((shard for shard in shards if shard.stream == "failed"), key=lambda s: s.order, reverse=True):
        ids = bitmap_of_ranges(shard.ids)
        letters.append((shard, (ids & standing) - newer))
        newer |= ids
    return letters[::-1]


def read_lines(run_dir: RunDir, letters: LiveLetters) -> Iterator[tuple[str, int, FailureKind]]:
    """`(line, item id, kind)` of the letters that stand, in file order; nothing is read when none does.

    Raises LedgerError when the file is not what its manifest says.
    """
    shard, live = letters
    if not live:
        return
    path = run_dir.root / shard.name
    key = own_key(load_input(run_dir)[0])
    missing = live.copy()
    with path.open(encoding="utf-8", newline="\n") as lines:
        try:
            for line in lines:
                ours = json.loads(line)[key]
                item_id, kind = ours["item_id"], ours["kind"]
                if item_id in missing:  # also keeps a letter that stands twice in one file from counting twice
                    missing.discard(item_id)
                    yield line, item_id, kind
        except (ValueError, KeyError, TypeError) as error:
            raise _altered(run_dir, shard, str(error)) from error
    if missing:
        raise _altered(run_dir, shard, f"{len(missing)} of its items are not in it")


def read_letters(run_dir: RunDir, letters: Sequence[LiveLetters]) -> Iterator[Failed]:
    """The items of the letters that stand. Raises LedgerError when a file has been altered."""
    if not letters:
        return
    columns, _ = load_input(run_dir)
    for shard, live in letters:
        lines = (line for line, _, _ in read_lines(run_dir, (shard, live)))
        try:
            yield from decode_dead_letters(lines, columns)
        except ValueError as error:
            raise _altered(run_dir, shard, str(error)) from error


def _altered(run_dir: RunDir, shard: Manifest, what: str) -> LedgerError:
    return LedgerError(
        f"{run_dir.root / shard.name}: expected the dead letters of its manifest, got: {what}",
        hint=f"penstock verify {run_dir.root} --repair",
    )
