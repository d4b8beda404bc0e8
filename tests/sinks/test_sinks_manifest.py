"""A manifest says what was written, and says so when it was altered."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.sinks.manifest import Manifest, parse_manifest

MANIFEST = Manifest(
    stream="failed",
    name="failed/00003.jsonl",
    number=3,
    epoch=2,
    items=3,
    rows=3,
    bytes=900,
    xxh3_64="00112233aabbccdd",
    ids=[[0, 1], [7, 7]],
    kinds={"dns": [[0, 1]], "reset": [[7, 7]]},
    created="2026-01-01T00:00:00.000Z",
)


def test_a_manifest_comes_back_as_it_was() -> None:
    assert parse_manifest(MANIFEST.to_json()) == MANIFEST
    assert MANIFEST.file_name == "failed-00003-0002.json"
    assert MANIFEST.order == (2, 3)


@given(st.integers(0, len(MANIFEST.to_json()) - 1), st.integers(1, 127))
def test_any_altered_character_is_noticed(position: int, difference: int) -> None:
    text = MANIFEST.to_json()
    altered = text[:position] + chr(ord(text[position]) ^ difference) + text[position + 1 :]
    with pytest.raises(ValueError, match="manifest"):
        parse_manifest(altered)


@given(st.integers(0, len(MANIFEST.to_json()) - 1))
def test_a_torn_manifest_is_noticed(length: int) -> None:
    with pytest.raises(ValueError, match="manifest"):
        parse_manifest(MANIFEST.to_json()[:length])


def test_another_format_version_is_refused() -> None:
    import xxhash

    body = MANIFEST.to_json().rpartition(',"check"')[0].replace('"format":1', '"format":2')
    with pytest.raises(ValueError, match="expected format 1, got 2"):
        parse_manifest(f'{body},"check":"{xxhash.xxh3_64_hexdigest(body.encode())}"}}')


def test_a_manifest_is_plain_json() -> None:
    assert json.loads(MANIFEST.to_json())["ids"] == [[0, 1], [7, 7]]
