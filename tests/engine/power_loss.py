"""A model of what a power cut may leave: records every operation, then builds the folders that are legal afterwards.

The idea is ALICE's (Pillai et al., OSDI 2014). The model is harsher than real file systems: a file's content counts
only after `fsync` of the file (before it: nothing, a torn half, or all), a directory's entries only after `fsync_dir`,
and entries not yet synced may survive in any combination, a rename's two halves apart. SQLite syncs for itself (its
own tests cover that), so the ledger is taken as it was at that moment, or missing.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from penstock.sinks.disk import Disk

LEDGER_FILES = ("ledger.sqlite", "ledger.sqlite-wal")


@dataclass
class Inode:
    """A file's content: what is durable, and what has been written since."""

    durable: bytes = b""
    written: bytes = b""
    is_synced: bool = True


@dataclass
class State:
    """The durable entries of each directory, and the changes to them that are not durable yet, in order."""

    entries: dict[Path, Inode] = field(default_factory=dict)
    pending: list[tuple[Path, Inode | None]] = field(default_factory=list)

    def now(self) -> dict[Path, Inode]:
        """The entries as the running process sees them."""
        entries = dict(self.entries)
        apply(entries, self.pending)
        return entries


def apply(entries: dict[Path, Inode], changes: list[tuple[Path, Inode | None]]) -> None:
    for path, inode in changes:
        if inode is None:
            entries.pop(path, None)
        else:
            entries[path] = inode


class RecordingDisk(Disk):
    """Real operations, with a snapshot of all that a power cut may leave after each of them.

    `skips` names operations that are reported as done and are not: the mutations that the test must notice.
    """

    def __init__(self, out: Path, skips: frozenset[str] = frozenset(), *, has_links: bool = True) -> None:
        super().__init__("power")
        self._has_links = has_links
        self._out = out
        self._skips = skips
        self._open: dict[int, Inode] = {}
        self.state = State()
        self.acknowledged: set[int] = set()
        self.moments: list[Moment] = []

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        inode = Inode()
        self._open[descriptor] = inode
        self.state.pending.append((path, inode))
        self.remember()
        return descriptor

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        super().write(descriptor, data)
        inode = self._open[descriptor]
        inode.written += bytes(data)
        inode.is_synced = False
        self.remember()

    def fsync(self, descriptor: int) -> None:
        inode = self._open.get(descriptor)
        if inode is not None and "fsync" not in self._skips:
            inode.durable, inode.is_synced = inode.written, True
        self.remember()

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        super().close(descriptor)

    def fsync_dir(self, path: Path) -> None:
        if "fsync_dir" in self._skips:
            return
        apply(self.state.entries, [change for change in self.state.pending if change[0].parent == path])
        self.state.pending = [change for change in self.state.pending if change[0].parent != path]
        self.remember()

    def link(self, source: Path, target: Path) -> None:
        if not self._has_links:
            raise PermissionError(1, "Operation not permitted")
        super().link(source, target)
        self.state.pending.append((target, self.state.now()[source]))
        self.remember()

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        inode = self.state.now()[source]
        self.state.pending += [(target, inode), (source, None)]
        self.remember()

    def unlink(self, path: Path) -> None:
        existed = path.exists()
        super().unlink(path)
        if existed:
            self.state.pending.append((path, None))
            self.remember()

    def remember(self) -> None:
        """Take this moment down as one at which the power may go."""
        internal = self._out / "_penstock"
        ledger = {name: (internal / name).read_bytes() for name in LEDGER_FILES if (internal / name).exists()}
        copies: dict[int, Inode] = {}

        def copied(inode: Inode) -> Inode:
            return copies.setdefault(id(inode), Inode(inode.durable, inode.written, inode.is_synced))

        state = State(
            {path: copied(inode) for path, inode in self.state.entries.items()},
            [(path, None if inode is None else copied(inode)) for path, inode in self.state.pending],
        )
        self.moments.append(Moment(state, ledger, frozenset(self.acknowledged)))


@dataclass
class Moment:
    """A point at which the power may go: the state, the ledger's files, and the ids acknowledged so far."""

    state: State
    ledger: dict[str, bytes]
    acknowledged: frozenset[int]

    def aftermaths(self, rng: random.Random, samples: int) -> Iterator[dict[Path, bytes]]:
        """Folders that may be found afterwards, as content by path: none and all of what is pending, and a sample."""
        pending = self.state.pending
        choices = [[], pending]
        choices += [[change for change in pending if rng.random() < 0.5] for _ in range(samples)]
        for kept, fate in itertools.product(choices, ("none", "torn", "all")):
            entries = dict(self.state.entries)
            apply(entries, kept)
            if fate != "none" and all(inode.is_synced for inode in entries.values()):
                continue  # nothing unsynced: the same folder again
            yield {path: content_after(inode, fate) for path, inode in entries.items()}


def content_after(inode: Inode, fate: str) -> bytes:
    if inode.is_synced or fate == "none":
        return inode.durable
    if fate == "torn":
        half = len(inode.written) // 2
        return inode.written[:half] + bytes(len(inode.written) - half)  # extended by the file system, never filled
    return inode.written


def lay_out(folder: Path, out: Path, files: dict[Path, bytes], ledger: dict[str, bytes]) -> None:
    """Write an aftermath of `out` into `folder`."""
    for name in ("failed", "_penstock/skipped", "_penstock/manifests", "_penstock/tmp", "_penstock/quarantine"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        (folder / path.relative_to(out)).write_bytes(content)
    for name, content in ledger.items():
        (folder / "_penstock" / name).write_bytes(content)
