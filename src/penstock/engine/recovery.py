"""Brings shards, manifests and ledger into agreement when an output is opened, after whatever kind of end.

| found                                  | done                                                              |
|----------------------------------------|-------------------------------------------------------------------|
| ledger missing                         | built from the manifests; the input is read from its start        |
| ledger damaged                         | set aside in quarantine, then as if missing                       |
| shard unrecorded, manifest fits        | adopted: synced, then recorded                                    |
| shard unrecorded, no manifest fits     | quarantined; its items are done again                             |
| shard recorded, manifest gone          | manifest written again from the ledger                            |
| shard recorded, of another size        | quarantined; its items are done again                             |
| shard recorded, gone                   | LedgerError; `penstock verify OUT --repair` queues its items      |
| manifest, no shard, not recorded       | deleted                                                           |
| manifest unreadable                    | quarantined, then as if gone                                      |
| files in tmp/                          | deleted                                                           |

Whole checksums of shards that the ledger knows are `verify`'s work: reading everything at every start takes too long.
Rule: each line can be interrupted anywhere and done again. The lock must be held.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from penstock.engine.accounts import Accounts
from penstock.engine.ledger import Checkpoint, Ledger, LedgerDamagedError
from penstock.engine.rundir import SHARD_NAME, RunDir
from penstock.errors import LedgerError, SinkError
from penstock.sinks.disk import Disk
from penstock.sinks.manifest import Manifest, parse_manifest

OnStep = Callable[[str], None]
RECOVERY_STEPS = (
    "recovery.begin",
    "recovery.ledger_set_aside",
    "recovery.ledger_opened",
    "recovery.forgotten",
    "recovery.quarantined",
    "recovery.manifest_dropped",
    "recovery.manifest_rewritten",
    "recovery.adopted",
    "recovery.temp_dropped",
    "recovery.epoch_begun",
)
_READ_BYTES = 1 << 20
_NAMED_MAX = 5


@dataclass(slots=True)
class Recovered:
    """The agreed state, and what had to be done for it (shard names), for a message and the tests.

    `shards` is every committed one; the store empties the list when it has read it.
    """

    ledger: Ledger
    epoch: int
    checkpoint: Checkpoint | None
    shards: list[Manifest]
    accounts: Accounts
    is_ledger_rebuilt: bool = False
    adopted: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)


def recover(run_dir: RunDir, disk: Disk, on_step: OnStep) -> Recovered:
    """Do what the table says and begin a new epoch. Raises LedgerError, SinkError."""
    try:
        on_step("recovery.begin")
        ledger, known, checkpoint, is_rebuilt = _open_ledger(run_dir, disk, on_step)
        try:
            on_step("recovery.ledger_opened")
            recovery = _Recovery(run_dir, disk, on_step, ledger, {shard.name: shard for shard in known})
            recovery.check_known()
            recovery.match_manifests()
            recovery.sweep_shards()
            recovery.sweep_temps()
            epoch = recovery.begin_epoch()
        except BaseException:
            ledger.close()
            raise
    except OSError as error:
        raise SinkError(f"the output {run_dir.root} cannot be read or written: {error}") from error
    shards = sorted(recovery.known.values(), key=lambda shard: shard.order)
    return Recovered(
        ledger=ledger,
        epoch=epoch,
        checkpoint=None if recovery.quarantined else checkpoint,
        shards=shards,
        accounts=Accounts(shards),
        is_ledger_rebuilt=is_rebuilt,
        adopted=recovery.adopted,
        quarantined=recovery.quarantined,
    )


def file_checksum(path: Path) -> tuple[int, str]:
    """Size and xxh3_64 (16 hex digits) of a file. Reads all of it, in pieces."""
    import xxhash

    digest, size = xxhash.xxh3_64(), 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
            size += len(piece)
    return size, str(digest.hexdigest())


def quarantine(run_dir: RunDir, disk: Disk, path: Path) -> Path:
    """Move a file out of the way, never over another one. Its directories are synced."""
    disk.make_dir(run_dir.quarantine_dir)
    flat_name = path.relative_to(run_dir.root).as_posix().replace("/", "-")
    target, number = run_dir.quarantine_dir / flat_name, 0
    while target.exists():
        number += 1
        target = run_dir.quarantine_dir / f"{flat_name}.{number}"
    disk.rename(path, target)
    disk.fsync_dir(run_dir.quarantine_dir)
    disk.fsync_dir(path.parent)
    return target


def _open_ledger(
    run_dir: RunDir, disk: Disk, on_step: OnStep
) -> tuple[Ledger, list[Manifest], Checkpoint | None, bool]:
    """The ledger with its content, which has been read whole: damage shows here or never."""
    is_missing = not run_dir.ledger_path.exists()
    for _ in range(2):
        ledger: Ledger | None = None
        try:
            ledger = Ledger.open(run_dir.ledger_path, disk.durability)
            ledger.epoch()
            found = (ledger, ledger.shards(), ledger.checkpoint(), is_missing)
            disk.fsync_dir(run_dir.internal)
            return found
        except OSError:
            if ledger is not None:
                ledger.close()
            raise
        except LedgerDamagedError:
            if ledger is not None:
                ledger.close()
            # The log goes first: a database without its log is merely older, a log without its database is rubbish.
            for suffix in ("-wal", "-shm", ""):
                path = run_dir.ledger_path.with_name(run_dir.ledger_path.name + suffix)
                if path.exists():
                    quarantine(run_dir, disk, path)
            is_missing = True
            on_step("recovery.ledger_set_aside")
    raise LedgerError(f"{run_dir.ledger_path}: a new ledger is damaged at once", hint="check the disk")


class _Recovery:
    def __init__(
        self, run_dir: RunDir, disk: Disk, on_step: OnStep, ledger: Ledger, known: dict[str, Manifest]
    ) -> None:
        self._run_dir = run_dir
        self._disk = disk
        self._on_step = on_step
        self._ledger = ledger
        self._epochs_seen = [0]
        self.known = known
        self.adopted: list[str] = []
        self.quarantined: list[str] = []

    def check_known(self) -> None:
        """Every shard of the ledger must be there, in its size."""
        missing: list[str] = []
        for shard in list(self.known.values()):
            path = self._run_dir.root / shard.name
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                missing.append(shard.name)
                continue
            if size != shard.bytes:
                self._forget(shard.name)
                self._quarantine(path)
        if missing:
            named = ", ".join(missing[:_NAMED_MAX]) + (" …" if len(missing) > _NAMED_MAX else "")
            raise LedgerError(
                f"{self._run_dir.root}: the ledger records {len(missing)} shards that are gone: {named}",
                hint=f"put them back, or `penstock verify {self._run_dir.root} --repair` and fetch their items again",
            )

    def match_manifests(self) -> None:
        """Adopt what was linked and not recorded; drop manifests of what never came to be.

        Manifests of recorded shards are not read: the ledger holds their text, and a large output must open quickly.
        """
        found: dict[str, list[tuple[Path, Manifest]]] = {}
        recorded = {shard.file_name: shard for shard in self.known.values()}
        for path in sorted(self._run_dir.manifests_dir.glob("*.json")):
            if recorded.pop(path.name, None):
                continue
            try:
                manifest = parse_manifest(path.read_text(encoding="utf-8"))
            except ValueError:
                quarantine(self._run_dir, self._disk, path)
                self._on_step("recovery.quarantined")
                continue
            self._epochs_seen.append(manifest.epoch)
            found.setdefault(manifest.name, []).append((path, manifest))
        for name, candidates in found.items():
            self._match(name, candidates)
        for shard in recorded.values():
            content = shard.to_json().encode()
            self._run_dir.replace_file(self._run_dir.manifests_dir / shard.file_name, content, self._disk)
            self._on_step("recovery.manifest_rewritten")

    def _match(self, name: str, candidates: list[tuple[Path, Manifest]]) -> None:
        path = self._run_dir.root / name
        recorded = self.known.get(name)
        right: Manifest | None = recorded
        if recorded is None and path.exists():
            size, checksum = file_checksum(path)
            fitting = [manifest for _, manifest in candidates if (manifest.bytes, manifest.xxh3_64) == (size, checksum)]
            right = fitting[0] if fitting else None
            if right is None:
                self._quarantine(path)
            else:
                self._adopt(right, path)
        for manifest_path, manifest in candidates:
            if manifest != right:
                self._disk.unlink(manifest_path)
                self._on_step("recovery.manifest_dropped")

    def _adopt(self, shard: Manifest, path: Path) -> None:
        # The name may not be durable yet, nor the content if it was written in `process` mode: sync before recording.
        descriptor = os.open(path, os.O_RDWR)
        try:
            self._disk.fsync(descriptor)
        finally:
            self._disk.close(descriptor)
        self._disk.fsync_dir(path.parent)
        self._ledger.record([shard], None, self._ledger.epoch())
        self.known[shard.name] = shard
        self.adopted.append(shard.name)
        self._on_step("recovery.adopted")

    def sweep_shards(self) -> None:
        """Quarantine what looks like a shard and is known to nobody."""
        root = self._run_dir.root
        for folder in (root, self._run_dir.failed_dir, self._run_dir.skipped_dir):
            for path in sorted(folder.iterdir()):
                is_shard = SHARD_NAME.fullmatch(path.name) or (folder == self._run_dir.skipped_dir)
                if is_shard and path.is_file() and path.relative_to(root).as_posix() not in self.known:
                    self._quarantine(path)

    def sweep_temps(self) -> None:
        for path in sorted(self._run_dir.temp_dir.iterdir()):
            with contextlib.suppress(IsADirectoryError, PermissionError):
                self._disk.unlink(path)
            self._on_step("recovery.temp_dropped")

    def begin_epoch(self) -> int:
        run_epochs = [shard.epoch for shard in self.known.values()]
        epoch = 1 + max([self._ledger.epoch(), *self._epochs_seen, *run_epochs])
        self._ledger.begin_epoch(epoch)
        self._on_step("recovery.epoch_begun")
        return epoch

    def _forget(self, name: str) -> None:
        self._ledger.forget([name])
        del self.known[name]
        self._on_step("recovery.forgotten")

    def _quarantine(self, path: Path) -> None:
        name = path.relative_to(self._run_dir.root).as_posix()
        self._ledger.forget([name])  # and with it the checkpoint: its items lie below
        quarantine(self._run_dir, self._disk, path)
        self.quarantined.append(name)
        self._on_step("recovery.quarantined")


def describe(recovered: Recovered) -> str:
    """One line for the log, empty when there was nothing to do."""
    parts = []
    if recovered.is_ledger_rebuilt and recovered.adopted:
        parts.append("ledger rebuilt from the manifests")
    if recovered.adopted:
        parts.append(f"{len(recovered.adopted)} finished shards adopted")
    if recovered.quarantined:
        parts.append(
            f"{len(recovered.quarantined)} damaged shards quarantined: {json.dumps(recovered.quarantined[:_NAMED_MAX])}"
        )
    return "; ".join(parts)
