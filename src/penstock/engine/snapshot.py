"""Reads the state of an output without locking or changing it, also while a run is writing: for `status` and `verify`.

It trusts the ledger; where that is missing or damaged, the manifests whose shard exists. Shards are not opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from penstock.engine.accounts import Accounts
from penstock.engine.deadletters import live_letters, read_letters
from penstock.engine.ledger import Checkpoint, Ledger, LedgerDamagedError
from penstock.engine.rundir import RunDir
from penstock.errors import ConfigError
from penstock.model import Failed, FailureKind
from penstock.sinks.manifest import Manifest, parse_manifest


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`shards` as the ledger has them, oldest first. `ledger_trouble` says why the manifests were used instead."""

    run_dir: RunDir
    shards: list[Manifest]
    accounts: Accounts
    checkpoint: Checkpoint | None
    epoch: int
    ledger_trouble: str = ""

    def dead_letters(self, kinds: Collection[FailureKind] | None = None) -> Iterator[Failed]:
        """The items that stand failed, of these kinds. Raises LedgerError when a file has been altered."""
        return read_letters(self.run_dir, live_letters(self.shards, self.accounts, kinds))


def take_snapshot(run_dir: RunDir) -> Snapshot:
    """Read the state. Raises ConfigError when no run has written here."""
    if not run_dir.is_run():
        raise ConfigError(
            f"{run_dir.root}: expected the output folder of a run, found none", hint="penstock fetch … -o OUT"
        )
    trouble = "the ledger is missing"
    if run_dir.ledger_path.exists():
        try:
            ledger = Ledger.open_to_read(run_dir.ledger_path)
            try:
                shards = ledger.shards()
                return Snapshot(run_dir, shards, Accounts(shards), ledger.checkpoint(), ledger.epoch())
            finally:
                ledger.close()
        except LedgerDamagedError as error:
            trouble = str(error)
    readable, _ = read_manifests(run_dir)
    shards = [shard for shard in readable if (run_dir.root / shard.name).exists()]
    epoch = max((shard.epoch for shard in readable), default=0)
    return Snapshot(run_dir, shards, Accounts(shards), None, epoch, trouble)


def read_manifests(run_dir: RunDir) -> tuple[list[Manifest], list[str]]:
    """Every readable manifest, by file name, and the file names of those that cannot be read."""
    readable: list[Manifest] = []
    damaged: list[str] = []
    for path in sorted(run_dir.manifests_dir.glob("*.json")):
        try:
            readable.append(parse_manifest(path.read_text(encoding="utf-8")))
        except ValueError:
            damaged.append(path.name)
    return readable, damaged
