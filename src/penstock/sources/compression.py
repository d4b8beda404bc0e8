"""Decompresses a stream of byte chunks: gzip (any number of members) and Zstandard (any number of frames).

Memory stays bounded whatever the ratio; each chunk given is decoded as far as it goes, so a slow pipe is not held back.
The rule: a stream that ends in the middle is an error, never a short result.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Literal, TypeAlias

Compression: TypeAlias = Literal["none", "gzip", "zstd"]

_GZIP_OUTPUT_BYTES = 262_144
# One zstd block of 4 bytes can stand for 128 KiB, so the input is handed over in small slices.
_ZSTD_INPUT_BYTES = 1024


class CorruptStream(ValueError):
    """The compressed bytes do not decode, or end too early."""


def decompress(chunks: Iterator[bytes], compression: Compression) -> Iterator[bytes]:
    """Yield the decoded bytes of `chunks`. Raises CorruptStream after everything before the damage was yielded."""
    match compression:
        case "none":
            return chunks
        case "gzip":
            return _gunzip(chunks)
        case "zstd":
            return _unzstd(chunks)


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    decoder = None
    is_first = True
    for chunk in chunks:
        data = chunk
        while data:
            if decoder is None:
                if not is_first:
                    data = data.lstrip(b"\0")  # tapes and block devices pad with zeros between members
                    if not data:
                        break
                decoder = zlib.decompressobj(31)
                is_first = False
            try:
                decoded = decoder.decompress(data, _GZIP_OUTPUT_BYTES)
                while not decoder.eof and len(decoded) == _GZIP_OUTPUT_BYTES:
                    yield decoded
                    decoded = decoder.decompress(decoder.unconsumed_tail, _GZIP_OUTPUT_BYTES)
            except zlib.error as error:
                raise CorruptStream(f"not readable as gzip ({error})") from None
            if decoded:
                yield decoded
            data = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            if decoder.eof:
                decoder = None
    if decoder is not None:
        raise CorruptStream("the gzip data ends before its end mark (truncated)")


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    import zstandard

    decoder = None
    for chunk in chunks:
        for start in range(0, len(chunk), _ZSTD_INPUT_BYTES):
            data = chunk[start : start + _ZSTD_INPUT_BYTES]
            while data:
                if decoder is None:
                    decoder = zstandard.ZstdDecompressor().decompressobj()
                try:
                    decoded = decoder.decompress(data)
                except zstandard.ZstdError as error:
                    raise CorruptStream(f"not readable as Zstandard ({error})") from None
                if decoded:
                    yield decoded
                data = decoder.unused_data if decoder.eof else b""
                if decoder.eof:
                    decoder = None
    if decoder is not None:
        raise CorruptStream("the Zstandard data ends before its end mark (truncated)")
