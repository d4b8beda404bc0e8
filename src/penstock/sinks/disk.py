"""The few file operations that the commit protocol is made of, so that tests can record them, fail them or drop them.

It decides nothing. Rule: everything that must survive a crash goes through here, and `fsync` does nothing in
`process` durability (a killed process loses no write that the kernel has taken; only power loss does).
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Literal, TypeAlias

Durability: TypeAlias = Literal["power", "process"]

_NO_FULL_SYNC = {errno.ENOTSUP, errno.EINVAL, errno.ENOTTY}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL}


class Disk:
    """Real files. Every method raises OSError as the system reports it."""

    def __init__(self, durability: Durability = "power") -> None:
        self.durability = durability

    def create(self, path: Path) -> int:
        """Open a new file for writing; FileExistsError when the name is taken."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of `data`, however many calls it takes."""
        with memoryview(data) as view:  # released also when it fails, or a traceback would keep the buffer locked
            done = os.write(descriptor, view)
            while done < view.nbytes:
                done += os.write(descriptor, view[done:])

    def fsync(self, descriptor: int) -> None:
        """Force a file's content to the device. After a failure the descriptor must never be synced again."""
        if self.durability == "process":
            return
        if sys.platform == "darwin":
            # fsync on macOS stops at the drive's cache; F_FULLFSYNC does not (man 2 fsync). Not every volume has it.
            import fcntl

            try:
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            except OSError as error:
                if error.errno not in _NO_FULL_SYNC:
                    raise
            else:
                return
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def fsync_dir(self, path: Path) -> None:
        """Force a directory's entries to the device. Nothing on Windows, where NTFS journals them itself."""
        if self.durability == "process" or sys.platform == "win32":
            return
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def link(self, source: Path, target: Path) -> None:
        """Give the file a second name; FileExistsError when that name is taken: atomically, the first wins."""
        os.link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        """Rename, replacing `target`."""
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a name; nothing when it is already gone."""
        path.unlink(missing_ok=True)

    def make_dir(self, path: Path) -> None:
        """Create a directory with its parents and make its name durable."""
        if path.is_dir():
            return
        self.make_dir(path.parent)
        path.mkdir(exist_ok=True)
        self.fsync_dir(path.parent)


def has_links(disk: Disk, directory: Path) -> bool:
    """Whether this file system has hard links (FAT, some network and FUSE mounts do not). Tried once, on a probe file.

    Raises OSError when even a plain file cannot be created there.
    """
    probe, second = directory / "probe.part", directory / "probe2.part"
    disk.unlink(probe)
    disk.unlink(second)
    disk.close(disk.create(probe))
    try:
        disk.link(probe, second)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    finally:
        disk.unlink(probe)
        disk.unlink(second)
    return True
