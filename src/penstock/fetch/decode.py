"""Undoes Content-Encoding chunk by chunk, never far past a limit, and knows whether the stream reached its end.

libcurl can decode too, but takes a gzip or brotli stream that was cut short for a complete one (seen with 8.23), and
has no zstd in pycurl's wheels. The rule: a body counts as complete only when its encoding says so.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

_CODINGS_MAX = 5  # libcurl's limit as well; more than one is a server's mistake, but a readable one
_ZSTD_WINDOW_BYTES_MAX = 8 << 20  # RFC 9659 §3
# A zstd block of 4 bytes may stand for 128 KiB, and its Python binding knows no limit on output: fed in slices of
# this size, one call makes at most 16 MiB.
_ZSTD_SLICE_BYTES = 512


class DecodeError(ValueError):
    """The body is not what its Content-Encoding says."""


class Decoder(Protocol):
    """One body's way back. `feed` returns decoded bytes, and stops soon after `room` of them (0 or more): the caller
    ends the transfer then. `is_complete`: the end mark has been seen, and nothing is open after it."""

    @property
    def is_complete(self) -> bool: ...

    def feed(self, data: bytes, room: int) -> bytes: ...


def accepted_codings() -> str:
    """The value of Accept-Encoding: what can be decoded here, by preference. `br` needs the package brotli."""
    return ", ".join(_makers())


def decoder_for(content_encoding: str) -> Decoder | None:
    """The decoder for the field's value, None for no coding at all. Raises DecodeError for one that is not known."""
    codings = [word.strip().lower() for word in content_encoding.split(",")]
    codings = ["gzip" if word == "x-gzip" else word for word in codings if word not in ("", "identity")]
    if not codings:
        return None
    makers = _makers()
    unknown = [word for word in codings if word not in makers]
    if unknown or len(codings) > _CODINGS_MAX:
        got = unknown[0] if unknown else f"{len(codings)} codings"
        hint = "; hint: pip install 'brotli>=1.2'" if got == "br" else ""
        raise DecodeError(f"Content-Encoding: expected one of {', '.join(makers)}, got {got[:40]!r}{hint}")
    decoders = [makers[word]() for word in reversed(codings)]  # listed in the order applied (RFC 9110 §8.4)
    return decoders[0] if len(decoders) == 1 else _Chain(decoders)


def _makers() -> Mapping[str, Callable[[], Decoder]]:
    makers: dict[str, Callable[[], Decoder]] = {"gzip": _Gzip, "deflate": _Deflate, "zstd": _Zstd}
    try:
        import brotli
    except ImportError:
        return makers
    if hasattr(brotli.Decompressor, "can_accept_more_data"):  # 1.2: since then the output can be limited
        makers["br"] = _Brotli
    return makers


class _Gzip:
    """RFC 1952: one member or several, and zero bytes after the last."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(31)

    @property
    def is_complete(self) -> bool:
        return self._inflate.eof

    def feed(self, data: bytes, room: int) -> bytes:
        pieces = []
        while data and room >= 0:
            if self._inflate.eof:
                data = data.lstrip(b"\0")
                if not data:
                    break
                self._inflate = zlib.decompressobj(31)
            try:
                piece = self._inflate.decompress(data, room + 1)
            except zlib.error as error:
                raise DecodeError(f"gzip: {error}") from error
            pieces.append(piece)
            room -= len(piece)
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Deflate:
    """RFC 9110 §8.4.1.2 says the zlib format; some servers send bare deflate. The first two bytes tell which."""

    def __init__(self) -> None:
        self._start = b""
        self._inflate: Any = None

    @property
    def is_complete(self) -> bool:
        return self._inflate is not None and bool(self._inflate.eof)

    def feed(self, data: bytes, room: int) -> bytes:
        if self._inflate is None:
            data = self._start + data
            if len(data) < 2:
                self._start = data
                return b""
            is_zlib = data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0  # RFC 1950 §2.2
            self._inflate = zlib.decompressobj(15 if is_zlib else -15)
        if self._inflate.eof:
            return b""
        try:
            decoded: bytes = self._inflate.decompress(data, room + 1)
        except zlib.error as error:
            raise DecodeError(f"deflate: {error}") from error
        return decoded


class _Brotli:
    """RFC 7932."""

    def __init__(self) -> None:
        import brotli

        self._error = brotli.error
        self._decompressor = brotli.Decompressor()

    @property
    def is_complete(self) -> bool:
        return bool(self._decompressor.is_finished())

    def feed(self, data: bytes, room: int) -> bytes:
        if self._decompressor.is_finished():
            return b""
        pieces = []
        try:
            while True:
                piece = self._decompressor.process(data, output_buffer_limit=room + 1)
                pieces.append(piece)
                room -= len(piece)
                data = b""
                if room < 0 or self._decompressor.can_accept_more_data():
                    return b"".join(pieces)
        except self._error as error:
            raise DecodeError(f"br: {error}") from error


class _Zstd:
    """RFC 8878: one frame or several."""

    def __init__(self) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES_MAX)
        self._frame = self._context.decompressobj()

    @property
    def is_complete(self) -> bool:
        return bool(self._frame.eof)

    def feed(self, data: bytes, room: int) -> bytes:
        pieces = []
        position = 0
        while position < len(data) and room >= 0:
            if self._frame.eof:
                self._frame = self._context.decompressobj()
            slice_ = data[position : position + _ZSTD_SLICE_BYTES]
            try:
                piece = self._frame.decompress(slice_)
            except self._error as error:
                raise DecodeError(f"zstd: {error}") from error
            pieces.append(piece)
            room -= len(piece)
            position += len(slice_) - (len(self._frame.unused_data) if self._frame.eof else 0)
        return b"".join(pieces)


class _Chain:
    """Several codings, undone one after another."""

    def __init__(self, decoders: Iterable[Decoder]) -> None:
        self._decoders = list(decoders)

    @property
    def is_complete(self) -> bool:
        return all(decoder.is_complete for decoder in self._decoders)

    def feed(self, data: bytes, room: int) -> bytes:
        for decoder in self._decoders:
            data = decoder.feed(data, room)
        return data
