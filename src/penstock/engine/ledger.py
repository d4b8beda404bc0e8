"""The ledger: one small SQLite file that says which shards are committed and where to go on reading the input.

It never looks at shards. Rule: it is told after the link, in one transaction, and all it holds can be rebuilt from the
manifests. Format version 1 (`PRAGMA user_version`):

| table  | columns                                        | rows                                             |
|--------|------------------------------------------------|--------------------------------------------------|
| shard  | name TEXT PRIMARY KEY, manifest TEXT           | one per committed shard; the manifest, word for word |
| meta   | key TEXT PRIMARY KEY, value TEXT               | `epoch`, `checkpoint` (`[first_id, position]`)   |
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from penstock.errors import LedgerError, SinkError
from penstock.sinks.disk import Durability
from penstock.sinks.manifest import STREAM_FOLDERS, Manifest, Stream, parse_manifest

Checkpoint: TypeAlias = tuple[int, str]
_VERSION = 1
_BUSY_S = 10.0


class LedgerDamagedError(LedgerError):
    """The ledger file cannot be trusted; recovery sets it aside and builds it again from the manifests."""


class Ledger:
    """One writer; others may read while it is open. Calls block for as long as the device takes to sync."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path, durability: Durability) -> Ledger:
        """Open or create. Raises LedgerDamagedError if the file is no healthy ledger, SinkError if the disk fails."""
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            # WAL + FULL syncs at every commit (sqlite.org/pragma.html#pragma_synchronous); OFF leaves it to the kernel.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA fullfsync = ON")  # macOS: through the drive's cache; nothing elsewhere
            connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'OFF'}")
            _check_health(connection, path)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE IF NOT EXISTS shard (name TEXT PRIMARY KEY, manifest TEXT NOT NULL)")
            connection.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            connection.close()
            raise _translated(error, path) from error
        except LedgerError:
            connection.close()
            raise
        return cls(connection)

    @classmethod
    def open_to_read(cls, path: Path) -> Ledger:
        """Open an existing ledger without changing it, also while a run writes. Raises LedgerDamagedError."""
        try:
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S, isolation_level=None
            )
        except sqlite3.Error as error:
            raise LedgerDamagedError(f"{path}: cannot be opened: {error}") from error
        try:
            _check_health(connection, path)
        except (sqlite3.Error, LedgerError) as error:
            connection.close()
            raise LedgerDamagedError(f"{path}: {error}") from error
        return cls(connection)

    def shards(self, stream: Stream | None = None) -> list[Manifest]:
        """Every committed shard, of one stream if given, oldest first. Raises LedgerDamagedError on an altered row."""
        name = "*" if stream is None else f"{STREAM_FOLDERS[stream]}*"
        try:
            rows = self._connection.execute("SELECT manifest FROM shard WHERE name GLOB ?", (name,)).fetchall()
            shards = [parse_manifest(text) for (text,) in rows]
            return sorted(
                (shard for shard in shards if stream in (None, shard.stream)),
                key=lambda shard: (shard.stream, shard.order),
            )
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            raise LedgerDamagedError(f"ledger: a row of `shard` is not a manifest: {error}") from error

    def checkpoint(self) -> Checkpoint | None:
        """Where every earlier id is known to be durable, or None: read from the start."""
        value = self._get("checkpoint")
        if value is None:
            return None
        try:
            first_id, position = json.loads(value)
        except (ValueError, TypeError) as error:
            raise LedgerDamagedError(f"ledger: expected a checkpoint, got {value!r}") from error
        return int(first_id), str(position)

    def epoch(self) -> int:
        """The epoch of the last run that opened this ledger; 0 for a new one."""
        value = self._get("epoch") or "0"
        if not value.isdigit():
            raise LedgerDamagedError(f"ledger: expected an epoch, got {value!r}")
        return int(value)

    def begin_epoch(self, epoch: int) -> None:
        """Record durably that `epoch` has begun."""
        self._transact([("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (str(epoch),))], epoch=None)

    def record(self, shards: Iterable[Manifest], checkpoint: Checkpoint | None, epoch: int) -> None:
        """Add shards and, unless None, move the checkpoint: one durable transaction.

        Raises SinkError when the disk fails, or when another run has begun a newer epoch.
        """
        changes: list[tuple[str, tuple[str, ...]]] = [
            ("INSERT OR REPLACE INTO shard VALUES (?, ?)", (shard.name, shard.to_json())) for shard in shards
        ]
        if checkpoint is not None:
            changes.append(("INSERT OR REPLACE INTO meta VALUES ('checkpoint', ?)", (json.dumps(list(checkpoint)),)))
        self._transact(changes, epoch)

    def forget(self, names: Iterable[str], *, keep_checkpoint: bool = False) -> None:
        """Remove shards. Their ids have to be read again, so the checkpoint goes too, unless they live on elsewhere."""
        changes: list[tuple[str, tuple[str, ...]]] = [("DELETE FROM shard WHERE name = ?", (name,)) for name in names]
        if not keep_checkpoint:
            changes.append(("DELETE FROM meta WHERE key = 'checkpoint'", ()))
        self._transact(changes, epoch=None)

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # closing checkpoints the WAL; if that fails the WAL is simply kept
            self._connection.close()

    def _get(self, key: str) -> str | None:
        try:
            row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        except sqlite3.DatabaseError as error:
            raise LedgerDamagedError(f"ledger: cannot read `{key}`: {error}") from error
        return None if row is None else str(row[0])

    def _transact(self, changes: Iterable[tuple[str, tuple[str, ...]]], epoch: int | None) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if epoch is not None and self.epoch() != epoch:
                    raise SinkError(
                        f"another run has taken this output over: ours is epoch {epoch}, now {self.epoch()}"
                    )
                for statement, values in changes:
                    self._connection.execute(statement, values)
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise SinkError(
                f"the ledger cannot be written: {error}", hint="free disk space, then run it again"
            ) from error


def _check_health(connection: sqlite3.Connection, path: Path) -> None:
    """Raise LedgerDamagedError unless the pages are consistent; LedgerError for a version from the future."""
    answer = connection.execute("PRAGMA quick_check").fetchone()
    if answer is None or answer[0] != "ok":
        raise LedgerDamagedError(f"{path}: quick_check says {answer}")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise LedgerError(f"{path}: expected ledger format {_VERSION}, got {version}", hint="use a newer Penstock")


def _translated(error: sqlite3.Error, path: Path) -> LedgerError | SinkError:
    # Only "this is not a database" and "its pages are broken" mean damage; all else is the disk, and may pass.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_MISMATCH):
        return LedgerDamagedError(f"{path}: {error}")
    return SinkError(f"the ledger {path} cannot be opened: {error}", hint="is the disk full or read-only?")
