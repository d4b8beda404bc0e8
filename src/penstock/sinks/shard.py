"""One shard on its way to disk: the temporary file, its checksum, and the numbered steps that commit it.

It does not know what the bytes mean. Rule: until `link` succeeds nothing has happened; after it, the shard counts.

| step                 | what has just happened                             | a crash now leaves       | recovery  |
|----------------------|----------------------------------------------------|--------------------------|-----------|
| temp_written         | all rows and the footer are in `_penstock/tmp/…`   | temp                     | delete    |
| temp_fsynced         | and on the device                                  | temp                     | delete    |
| manifest_written     | the manifest is in a temp file too                 | temps                    | delete    |
| manifest_fsynced     | and on the device                                  | temps                    | delete    |
| manifest_renamed     | it stands in `_penstock/manifests/`                | temp, manifest           | delete    |
| manifest_dir_fsynced | durably so                                         | temp, manifest           | delete    |
| linked               | the shard has its name: THE commit point           | shard, manifest, temp    | adopt     |
| dir_fsynced          | durably so                                         | shard, manifest, temp    | adopt     |
| ledger_committed     | one SQLite transaction: ids, checkpoint            | all, and a stale temp    | drop temp |
| temp_unlinked        | the temp name is gone                              | all                      | nothing   |

`begin` comes before them all. Each name is reported as `<stream>.<step>`. In `process` durability the same steps are
reported, and those that sync do nothing. Without hard links, `linked` is a rename made under the run's lock.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from penstock.errors import SinkError
from penstock.sinks.disk import Disk
from penstock.sinks.manifest import STREAMS, Manifest

COMMIT_STEPS: tuple[str, ...] = tuple(
    f"{stream}.{step}"
    for stream in STREAMS
    for step in (
        "begin",
        "temp_written",
        "temp_fsynced",
        "manifest_written",
        "manifest_fsynced",
        "manifest_renamed",
        "manifest_dir_fsynced",
        "linked",
        "dir_fsynced",
        "ledger_committed",
        "temp_unlinked",
    )
)

OnStep = Callable[[str], None]
_BUFFER_BYTES = 1 << 20
_NAMES_TRIED_MAX = 1000


@dataclass(frozen=True, slots=True)
class Places:
    """Where a commit puts things. `can_link` is False on file systems without hard links."""

    root: Path
    temp_dir: Path
    manifests_dir: Path
    can_link: bool = True


class ShardFile:
    """A temporary file that is written once, front to back, and hashed on the way. Serves as pyarrow's output file.

    All methods raise OSError; after one, call `drop`.
    """

    def __init__(self, disk: Disk, path: Path) -> None:
        import xxhash

        self.path = path
        self.size_bytes = 0
        self._disk = disk
        self._hash = xxhash.xxh3_64()
        self._buffer = bytearray()
        self._is_dropped = False
        self._descriptor: int | None = disk.create(path)

    @property
    def closed(self) -> bool:
        return self._descriptor is None and not self._is_dropped

    @property
    def checksum(self) -> str:
        """xxh3_64 of everything written so far, 16 hex digits."""
        return str(self._hash.hexdigest())

    def write(self, data: bytes | bytearray | memoryview) -> int:
        size = memoryview(data).nbytes
        if self._is_dropped:
            return size  # a Parquet writer insists on its footer even when the file is given up
        self.size_bytes += size
        self._hash.update(data)
        if size >= _BUFFER_BYTES:
            self._write_out()
            self._disk.write(self._require(), data)
        else:
            self._buffer += data
            if len(self._buffer) >= _BUFFER_BYTES:
                self._write_out()
        return size

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        """Nothing: pyarrow flushes often, and only `finish` and `sync` count."""

    def close(self) -> None:
        """Nothing: pyarrow closes its output; the descriptor is still needed for `sync`."""

    def finish(self) -> None:
        """Hand the last bytes to the kernel."""
        self._write_out()

    def sync(self) -> None:
        """Force the content to the device and close. A failure gives the file up: it is never synced again."""
        self._disk.fsync(self._require())
        descriptor, self._descriptor = self._require(), None
        self._disk.close(descriptor)

    def drop(self) -> None:
        """Give the file up and remove it. Never raises: it is called when something has already gone wrong."""
        self._is_dropped = True
        self._buffer = bytearray()  # not clear(): the traceback of a failed write may still hold a view of the old one
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                self._disk.close(descriptor)
        with contextlib.suppress(OSError):
            self._disk.unlink(self.path)

    def _write_out(self) -> None:
        if self._buffer:
            self._disk.write(self._require(), self._buffer)
            self._buffer = bytearray()

    def _require(self) -> int:
        if self._descriptor is None:
            raise OSError(errno.EBADF, "the shard's file is closed", str(self.path))
        return self._descriptor


def commit_shard(
    disk: Disk,
    places: Places,
    file: ShardFile,
    draft: Manifest,
    record: Callable[[Manifest], None],
    on_step: OnStep,
) -> Manifest:
    """Run the steps of the module's table on a file whose last byte has been given to `write`.

    `draft.name` and `.number` are a wish: when the name is taken the next free number is used (the first commit
    wins); the manifest returned says what was done. `record` is the ledger's transaction. Raises OSError or what
    `record` raises; before `linked` the caller may then drop the file, and nothing has happened.
    """

    def reached(step: str) -> None:
        on_step(f"{draft.stream}.{step}")

    reached("begin")
    file.finish()
    reached("temp_written")
    file.sync()
    reached("temp_fsynced")
    manifest = replace(draft, bytes=file.size_bytes, xxh3_64=file.checksum)
    for _ in range(_NAMES_TRIED_MAX):
        while (places.root / manifest.name).exists():
            manifest = _next_name(manifest)
        _write_manifest(disk, places, manifest, reached)
        if _take_name(disk, places, file.path, places.root / manifest.name):
            break
        disk.unlink(places.manifests_dir / manifest.file_name)
        manifest = _next_name(manifest)
    else:
        raise SinkError(f"no free shard name: tried {_NAMES_TRIED_MAX} up to {manifest.name}")
    reached("linked")
    disk.fsync_dir((places.root / manifest.name).parent)
    reached("dir_fsynced")
    record(manifest)
    reached("ledger_committed")
    disk.unlink(file.path)
    reached("temp_unlinked")
    return manifest


def _write_manifest(disk: Disk, places: Places, manifest: Manifest, reached: OnStep) -> None:
    temp = places.temp_dir / f"{manifest.file_name}.part"
    disk.unlink(temp)
    descriptor = disk.create(temp)
    try:
        disk.write(descriptor, manifest.to_json().encode())
        reached("manifest_written")
        disk.fsync(descriptor)
    finally:
        disk.close(descriptor)
    reached("manifest_fsynced")
    disk.rename(temp, places.manifests_dir / manifest.file_name)
    reached("manifest_renamed")
    disk.fsync_dir(places.manifests_dir)
    reached("manifest_dir_fsynced")


def _take_name(disk: Disk, places: Places, temp: Path, final: Path) -> bool:
    """Give the shard its final name; False when somebody else has it."""
    if places.can_link:
        try:
            disk.link(temp, final)
        except FileExistsError:
            return False
        return True
    if final.exists():
        return False
    disk.rename(temp, final)
    return True


def _next_name(manifest: Manifest) -> Manifest:
    number = manifest.number + 1
    folder, _, file = manifest.name.rpartition("/")
    suffix = file.partition(".")[2]
    return replace(manifest, number=number, name=f"{folder}/{number:05d}.{suffix}".lstrip("/"))
