"""The side-car manifest of a shard: which ids it holds and what its bytes must be. Written before the shard is named.

Format version 1, one JSON object, `_penstock/manifests/<stream>-<number>-<epoch>.json`:

| key         | meaning                                                                                          |
|-------------|--------------------------------------------------------------------------------------------------|
| format      | 1                                                                                                |
| stream      | `data`, `failed` or `skipped`                                                                    |
| name        | the shard's path inside the output folder, with `/`                                              |
| number      | the shard's number within its stream; with `epoch`, the order in which shards were committed     |
| epoch       | the run epoch that wrote it: 1 for the first start, one more for each resume or retry            |
| items, rows | items accounted for; rows in the file (more or fewer when an item has several records or none)   |
| bytes       | file size                                                                                        |
| xxh3_64     | checksum of the whole file, 16 hex digits                                                        |
| ids         | item ids as inclusive ranges, `[[0, 99], [102, 102]]`                                            |
| empty_ids   | those of `ids` that have no row in the file (the process function returned an empty list)        |
| kinds       | `failed` only: ids by failure kind                                                               |
| schema_hash | `data` only: xxh3_64 of the column names and types                                               |
| created     | RFC 3339 time, for people; nothing is decided by it                                              |
| check       | the last key: xxh3_64 of the text before it, that is, up to `,"check"`                            |

With the manifests alone the ledger can be built again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import fields as fields_of
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from penstock.sinks.ids import Ranges

Stream: TypeAlias = Literal["data", "failed", "skipped"]
STREAMS: tuple[Stream, ...] = get_args(Stream)
# Where each stream's shards lie; ends in `/` unless it is the output folder itself.
STREAM_FOLDERS: Mapping[Stream, str] = MappingProxyType(
    {"data": "", "failed": "failed/", "skipped": "_penstock/skipped/"}
)
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """One committed (or about to be committed) shard. Fields as in the module's table."""

    stream: Stream
    name: str
    number: int
    epoch: int
    items: int
    rows: int
    bytes: int
    xxh3_64: str
    ids: Ranges
    empty_ids: Ranges = field(default_factory=list)
    kinds: Mapping[str, Ranges] = field(default_factory=dict)
    schema_hash: str = ""
    created: str = ""

    @property
    def order(self) -> tuple[int, int]:
        """Sorts shards of one stream by age; the last one that names an id wins."""
        return (self.epoch, self.number)

    @property
    def file_name(self) -> str:
        return f"{self.stream}-{self.number:05d}-{self.epoch:04d}.json"

    def to_json(self) -> str:
        fields = {"format": FORMAT_VERSION, **{name: getattr(self, name) for name in _FIELDS}}
        text = json.dumps(fields, separators=(",", ":"))[:-1]
        return f'{text}{_CHECK_KEY}"{_hash(text)}"}}'


def parse_manifest(text: str) -> Manifest:
    """Read a manifest back. Raises ValueError when it is torn, altered or of another format version.

    The checksum is over the text as it stands, so that a large output opens without encoding everything again.
    """
    body, _, check = text.rpartition(_CHECK_KEY)
    if check != f'"{_hash(body)}"}}':
        raise ValueError("manifest: its own checksum does not match its content")
    fields = json.loads(body + "}")
    version = fields.pop("format")
    if version != FORMAT_VERSION:
        raise ValueError(f"manifest: expected format {FORMAT_VERSION}, got {version!r}")
    return Manifest(**fields)


_FIELDS = tuple(field.name for field in fields_of(Manifest))
_CHECK_KEY = ',"check":'


def _hash(text: str) -> str:
    import xxhash

    return xxhash.xxh3_64_hexdigest(text.encode())
