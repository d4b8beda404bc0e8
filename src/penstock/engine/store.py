"""The sink of a run: three streams of shards, committed by one protocol, recorded in one ledger. One thread calls it.

It decides when a shard is full and in which order things become durable; how a shard is committed is sinks/shard.py's
table, and what happens after a crash is recovery.py's. Rule: an id is acknowledged after its ledger transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.engine.accounts import Accounts, Counts
from penstock.engine.busyclock import BusyClock
from penstock.engine.deadletters import live_letters, read_letters, read_lines
from penstock.engine.ledger import Checkpoint, Ledger
from penstock.engine.recovery import RECOVERY_STEPS, Recovered, recover
from penstock.engine.rundir import RunDir, RunLock
from penstock.engine.storeinput import data_format, keep_input, sink_error
from penstock.engine.storeoptions import ResumeState, ShardOptions, StoreHooks
from penstock.errors import Bug, ConfigError, SinkError
from penstock.model import Ack, Failed, Failure, FailureKind, Outcome, Skipped, Written
from penstock.sinks.disk import Disk, has_links
from penstock.sinks.ids import bitmap_of, first_gap
from penstock.sinks.manifest import STREAM_FOLDERS, STREAMS, Manifest, Stream
from penstock.sinks.shard import COMMIT_STEPS, Places, commit_shard
from penstock.sinks.streams import DataStream, FailedStream, ShardStream, SkippedStream

if TYPE_CHECKING:
    import pyarrow as pa
    from pyroaring import BitMap64

COMPACT_STEPS = ("compact.forgotten", "compact.shard_unlinked", "compact.manifest_unlinked")
STEPS: tuple[str, ...] = RECOVERY_STEPS + COMMIT_STEPS + COMPACT_STEPS
_SLICE_BYTES = 64 << 20  # of bodies that are turned into columns at once: bounds memory, whatever the caller hands over
_SLICE_ITEMS = 8192


class Store:
    """Implements `sinks.sink.Sink` on an output folder. Make one with `Store.open`.

    After a SinkError the store takes no more: what was committed stays, `unreported` says what of it no Ack has told
    yet, `close` works, and the run can be resumed.
    """

    def __init__(
        self,
        run_dir: RunDir,
        options: ShardOptions,
        disk: Disk,
        lock: RunLock,
        recovered: Recovered,
        streams: tuple[DataStream, FailedStream, SkippedStream],
        hooks: StoreHooks,
    ) -> None:
        self.run_dir = run_dir
        self.options = options
        self.recovered = recovered
        self._disk = disk
        self._lock = lock
        self._ledger: Ledger = recovered.ledger
        self._hooks = hooks
        self._data, self._failed, self._skipped = streams
        self._places = Places(
            run_dir.root, run_dir.temp_dir, run_dir.manifests_dir, can_link=has_links(disk, run_dir.temp_dir)
        )
        self._accounts: Accounts = recovered.accounts
        self._taken: BitMap64 = self._accounts.done(hooks.retry_kinds)
        self._next_number = _next_numbers(recovered.shards)
        recovered.shards.clear()  # the bitmaps say it all; memory must not grow with the number of shards
        self._ack = Ack()
        self.commit_clock = BusyClock()
        self._broken: SinkError | None = None
        self._is_closed = False
        counts = self._accounts.counts()
        self.resume = ResumeState(
            checkpoint=recovered.checkpoint,
            done=self._taken.copy(),
            written=counts.written,
            failed=counts.failed,
            skipped=counts.skipped,
            low_water=first_gap(self._taken),
            end_id=self._accounts.end_id(),
        )

    @classmethod
    def open(
        cls,
        run_dir: RunDir,
        options: ShardOptions,
        columns: Sequence[str],
        schema: pa.Schema | None = None,
        on_step: Callable[[str], None] | None = None,
        *,
        retry_kinds: Collection[FailureKind] = (),
        disk: Disk | None = None,
    ) -> Store:
        """Lock the output, recover it, begin a new epoch. `columns` and `schema` are the source's.

        `retry_kinds`: dead letters of these kinds count as not done (`penstock retry`). `on_step` is called at every
        step named in `STEPS`, and is for tests that kill the process there. Raises ConfigError when the output is in
        use or not writable, LedgerError when shards are gone, SinkError when the disk fails.
        """
        disk = disk or Disk(options.durability)
        if not run_dir.is_run() and (foreign := run_dir.foreign_shards()):
            raise ConfigError(
                f"output folder {run_dir.root}: expected an empty folder or an earlier run's, got {foreign[0].name}",
                hint="choose another folder with -o",
            )
        run_dir.create(disk)
        lock = run_dir.lock()
        recovered: Recovered | None = None
        try:
            hooks = StoreHooks(on_step or _ignore_step, frozenset(retry_kinds))
            recovered = recover(run_dir, disk, hooks.on_step)
            keep_input(run_dir, disk, columns, schema)
            temps = _TempNames(run_dir.temp_dir, recovered.epoch)
            streams = (
                DataStream(disk, temps, data_format(run_dir, options, columns, schema, recovered.shards)),
                FailedStream(disk, temps, columns),
                SkippedStream(disk, temps),
            )
            return cls(run_dir, options, disk, lock, recovered, streams, hooks)
        except BaseException as error:
            if recovered is not None:
                recovered.ledger.close()
            lock.release()
            if isinstance(error, OSError):
                raise sink_error(error, run_dir.root) from error
            raise

    def write(self, outcomes: Sequence[Outcome], checkpoint: Checkpoint | None = None) -> Ack:
        """See `Sink.write`. Outcomes that cannot be encoded become dead letters of kind `sink`, and count as failed."""
        with self._guarded():
            self._claim(outcomes)
            written = [outcome for outcome in outcomes if isinstance(outcome, Written)]
            failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
            skipped = [outcome for outcome in outcomes if isinstance(outcome, Skipped)]
            for part in _slices(written):
                failed += self._write_data(part, checkpoint)
            if failed:
                self._failed.add(failed, _now())
                self._commit_if_full(self._failed, checkpoint)
            if skipped:
                self._skipped.add(skipped)
                self._commit_if_full(self._skipped, checkpoint)
        return self.unreported()

    def commit(self, checkpoint: Checkpoint | None = None) -> Ack:
        """Make everything taken so far durable: data, then dead letters, then skipped ids; each by its own commit."""
        with self._guarded():
            streams = [stream for stream in (self._data, self._failed, self._skipped) if stream.is_open]
            for stream in streams:
                self._commit(stream, checkpoint)
            if not streams and checkpoint is not None and not self._hooks.retry_kinds:
                self._ledger.record([], checkpoint, self.recovered.epoch)
        return self.unreported()

    def unreported(self) -> Ack:
        """What is durable and no Ack has said yet: after a SinkError amid a commit, the part that succeeded."""
        ack, self._ack = self._ack, Ack()
        return ack

    def close(self) -> None:
        """Drop what is not committed, close the ledger, free the lock. Twice is harmless."""
        if self._is_closed:
            return
        self._is_closed = True
        self._drop_open()
        self._ledger.close()
        self._lock.release()

    @property
    def counts(self) -> Counts:
        """Items durable so far, over all runs on this output. O(kinds); not for the hot path."""
        return self._accounts.counts()

    @property
    def accounts(self) -> Accounts:
        """Which id ended how; belongs to the store, read only."""
        return self._accounts

    @property
    def has_open_rows(self) -> bool:
        """Whether anything has been taken that is not durable yet."""
        return any(stream.is_open for stream in (self._data, self._failed, self._skipped))

    def dead_letters(self, kinds: Collection[FailureKind] | None = None) -> Iterator[Failed]:
        """The items (or bad rows) that stand failed now, of these kinds; unaffected by what is written while iterating.

        Raises LedgerError when a file has been altered.
        """
        return read_letters(self.run_dir, live_letters(self._ledger.shards("failed"), self._accounts, kinds))

    def compact_failed(self) -> int:
        """Rewrite dead-letter files that name an item which has since ended otherwise; returns how many letters went.

        Call it after `commit`, when nothing is open. Free when there is nothing to do. Raises SinkError.
        """
        if self.has_open_rows:
            raise Bug("compact_failed: expected everything to be committed")
        letters = live_letters(self._ledger.shards("failed"), self._accounts)
        stale = [(shard, live) for shard, live in letters if len(live) < shard.items]
        with self._guarded():
            for part in stale:
                for line, item_id, kind in read_lines(self.run_dir, part):
                    self._failed.add_line(line, item_id, kind)
                if self._failed.is_open:
                    self._commit(self._failed, None)
            self._ack = Ack()  # these items were acknowledged when they first failed
            self._remove([shard for shard, _ in stale])
        return sum(shard.items - len(live) for shard, live in stale)

    def _write_data(self, written: list[Written], checkpoint: Checkpoint | None) -> list[Failed]:
        encoded = self._data.encode(written)
        for chunk in encoded.chunks:
            if not self._data.holds(chunk):
                self._commit(self._data, checkpoint)
            self._data.add(chunk)
            self._commit_if_full(self._data, checkpoint)
        return [Failed(outcome.item, Failure("sink", reason)) for outcome, reason in encoded.rejected]

    def _commit_if_full(self, stream: ShardStream, checkpoint: Checkpoint | None) -> None:
        is_heavy = isinstance(stream, DataStream) and stream.body_bytes >= self.options.bytes_max
        if is_heavy or max(stream.rows, len(stream.ids)) >= self.options.rows_max:
            self._commit(stream, checkpoint)

    def _commit(self, stream: ShardStream, checkpoint: Checkpoint | None) -> None:
        file, draft = stream.seal()
        number = self._next_number[stream.stream]
        draft = replace(
            draft,
            number=number,
            name=f"{STREAM_FOLDERS[stream.stream]}{number:05d}.{stream.suffix}",
            epoch=self.recovered.epoch,
            created=_now(),
        )

        if self._hooks.retry_kinds:
            checkpoint = None  # a position among the dead letters is none in the input

        def record(manifest: Manifest) -> None:
            self._ledger.record([manifest], checkpoint, self.recovered.epoch)

        with self.commit_clock:
            shard = commit_shard(self._disk, self._places, file, draft, record, self._hooks.on_step)
        self._next_number[stream.stream] = shard.number + 1
        self._ack.ids += stream.ids
        match stream.stream:
            case "data":
                self._ack.written += shard.items
            case "failed":
                self._ack.failed += shard.items
            case "skipped":
                self._ack.skipped += shard.items
        stream.done()
        self._ack.shards += shard.stream == "data"
        self._ack.bytes_durable += shard.bytes
        self._accounts.add(shard)
        self._taken.run_optimize()

    def _claim(self, outcomes: Sequence[Outcome]) -> None:
        """An item ends once: the last line of defence against writing anything twice. About 0.05 µs per item."""
        ids = bitmap_of([outcome.item.id for outcome in outcomes])
        if len(ids) != len(outcomes) or ids.intersect(self._taken):
            again = sorted(ids & self._taken)[:5]
            raise Bug(f"items ended twice: {again or 'repeated in one batch'}", hint="please report this")
        self._taken |= ids

    def _remove(self, shards: Sequence[Manifest]) -> None:
        """Take shards whose items live on elsewhere out of the ledger, then off the disk: in that order."""
        if not shards:
            return
        self._ledger.forget([shard.name for shard in shards], keep_checkpoint=True)
        self._hooks.on_step("compact.forgotten")
        for shard in shards:
            self._disk.unlink(self.run_dir.root / shard.name)
            self._hooks.on_step("compact.shard_unlinked")
            self._disk.unlink(self.run_dir.manifests_dir / shard.file_name)
            self._hooks.on_step("compact.manifest_unlinked")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turns a failed disk into a SinkError, and after any error lets the store take no more."""
        if self._is_closed:
            raise Bug("the store is closed")
        if self._broken is not None:
            raise SinkError(f"the output failed before: {self._broken}", hint=self._broken.hint)
        try:
            yield
        except OSError as error:
            self._broken = sink_error(error, self.run_dir.root)
            self._drop_open()
            raise self._broken from error
        except BaseException as error:
            self._broken = error if isinstance(error, SinkError) else SinkError(f"stopped by {error!r}")
            self._drop_open()
            raise

    def _drop_open(self) -> None:
        for stream in (self._data, self._failed, self._skipped):
            stream.drop()


class _TempNames:
    """Names that no other epoch and no other shard of this one has."""

    def __init__(self, folder: Path, epoch: int) -> None:
        self._folder = folder
        self._epoch = epoch
        self._number = 0

    def __call__(self, stream: Stream) -> Path:
        self._number += 1
        return self._folder / f"{stream}-{self._epoch:04d}-{self._number:06d}.part"


def _slices(written: list[Written]) -> Iterator[list[Written]]:
    """Parts of bounded size; a single item may be larger."""
    part: list[Written] = []
    size_bytes = 0
    for outcome in written:
        length = len(outcome.response.body)
        if part and (size_bytes + length > _SLICE_BYTES or len(part) >= _SLICE_ITEMS):
            yield part
            part, size_bytes = [], 0
        part.append(outcome)
        size_bytes += length
    if part:
        yield part


def _next_numbers(shards: Sequence[Manifest]) -> dict[Stream, int]:
    return {
        stream: 1 + max((shard.number for shard in shards if shard.stream == stream), default=-1) for stream in STREAMS
    }


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ignore_step(name: str) -> None:
    pass
