"""Disks that fail: full, read-only, I/O errors, a failed fsync. The run stops, loses nothing, and can be resumed."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_kit import assert_each_once, failed, finish, mixed, open_store, skipped, written

from penstock.engine.ledger import Ledger
from penstock.engine.rundir import RunDir
from penstock.engine.verify import verify
from penstock.errors import ConfigError, SinkError
from penstock.sinks.disk import Disk


class FailingDisk(Disk):
    """Fails the `nth` call of one operation with `code`; counts calls per descriptor for fsync."""

    def __init__(self, operation: str, code: int, nth: int = 1) -> None:
        super().__init__("process")
        self._operation, self._code, self._left = operation, code, nth
        self.failed_descriptors: list[int] = []
        self.synced: list[int] = []
        self.is_armed = False

    def _maybe_fail(self, operation: str) -> None:
        if self.is_armed and operation == self._operation:
            self._left -= 1
            if self._left == 0:
                raise OSError(self._code, os.strerror(self._code))

    def create(self, path: Path) -> int:
        self._maybe_fail("create")
        return super().create(path)

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        self._maybe_fail("write")
        super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        assert descriptor not in self.failed_descriptors
        try:
            self._maybe_fail("fsync")
        except OSError:
            self.failed_descriptors.append(descriptor)
            raise

    def fsync_dir(self, path: Path) -> None:
        self._maybe_fail("fsync_dir")

    def link(self, source: Path, target: Path) -> None:
        self._maybe_fail("link")
        super().link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        self._maybe_fail("rename")
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._maybe_fail("unlink")
        super().unlink(path)


@pytest.mark.parametrize("nth", [1, *(pytest.param(nth, marks=pytest.mark.slow) for nth in (2, 4))])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("operation", ["create", "write", "fsync", "fsync_dir", "link", "rename", "unlink"])
def test_a_failing_disk_stops_the_run_and_the_next_one_finishes_it(
    tmp_path: Path, operation: str, code: int, nth: int
) -> None:
    disk = FailingDisk(operation, code, nth)
    store = open_store(tmp_path, disk=disk)
    acknowledged: set[int] = set()
    disk.is_armed = True
    stopped: SinkError | None = None
    try:
        for start in range(0, 40, 20):
            acknowledged |= set(store.write(mixed(range(start, start + 20))).ids)
            acknowledged |= set(store.commit().ids)
    except SinkError as error:
        stopped = error
    acknowledged |= set(store.unreported().ids)
    if stopped:
        assert stopped.hint
        with pytest.raises(SinkError, match="failed before"):
            store.commit()
    disk.is_armed = False
    store.close()
    store = open_store(tmp_path)
    assert acknowledged <= set(store.resume.done)
    assert len(store.resume.done) - len(acknowledged) <= 20  # at most what was linked and not yet acknowledged
    store.close()
    finish(tmp_path, range(40))
    assert_each_once(tmp_path, range(40))
    assert verify(RunDir(tmp_path)).is_ok


def test_a_failed_fsync_gives_the_file_up_and_never_syncs_it_again(tmp_path: Path) -> None:
    """After EIO the kernel marks the pages clean: a second fsync would succeed and mean nothing."""
    disk = FailingDisk("fsync", errno.EIO)
    store = open_store(tmp_path, disk=disk)
    store.write([written(1)])
    disk.is_armed = True
    with pytest.raises(SinkError, match="Input/output error"):
        store.commit()
    store.close()
    assert len(disk.failed_descriptors) == 1
    assert_each_once(tmp_path, [])
    assert list((tmp_path / "_penstock" / "tmp").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_real_failed_write_is_reported_as_what_it_is(tmp_path: Path) -> None:
    """It once ended as BufferError: the traceback held a view of the buffer that was being cleared."""

    class FullDisk(Disk):
        def create(self, path: Path) -> int:
            return (
                os.open("/dev/full", os.O_WRONLY) if path.name.startswith(("data", "failed")) else super().create(path)
            )

    for outcome in (written(1), failed(1)):
        store = open_store(tmp_path, disk=FullDisk("process"))
        store.write([outcome])
        with pytest.raises(SinkError, match="No space left"):
            store.commit()
        store.close()


def test_a_lock_on_a_full_disk_holds_although_it_cannot_say_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        lock = RunDir(tmp_path).lock()
    with pytest.raises(ConfigError, match="process unknown"):
        RunDir(tmp_path).lock()
    lock.release()


def test_what_was_committed_before_the_disk_failed_is_still_reported(tmp_path: Path) -> None:
    disk = FailingDisk("link", errno.ENOSPC, nth=2)
    store = open_store(tmp_path, disk=disk)
    store.write([written(1), failed(2), skipped(3)])
    disk.is_armed = True
    with pytest.raises(SinkError, match="No space left") as caught:
        store.commit()
    assert "free some space" in str(caught.value.hint)
    ack = store.unreported()
    assert (ack.ids, ack.written, ack.failed) == ([1], 1, 0)
    store.close()
    assert_each_once(tmp_path, [1])


def test_a_full_disk_while_the_ledger_is_written_leaves_the_shard_to_be_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path)
    store.write([written(1)])
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "record", _no_space)
        with pytest.raises(SinkError):
            store.commit()
    assert store.unreported().ids == []
    store.close()
    store = open_store(tmp_path)
    assert store.recovered.adopted == ["00000.parquet"]
    assert list(store.resume.done) == [1]
    store.close()


def _no_space(*_: object) -> None:
    raise SinkError("the ledger cannot be written: database or disk is full")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    mount_point = tmp_path / "small"
    mount_point.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount_point)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        reason = mounted.stderr.strip() if mounted.returncode else ""
    except FileNotFoundError as error:
        reason = str(error)
    if reason:
        if os.environ.get("PENSTOCK_REQUIRE_SERVERS") == "1":
            pytest.fail(f"cannot mount a small tmpfs: {reason}")
        pytest.skip(f"cannot mount a small tmpfs: {reason}")
    yield mount_point
    subprocess.run(["umount", str(mount_point)], check=True)


@pytest.mark.slow
def test_a_disk_that_fills_up_and_is_freed_later(small_disk: Path) -> None:
    out, ballast = small_disk / "out", small_disk / "ballast"
    noise = os.urandom(20_000)
    store = open_store(out, durability="power")
    store.write([written(i) for i in range(10)])
    ballast.write_bytes(bytes(700_000))
    acknowledged: set[int] = set(store.commit().ids)
    stopped: SinkError | None = None
    try:
        for start in range(10, 100, 10):
            acknowledged |= set(store.write([written(i, body=noise) for i in range(start, start + 10)]).ids)
    except SinkError as error:
        stopped = error
    assert stopped is not None
    assert "free" in str(stopped.hint)
    acknowledged |= set(store.unreported().ids)
    store.close()
    ballast.unlink()
    store = open_store(out)
    done = set(store.resume.done)
    assert acknowledged <= done
    assert len(done) < 100
    store.write([written(i) for i in range(100) if i not in done])
    store.commit()
    store.close()
    assert_each_once(out, range(100))
    assert verify(RunDir(out)).is_ok


@pytest.mark.slow
def test_whatever_a_full_disk_interrupts_is_a_sink_error_and_loses_nothing(small_disk: Path) -> None:
    """Random sizes, so that the last byte goes to rows, footers, manifests and the ledger alike."""
    for seed in range(60):
        rng = random.Random(seed)
        out = small_disk / str(seed)
        acknowledged: set[int] = set()
        next_id = 0
        with pytest.raises(SinkError) as caught:  # noqa: PT012  # the run that ends somewhere in here is what is tested
            store = open_store(out, durability="power", rows_max=rng.choice([3, 8, 30]))
            try:
                while next_id < 10_000:
                    ids = range(next_id, next_id + rng.randrange(1, 12))
                    next_id = ids.stop
                    batch = [*mixed(ids[:-1]), written(ids[-1], body=rng.randbytes(rng.randrange(40_000)))]
                    acknowledged |= set(store.write(batch).ids)
                    if rng.random() < 0.3:
                        acknowledged |= set(store.commit().ids)
            finally:
                acknowledged |= set(store.unreported().ids)
                store.close()
        assert caught.value.hint
        with contextlib.suppress(SinkError):
            open_store(out, durability="power").close()
        shutil.copytree(out, small_disk.parent / f"moved{seed}")
        shutil.rmtree(out)
        store = open_store(small_disk.parent / f"moved{seed}")
        assert acknowledged <= set(store.resume.done)
        store.close()
        assert verify(RunDir(small_disk.parent / f"moved{seed}")).problems == []
