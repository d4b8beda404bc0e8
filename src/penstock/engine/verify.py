"""Checks a whole output: every byte of every shard, ledger against files, every id in one place, and the sums.

| problem          | meaning                                                        | repair                        |
|------------------|----------------------------------------------------------------|-------------------------------|
| ledger           | missing or damaged                                             | rebuilt from the manifests    |
| manifest_damaged | a manifest cannot be read                                      | set aside, written anew       |
| manifest_missing | a recorded shard has no manifest                               | written anew                  |
| shard_missing    | a recorded shard is gone                                       | forgotten, items queued       |
| shard_damaged    | size, checksum, format or ids are not the manifest's           | quarantined, items queued     |
| shard_unrecorded | neither the ledger nor a fitting manifest knows a shard        | quarantined                   |
| ids_twice        | ended in two shards, or failed after it was written or skipped | newer shard as shard_damaged |
| ids_lost         | in no shard, and a resume would not read it                    | input read from its start     |

A finished shard that is not recorded yet is no problem but a note: its run was killed, and the next one adopts it.
Queued items are fetched by the next `penstock fetch` with the same input. Dead letters older than the shard that holds
the id are no problem: a retry succeeded and was killed before it tidied up.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from penstock.engine.accounts import Counts
from penstock.engine.ledger import Ledger, LedgerDamagedError
from penstock.engine.recovery import quarantine, recover
from penstock.engine.rundir import RunDir
from penstock.engine.shardcheck import find_fault
from penstock.engine.snapshot import Snapshot, read_manifests, take_snapshot
from penstock.engine.storeinput import load_input
from penstock.errors import ConfigError, LedgerError
from penstock.sinks.deadletter import own_key
from penstock.sinks.disk import Disk
from penstock.sinks.ids import bitmap_of, bitmap_of_ranges, ranges_of
from penstock.sinks.manifest import Manifest

if TYPE_CHECKING:
    from pyroaring import BitMap64

ProblemKind: TypeAlias = Literal[
    "ledger",
    "manifest_damaged",
    "manifest_missing",
    "shard_missing",
    "shard_damaged",
    "shard_unrecorded",
    "ids_twice",
    "ids_lost",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `where` is a path inside the output."""

    kind: ProblemKind
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The state found; after a repair, the state it left, with what was repaired beside it.

    `admitted` is the number of items known to have been taken from the input: one past the highest id in any shard or
    below the checkpoint, or the recorded total. `pending` are those in no shard. Always
    `admitted = written + failed + skipped + pending`, counted independently; `is_balanced` says so.
    """

    shards: int
    rows: int
    bytes: int
    counts: Counts
    admitted: int
    pending: int
    is_balanced: bool
    problems: list[Problem] = field(default_factory=list)
    repaired: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_ok(self) -> bool:
        return self.is_balanced and not self.problems


def verify(run_dir: RunDir, *, repair: bool = False) -> VerifyReport:
    """Check, and mend if asked. Reads every byte. Holds the run's lock where the folder can be written.

    Raises ConfigError when there is no run here or one is going on.
    """
    if not run_dir.is_run():
        raise ConfigError(
            f"{run_dir.root}: expected the output folder of a run, found none", hint="penstock fetch … -o OUT"
        )
    with _locked(run_dir, is_needed=repair):
        report = _check(run_dir)
        if not repair or not report.problems:
            return report
        _repair(run_dir, report.problems)
        after = _check(run_dir)
    return replace(after, repaired=report.problems)


def _check(run_dir: RunDir) -> VerifyReport:
    snapshot = take_snapshot(run_dir)
    problems = (
        [Problem("ledger", "_penstock/ledger.sqlite", snapshot.ledger_trouble)] if snapshot.ledger_trouble else []
    )
    notes: list[str] = []
    problems += _check_files(snapshot, notes)
    problems += _check_ids(snapshot.shards)
    accounts, counts = snapshot.accounts, snapshot.accounts.counts()
    total, is_complete = _recorded_total(run_dir, accounts.end_id())
    first_unread = snapshot.checkpoint[0] if snapshot.checkpoint else 0
    admitted = max(accounts.end_id(), first_unread, total)
    done = accounts.done()
    missing = _missing(done, admitted)
    problems += _check_lost(missing, admitted if is_complete else first_unread)
    return VerifyReport(
        shards=len(snapshot.shards),
        rows=sum(shard.rows for shard in snapshot.shards if shard.stream == "data"),
        bytes=sum(shard.bytes for shard in snapshot.shards),
        counts=counts,
        admitted=admitted,
        pending=len(missing),
        is_balanced=admitted == _tally(snapshot.shards) + counts.failed + len(missing),
        problems=problems,
        notes=notes,
    )


def _check_files(snapshot: Snapshot, notes: list[str]) -> Iterator[Problem]:
    run_dir, root = snapshot.run_dir, snapshot.run_dir.root
    manifests, damaged = read_manifests(run_dir)
    for name in damaged:
        yield Problem("manifest_damaged", f"_penstock/manifests/{name}", "cannot be read, or its own checksum is wrong")
    key = own_key(load_input(run_dir)[0]) if run_dir.input_path.exists() else "penstock"
    in_files = {shard.file_name for shard in manifests}
    recorded = {shard.name for shard in snapshot.shards}
    for shard in snapshot.shards:
        try:
            fault = find_fault(root, shard, key)
        except FileNotFoundError:
            yield Problem(
                "shard_missing", shard.name, f"the ledger records {shard.items} items in it; the file is gone"
            )
            continue
        if fault:
            yield Problem("shard_damaged", shard.name, fault)
        elif shard.file_name not in in_files:
            yield Problem("manifest_missing", shard.name, f"expected _penstock/manifests/{shard.file_name}")
    for path in run_dir.foreign_shards():
        name = path.relative_to(root).as_posix()
        if name in recorded:
            continue
        if any(shard.name == name and not find_fault(root, shard, key) for shard in manifests):
            notes.append(f"{name} is finished but not recorded yet; the next run adopts it")
        else:
            yield Problem("shard_unrecorded", name, "neither the ledger nor a fitting manifest knows it")


def _check_ids(shards: list[Manifest]) -> Iterator[Problem]:
    """By epoch, dead letters last: what they name must not have ended in their own epoch or before."""
    ended = bitmap_of(())
    failed, failed_epoch = bitmap_of(()), 0
    for shard in sorted(shards, key=lambda shard: (shard.epoch, shard.stream == "failed", shard.stream, shard.number)):
        ids = bitmap_of_ranges(shard.ids)
        if shard.stream != "failed":
            twice = ids & ended
            ended |= ids
        else:
            if shard.epoch != failed_epoch:
                failed, failed_epoch = bitmap_of(()), shard.epoch
            twice = ids & (ended | failed)
            failed |= ids
        if twice:
            yield Problem(
                "ids_twice", shard.name, f"{len(twice)} items stand in another shard too: {ranges_of(twice)[:5]}"
            )


def _check_lost(missing: BitMap64, unread_from: int) -> Iterator[Problem]:
    """Ids that no shard holds although a resume would begin to read behind them."""
    lost = missing & bitmap_of_ranges([[0, unread_from - 1]] if unread_from else [])
    if lost:
        text = f"{len(lost)} items are in no shard and would not be read again: {ranges_of(lost)[:5]}"
        yield Problem("ids_lost", "_penstock/ledger.sqlite", text)


def _missing(done: BitMap64, admitted: int) -> BitMap64:
    return bitmap_of_ranges([[0, admitted - 1]] if admitted else []) - done


def _tally(shards: list[Manifest]) -> int:
    """Items by plain addition, so that an id in two shards shows in the sums."""
    return sum(shard.items for shard in shards if shard.stream != "failed")


def _recorded_total(run_dir: RunDir, end_id: int) -> tuple[int, bool]:
    """`items_total` of run.json (0 when the input's end was not reached) and whether its `state` is `complete`.

    A total below an id that is known to exist counts neither: it is the tally of something less than the whole input.
    """
    try:
        run = run_dir.read_run()
    except LedgerError:
        return 0, False
    total = run.get("items_total")
    if not isinstance(total, int) or total < end_id:
        return 0, False
    return total, run.get("state") == "complete"


def _repair(run_dir: RunDir, problems: list[Problem]) -> None:
    """Forget first, move second, then let recovery do what it does at every start; safe to be killed anywhere."""
    disk = Disk("power")
    run_dir.create(disk)
    gone = [p.where for p in problems if p.kind in ("shard_missing", "shard_damaged", "ids_twice")]
    is_requeued = bool(gone) or any(problem.kind == "ids_lost" for problem in problems)
    if is_requeued:
        with contextlib.suppress(LedgerDamagedError):  # then there is nothing to forget: recovery builds it anew
            ledger = Ledger.open(run_dir.ledger_path, disk.durability)
            try:
                ledger.forget(gone)
            finally:
                ledger.close()
    for name in dict.fromkeys(gone):
        if (run_dir.root / name).exists():
            quarantine(run_dir, disk, run_dir.root / name)
    for problem in problems:
        if problem.kind == "manifest_damaged":
            quarantine(run_dir, disk, run_dir.root / problem.where)  # recovery then misses it and writes it anew
    recover(run_dir, disk, lambda step: None).ledger.close()
    if is_requeued:
        _reopen_run(run_dir, disk)


def _reopen_run(run_dir: RunDir, disk: Disk) -> None:
    with contextlib.suppress(LedgerError):
        run = run_dir.read_run()
        if run.get("state") == "complete":
            run_dir.write_run(run | {"state": "incomplete"}, disk)


@contextlib.contextmanager
def _locked(run_dir: RunDir, *, is_needed: bool) -> Iterator[None]:
    if not is_needed and not os.access(run_dir.internal, os.W_OK):
        yield  # a read-only copy: nobody can be writing there
        return
    lock = run_dir.lock()
    try:
        yield
    finally:
        lock.release()
