"""gzip and Zstandard streams: members, frames, chunk borders, and ends that come too early."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources_kit import compress, rows_of

from penstock.errors import SourceError
from penstock.model import BadRow, Item
from penstock.sources import open_source
from penstock.sources.compression import Compression, CorruptStream, decompress


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


_EXTENSION: dict[Compression, str] = {"gzip": ".gz", "zstd": ".zst"}


@given(
    st.lists(st.binary(max_size=300) | st.integers(0, 700_000).map(bytes), max_size=4),
    st.sampled_from(list(_EXTENSION)),
    st.integers(1, 5000),
)
def test_joined_members_and_frames_are_one_stream(pieces: list[bytes], kind: Compression, size: int) -> None:
    data = b"".join(compress(piece, _EXTENSION[kind]) for piece in pieces)
    assert b"".join(decompress(chunked(data, size), kind)) == b"".join(pieces)


@given(st.binary(min_size=1, max_size=500), st.sampled_from(list(_EXTENSION)), st.data())
def test_a_cut_stream_is_an_error_after_what_could_be_read(
    content: bytes, kind: Compression, data: st.DataObject
) -> None:
    whole = compress(content, _EXTENSION[kind])
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    got: list[bytes] = []
    with pytest.raises(CorruptStream):
        got.extend(decompress(chunked(cut, 7), kind))
    assert content.startswith(b"".join(got))


@given(st.binary(min_size=1), st.sampled_from(list(_EXTENSION)))
def test_any_bytes_give_bytes_or_corrupt_stream(data: bytes, kind: Compression) -> None:
    try:
        decoded = b"".join(decompress(chunked(data, 5), kind))
    except CorruptStream:
        return
    assert isinstance(decoded, bytes)


def test_zero_padding_after_gzip_members_is_ignored_and_other_bytes_are_not() -> None:
    data = gzip.compress(b"a") + b"\0" * 20 + gzip.compress(b"b") + b"\0" * 5
    assert b"".join(decompress(chunked(data, 3), "gzip")) == b"ab"
    with pytest.raises(CorruptStream):
        list(decompress(iter([gzip.compress(b"a") + b"tail"]), "gzip"))


def test_skippable_zstd_frames_are_skipped() -> None:
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    data = skippable + compress(b"a", ".zst") + skippable + compress(b"b", ".zst")
    assert b"".join(decompress(chunked(data, 3), "zstd")) == b"ab"


@pytest.mark.parametrize(("kind", "chunk_bytes_max"), [("gzip", 300_000), ("zstd", 40_000_000)])
def test_a_decompression_bomb_comes_in_bounded_chunks(kind: Compression, chunk_bytes_max: int) -> None:
    content = bytes(64 * 1024 * 1024)
    sizes = [len(chunk) for chunk in decompress(iter([compress(content, _EXTENSION[kind])]), kind)]
    assert sum(sizes) == len(content)
    assert max(sizes) <= chunk_bytes_max


@pytest.mark.parametrize("extension", [".gz", ".zst"])
def test_damage_in_the_middle_of_a_run_names_file_and_offset_and_loses_no_earlier_row(
    tmp_path: Path, extension: str
) -> None:
    # Random text, so that the compressed data is long enough to be cut behind the first rows.
    lines = [b"http://a/" + os.urandom(40).hex().encode() for _ in range(20_000)]
    frames = [compress(b"\n".join(lines[at : at + 5000]) + b"\n", extension) for at in range(0, 20_000, 5000)]
    path = tmp_path / f"a.txt{extension}"
    path.write_bytes(b"".join(frames)[:-1000])
    rows: list[Item | BadRow] = []
    with pytest.raises(SourceError, match=r"a\.txt\.\w+: expected more input after byte [\d,]+ .*truncated") as caught:
        rows.extend(row for batch in open_source([str(path)]).read() for row in batch.items)
    assert caught.value.hint
    assert len(rows) >= 15_000
    assert [row.row for row in rows] == [(line.decode(),) for line in lines[: len(rows)]], "no half line became a row"


@pytest.mark.parametrize("extension", [".gz", ".zst"])
def test_a_file_of_many_members_is_one_list(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.txt{extension}"
    path.write_bytes(compress(b"http://a/\nhttp:", extension) + compress(b"//b/\n", extension))
    assert [row.url for row in rows_of(open_source([str(path)]).read())] == ["http://a/", "http://b/"]
