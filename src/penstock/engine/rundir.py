"""The output folder: where everything lies, the lock that keeps a second run out, and `run.json`.

It moves no data and decides nothing about shards. Rule: `run.json` is replaced whole, never edited in place.

| path                      | what                                                                            |
|---------------------------|---------------------------------------------------------------------------------|
| 00000.parquet …           | data shards                                                                     |
| failed/00000.jsonl …      | dead letters                                                                    |
| _penstock/skipped/        | ids of skipped items                                                            |
| _penstock/manifests/      | one side-car per shard; the ledger can be rebuilt from them                     |
| _penstock/ledger.sqlite   | what is done, and where to go on reading the input                              |
| _penstock/run.json        | settings and state of the run; the engine's                                     |
| _penstock/input.json      | the input's columns and their Arrow types, for `retry`                          |
| _penstock/lock            | held while a run, a retry or a repair is going on; names its holder             |
| _penstock/tmp/            | files not yet committed; emptied at every start                                 |
| _penstock/quarantine/     | what was found damaged; nothing reads it again                                  |
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import socket
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path

from penstock.errors import ConfigError, LedgerError, SinkError
from penstock.sinks.disk import Disk

_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO}  # the disk's trouble of the moment, not a wrong -o
SHARD_NAME = re.compile(r"(\d{5,})\.(parquet|jsonl|jsonl\.zst)")


class RunDir:
    """Paths of one output folder. Creating the object touches nothing."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.internal = self.root / "_penstock"
        self.failed_dir = self.root / "failed"
        self.skipped_dir = self.internal / "skipped"
        self.manifests_dir = self.internal / "manifests"
        self.temp_dir = self.internal / "tmp"
        self.quarantine_dir = self.internal / "quarantine"
        self.ledger_path = self.internal / "ledger.sqlite"
        self.run_path = self.internal / "run.json"
        self.input_path = self.internal / "input.json"
        self.lock_path = self.internal / "lock"

    def is_run(self) -> bool:
        """Whether a run has written here before."""
        return self.run_path.exists() or self.ledger_path.exists() or any(self.manifests_dir.glob("*.json"))

    def foreign_shards(self) -> list[Path]:
        """Files that are named like shards; they are somebody else's when no run has written here."""
        folders = [folder for folder in (self.root, self.failed_dir) if folder.is_dir()]
        return [path for folder in folders for path in folder.iterdir() if SHARD_NAME.fullmatch(path.name)]

    def create(self, disk: Disk) -> None:
        """Make the folders that are missing. Raises ConfigError when the place is not writable."""
        try:
            for path in (self.failed_dir, self.skipped_dir, self.manifests_dir, self.temp_dir, self.quarantine_dir):
                disk.make_dir(path)
        except OSError as error:
            if error.errno in _PASSING:
                raise SinkError(f"output folder {self.root} cannot be created: {error}") from error
            raise ConfigError(
                f"output folder {self.root}: expected a folder that can be written, got: {error}",
                hint="choose another folder with -o, or change its permissions",
            ) from error

    def read_run(self) -> dict[str, object]:
        """The content of `run.json`, or an empty dict when there is none. Raises LedgerError when it is unreadable."""
        return _read_json(self.run_path)

    def write_run(self, content: Mapping[str, object], disk: Disk | None = None) -> None:
        """Replace `run.json` atomically and durably. Call it only while holding the lock."""
        self.replace_file(self.run_path, json.dumps(content, indent=2).encode() + b"\n", disk or Disk())

    def read_input(self) -> dict[str, object]:
        """The content of `input.json`, or an empty dict."""
        return _read_json(self.input_path)

    def replace_file(self, path: Path, content: bytes, disk: Disk) -> None:
        """Write a small file so that a crash leaves the old one or the new one, whole."""
        temp = self.temp_dir / f"{path.name}.part"
        try:
            disk.make_dir(self.temp_dir)
            disk.unlink(temp)
            descriptor = disk.create(temp)
            try:
                disk.write(descriptor, content)
                disk.fsync(descriptor)
            finally:
                disk.close(descriptor)
            disk.rename(temp, path)
            disk.fsync_dir(path.parent)
        except OSError as error:
            raise SinkError(f"cannot write {path}: {error}") from error

    def lock(self) -> RunLock:
        """Take the run's lock. Raises ConfigError, naming the holder, when another process has it."""
        return RunLock(self.lock_path)

    def is_locked(self) -> bool:
        """Whether a run is going on here. A look only: it may be out of date at once."""
        try:
            lock = self.lock() if self.lock_path.exists() else None
        except ConfigError:
            return True
        if lock is not None:
            lock.release()
        return False

    def erase(self) -> None:
        """Remove everything Penstock wrote here, and nothing else. The lock must be held; its file stays.

        Shards go first, then the records of them: an erasure that is killed is finished by the next one.
        """
        for path in self.root.iterdir():
            if SHARD_NAME.fullmatch(path.name) and path.is_file():
                path.unlink()
        for path in self.failed_dir.glob("*.jsonl"):
            if SHARD_NAME.fullmatch(path.name):
                path.unlink()
        for path in self.internal.iterdir():
            if path == self.lock_path:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


class RunLock:
    """An advisory lock on one file: `flock`, or a locked byte range on Windows. Freed by the system when we die.

    A forked child gives its copy up at once, or a worker that outlives a killed run would keep the output locked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise ConfigError(f"cannot lock the output: {path}: {error}", hint="is the folder writable?") from error
        try:
            _lock(descriptor)
        except OSError as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise ConfigError(
                f"another run is writing to {path.parent.parent}: {holder}",
                hint="wait for it to end or stop it; `penstock status` shows how far it is",
            ) from error
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # on a full disk; the name is for people, the lock holds without it
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
        if hasattr(os, "register_at_fork"):
            reference = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _release_in_child(reference))

    def release(self) -> None:
        """Free the lock; twice is harmless. The file stays, or two later runs could lock two different files."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def abandon(self) -> None:
        """Close our copy and change nothing: the child's side of a fork."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _release_in_child(reference: weakref.ref[RunLock]) -> None:
    lock = reference()
    if lock is not None:
        lock.abandon()


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(
            descriptor, 1 << 20, os.SEEK_SET
        )  # a byte far beyond the text, so that others can still read who we are
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(descriptor: int) -> str:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        holder = json.loads(os.read(descriptor, 4096))
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "process unknown"


def _read_json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise LedgerError(f"{path}: expected a JSON object, got: {error}") from error
    if not isinstance(content, dict):
        raise LedgerError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content
