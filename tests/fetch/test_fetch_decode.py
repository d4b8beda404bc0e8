"""Content-Encoding undone: round trips in any chunking, truncation seen, bombs bounded."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.fetch.decode import DecodeError, accepted_codings, decoder_for


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", bare_deflate),
    "br": ("br", lambda data: brotli.compress(data, quality=5)),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "gzip of br": ("br, gzip", lambda data: gzip.compress(brotli.compress(data, quality=5))),
}
each_encoding = pytest.mark.parametrize("name", ENCODERS)
ROOM = 1 << 30


@each_encoding
@settings(max_examples=40)
@given(
    seed=st.integers(0, 1 << 32),
    size=st.integers(0, 5_000),
    chunk_bytes=st.sampled_from([1, 2, 7, 100, 5000, 1 << 20]),
)
def test_any_chunking_decodes_to_the_original(name: str, seed: int, size: int, chunk_bytes: int) -> None:
    coding, encode = ENCODERS[name]
    rng = random.Random(seed)
    original = rng.randbytes(size // 4) + b"abc" * (size // 4)
    wire = encode(original)
    decoder = decoder_for(coding)
    assert decoder is not None
    decoded = b"".join(decoder.feed(wire[at : at + chunk_bytes], ROOM) for at in range(0, len(wire), chunk_bytes))
    assert decoded == original
    assert decoder.is_complete


@each_encoding
@settings(max_examples=30)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_stream_that_is_cut_anywhere_is_not_complete(name: str, share: float) -> None:
    coding, encode = ENCODERS[name]
    wire = encode(random.Random(1).randbytes(3000))
    decoder = decoder_for(coding)
    assert decoder is not None
    decoder.feed(wire[: int(len(wire) * share)], ROOM)
    assert not decoder.is_complete


@each_encoding
def test_a_bomb_stops_near_the_limit(name: str) -> None:
    coding, encode = ENCODERS[name]
    wire = encode(bytes(60_000_000))
    decoder = decoder_for(coding)
    assert decoder is not None
    tracemalloc.start()
    try:
        decoded_bytes = 0
        for at in range(0, len(wire), 131_072):
            decoded_bytes += len(decoder.feed(wire[at : at + 131_072], 100_000 - decoded_bytes))
            if decoded_bytes > 100_000:
                break
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert decoded_bytes > 100_000, "the caller must see that the limit was passed"
    assert peak_bytes < 40_000_000


@each_encoding
def test_what_is_not_that_encoding_is_a_decode_error(name: str) -> None:
    coding, _ = ENCODERS[name]
    decoder = decoder_for(coding)
    assert decoder is not None
    junk = b"\xffthis is no compressed stream at all" * 1500
    with pytest.raises(DecodeError, match=r"gzip|deflate|br|zstd"):
        decoder.feed(junk, ROOM)


def test_damage_inside_a_gzip_body_is_a_decode_error() -> None:
    wire = bytearray(gzip.compress(random.Random(1).randbytes(3000)))
    wire[-6] ^= 1  # a bit of the checksum
    decoder = decoder_for("gzip")
    assert decoder is not None
    with pytest.raises(DecodeError, match="incorrect data check"):
        decoder.feed(bytes(wire), ROOM)


def test_gzip_members_and_zero_padding_are_one_body() -> None:
    wire = gzip.compress(b"one") + gzip.compress(b"two") + bytes(512)
    for chunk_bytes in (1, 21, len(wire)):
        decoder = decoder_for("gzip")
        assert decoder is not None
        parts = [decoder.feed(wire[at : at + chunk_bytes], ROOM) for at in range(0, len(wire), chunk_bytes)]
        assert b"".join(parts) == b"onetwo"
        assert decoder.is_complete


def test_a_second_gzip_member_cut_short_is_not_complete() -> None:
    decoder = decoder_for("gzip")
    assert decoder is not None
    decoder.feed(gzip.compress(b"one") + gzip.compress(b"two")[:-3], ROOM)
    assert not decoder.is_complete


def test_zstd_frames_are_one_body() -> None:
    wire = b"".join(zstandard.ZstdCompressor().compress(part) for part in (b"one", b"two" * 1000))
    decoder = decoder_for("zstd")
    assert decoder is not None
    assert decoder.feed(wire, ROOM) == b"one" + b"two" * 1000
    assert decoder.is_complete


@pytest.mark.parametrize("value", ["", "identity", "Identity", " identity , "])
def test_no_coding_needs_no_decoder(value: str) -> None:
    assert decoder_for(value) is None


@pytest.mark.parametrize("value", ["compress", "utf-8", "gzip, snappy", ", ".join(["gzip"] * 6)])
def test_an_unknown_coding_is_told_with_what_is_known(value: str) -> None:
    with pytest.raises(DecodeError, match="expected one of gzip, deflate, zstd, br, got"):
        decoder_for(value)


def test_every_coding_that_is_asked_for_can_be_decoded() -> None:
    for coding in accepted_codings().split(", "):
        assert decoder_for(coding) is not None
    assert {"gzip", "deflate", "br", "zstd"} == set(accepted_codings().split(", "))
