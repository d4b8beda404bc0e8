"""Where bytes come from: a file that can be opened again at an offset, or a pipe that is read once.

Offsets count decoded bytes. Chunks are passed on as they arrive; nothing here waits for a full one.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

from penstock.errors import SourceError
from penstock.sources.compression import Compression, CorruptStream, decompress

CHUNK_BYTES = 262_144
_DIGEST_BYTES = 65_536


class ByteInput(Protocol):
    """A named run of bytes. `open` may be called again only when `is_seekable`."""

    @property
    def name(self) -> str: ...

    @property
    def is_seekable(self) -> bool: ...

    def open(self, offset: int) -> Generator[bytes, None, None]:
        """Yield the decoded bytes from `offset` on. Raises SourceError naming the input and the offset."""
        ...


@dataclass(frozen=True, slots=True)
class FileInput:
    """A regular file. Plain files seek; compressed ones are decoded and skipped up to the offset."""

    path: str
    compression: Compression = "none"

    @property
    def name(self) -> str:
        return self.path

    @property
    def is_seekable(self) -> bool:
        return True

    def size_bytes(self) -> int:
        """The stored (compressed) size."""
        return os.stat(self.path).st_size

    def digest(self) -> str:
        """Size and xxh3 of the first and last 64 KiB: the same wherever it lies. A change in between goes unseen."""
        import xxhash

        with open(self.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            state = xxhash.xxh3_128(file.read(_DIGEST_BYTES))
            file.seek(max(0, size - _DIGEST_BYTES))
            state.update(file.read(_DIGEST_BYTES))
        return f"{size}:{state.hexdigest()}"

    def open(self, offset: int) -> Generator[bytes, None, None]:
        is_plain = self.compression == "none"
        raw = _read_file(self.path, offset if is_plain else 0)
        done = offset if is_plain else 0
        with closing(raw):
            try:
                for chunk in decompress(raw, self.compression):
                    done += len(chunk)
                    if done <= offset and not is_plain:
                        continue
                    yield chunk[max(0, len(chunk) - (done - offset)) :] if not is_plain else chunk
            except (CorruptStream, OSError) as error:
                raise _unreadable(self.path, done, error) from error


@dataclass(slots=True)
class PipeInput:
    """Standard input, or another stream that can be read only once. `fd` is closed at its end if `is_owned`.

    What `peek` has read stays in hand and is read again by `open`.
    """

    name: str
    fd: int
    is_owned: bool = False
    _held: list[bytes] = field(default_factory=list)
    _stream: Iterator[bytes] | None = None
    _is_taken: bool = False

    @property
    def is_seekable(self) -> bool:
        return False

    def peek(self) -> Generator[bytes, None, None]:
        """Yield decoded chunks from the start; all of them are kept for `open`."""
        if self._stream is None:
            self._stream = self._decode()
        yield from self._held
        for chunk in self._stream:
            self._held.append(chunk)
            yield chunk

    def open(self, offset: int) -> Generator[bytes, None, None]:
        if self._is_taken:
            raise SourceError(f"{self.name} can be read only once", hint="write it to a file and pass the file")
        self._is_taken = True
        done = 0
        for chunk in self._take():
            done += len(chunk)
            if done > offset:
                yield chunk[max(0, len(chunk) - (done - offset)) :]

    def _take(self) -> Iterator[bytes]:
        while self._held:
            yield self._held.pop(0)
        if self._stream is None:
            self._stream = self._decode()
        yield from self._stream

    def _decode(self) -> Iterator[bytes]:
        """The compression is told by the first bytes, since a pipe has no extension."""
        done = 0
        try:
            raw = _read_fd(self.fd)
            head = next(raw, b"")
            while 0 < len(head) < 4 and (more := next(raw, b"")):
                head += more
            for chunk in decompress(_put_back(head, raw), _sniff(head)):
                done += len(chunk)
                yield chunk
        except (CorruptStream, OSError) as error:
            raise _unreadable(self.name, done, error) from error
        finally:
            if self.is_owned:
                os.close(self.fd)


def _sniff(head: bytes) -> Compression:
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if head.startswith(b"\x28\xb5\x2f\xfd") else "none"


def _put_back(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _read_fd(fd: int) -> Iterator[bytes]:
    while chunk := os.read(fd, CHUNK_BYTES):
        yield chunk


def _read_file(path: str, offset: int) -> Generator[bytes, None, None]:
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _unreadable(name: str, offset: int, error: Exception) -> SourceError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SourceError(
        f"{name}: expected more input after byte {offset:,} (uncompressed), got: {reason}",
        hint="what was read before is safe; repair the file or make it again, then run the same command",
    )
