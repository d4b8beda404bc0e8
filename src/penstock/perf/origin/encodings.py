"""Content encodings of a body: gzip, deflate, br and zstd, and the gzip bomb. Pure, and repeatable byte by byte.

brotli is an optional dependency (`penstock[origin]`): without it `encoding=br` is answered as a mistake in the script.
"""

from __future__ import annotations

import struct
import zlib
from typing import assert_never

from penstock.errors import ConfigError
from penstock.perf.origin.script import Encoding

_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_ZEROS = bytes(1024**2)


def encode_body(body: bytes, encoding: Encoding) -> bytes:
    """`body` in that encoding, at a fast level. Raises ConfigError when the library for it is not installed."""
    match encoding:
        case "identity":
            return body
        case "gzip":
            return _compress(body, 31)
        case "deflate":
            return _compress(body, 15)  # RFC 9110 §8.4.1.2: deflate means the zlib format
        case "zstd":
            import zstandard

            return zstandard.ZstdCompressor(level=1).compress(body)
        case "br":
            try:
                import brotli
            except ImportError:
                raise ConfigError(
                    "encoding=br: expected the brotli library, which is not installed",
                    hint="pip install 'penstock[origin]'",
                ) from None
            return bytes(brotli.compress(body, quality=1))
        case _:
            assert_never(encoding)


def make_gzip_bomb(decoded_bytes: int) -> bytes:
    """A valid gzip stream of `decoded_bytes` zeros, about a thousandth of that long.

    One compressed mebibyte is repeated, so the cost is that of the checksum: about 0.1 s for 100 MiB.
    """
    whole, rest = divmod(decoded_bytes, len(_ZEROS))
    checksum = 0
    for _ in range(whole):
        checksum = zlib.crc32(_ZEROS, checksum)
    checksum = zlib.crc32(_ZEROS[:rest], checksum)
    full = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = full.compress(_ZEROS) + full.flush(zlib.Z_FULL_FLUSH)  # after a full flush a block refers to nothing before
    last = zlib.compressobj(9, zlib.DEFLATED, -15)
    tail = last.compress(_ZEROS[:rest]) + last.flush(zlib.Z_FINISH)
    return _GZIP_HEAD + block * whole + tail + struct.pack("<II", checksum, decoded_bytes & 0xFFFFFFFF)


def _compress(body: bytes, window_bits: int) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, window_bits)
    return compressor.compress(body) + compressor.flush()
