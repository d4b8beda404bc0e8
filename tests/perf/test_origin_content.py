"""Bodies: exact in size, repeatable from seed and path, and parseable as what they say they are."""

from __future__ import annotations

import gzip
import json
import re
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.origin.content import PAGES, Content
from penstock.perf.origin.encodings import encode_body, make_gzip_bomb
from penstock.perf.origin.script import Encoding

CONTENT = Content(3)
SIZES = st.integers(0, 20_000)


@given(st.text("abc/123", max_size=30), SIZES)
def test_bodies_have_exactly_the_size_that_was_asked_for(path: str, size: int) -> None:
    assert len(CONTENT.binary(path, size)) == size
    assert len(CONTENT.text(path, size)) == size


@given(st.integers(0, 10**18), SIZES)
def test_pages_have_exactly_the_size_that_was_asked_for(number: int, size: int) -> None:
    page = CONTENT.page(number, size)
    assert len(page) == size
    assert page.isascii()


def test_a_body_longer_than_the_block_repeats_it() -> None:
    body = CONTENT.binary("/bytes/3000000", 3_000_000)
    assert len(body) == 3_000_000
    assert body[:1000] == body[1024**2 : 1024**2 + 1000]


def test_bodies_are_a_function_of_seed_and_path() -> None:
    again = Content(3)
    assert again.page(5) == CONTENT.page(5)
    assert again.binary("/a", 100) == CONTENT.binary("/a", 100)
    assert CONTENT.binary("/a", 100) != CONTENT.binary("/b", 100)
    assert Content(4).page(5) != CONTENT.page(5)


def test_bodies_stay_the_same_between_versions() -> None:
    assert (
        zlib.crc32(CONTENT.page(5) + CONTENT.binary("/a", 999) + CONTENT.text("/b") + CONTENT.document(6)) == 1701347579
    )


@given(st.integers(0, 10**9))
def test_a_page_has_title_links_and_text(number: int) -> None:
    page = CONTENT.page(number).decode("ascii")
    assert re.findall("<title>(.*)</title>", page) == [CONTENT.title(number)]
    links = [int(link) for link in re.findall(r'<a href="/page/(\d+)">', page)]
    assert links == CONTENT.links(number)
    assert 2 <= len(links) <= 9
    assert all(0 <= link < PAGES for link in links)
    assert page.endswith("</p></body></html>\n")
    assert 1024 <= len(page) <= 8192


@given(st.integers(0, 10**9), SIZES)
def test_a_document_is_json_of_that_size_or_of_its_least(number: int, size: int) -> None:
    body = CONTENT.document(number, size)
    document = json.loads(body)
    assert document["id"] == number
    assert document["links"] == CONTENT.links(number)
    assert len(body) == size or document["text"] == ""


DECODERS = {
    "identity": lambda body: body,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompress(body),
}


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate", "zstd"])
@given(body=st.binary(max_size=500))
def test_an_encoded_body_decodes_to_the_body(encoding: Encoding, body: bytes) -> None:
    encoded = encode_body(body, encoding)
    assert DECODERS[encoding](encoded) == body
    assert encode_body(body, encoding) == encoded


@given(st.binary(max_size=500))
def test_brotli_decodes_to_the_body(body: bytes) -> None:
    brotli = pytest.importorskip("brotli")
    assert brotli.decompress(encode_body(body, "br")) == body


@pytest.mark.parametrize("size", [1, 1000, 1024**2, 5 * 1024**2 + 17])
def test_a_gzip_bomb_is_valid_and_small(size: int) -> None:
    bomb = make_gzip_bomb(size)
    assert gzip.decompress(bomb) == bytes(size)
    assert len(bomb) < 100 + size / 500
