"""Types of columns that nobody declared: found from the values, widened when later values need it, never narrowed.

| known so far  | values now        | becomes                                                        |
|---------------|-------------------|----------------------------------------------------------------|
| (nothing)     | T                 | T                                                              |
| null          | T                 | T                                                              |
| T             | null              | T                                                              |
| int64         | double            | double (when every integer is exact in a double)               |
| struct, list  | struct, list      | field by field, new fields added                               |
| binary        | string            | binary                                                         |
| T             | anything else     | mixed: string, text as it is, every other value as JSON text   |

A column that has widened 16 times becomes mixed too, so that free-form keys do not cut a shard at every batch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.sinks.plain import to_plain

if TYPE_CHECKING:
    import pyarrow as pa

WIDENINGS_MAX = 16
_MIXED = {b"penstock": b"mixed"}


@dataclass(frozen=True, slots=True)
class Inferred:
    """What is known of one column. `is_mixed` columns are strings for good."""

    type: pa.DataType
    is_mixed: bool = False
    widenings: int = 0


def field_of(name: str, inferred: Inferred) -> pa.Field:
    """The Arrow field; a mixed column says so in its metadata, so that a resumed run keeps it mixed."""
    import pyarrow as pa

    return pa.field(name, inferred.type, metadata=_MIXED if inferred.is_mixed else None)


def inferred_from(field: pa.Field) -> Inferred:
    """What an earlier shard's schema tells about a column."""
    return Inferred(field.type, is_mixed=(field.metadata or {}).get(b"penstock") == b"mixed")


def encode(values: Sequence[object], known: Inferred | None) -> tuple[pa.Array, Inferred]:
    """An array for the values, of a type that also holds all that `known` held, and that type.

    Raises TypeError, ValueError, OverflowError or an Arrow error when some value cannot be stored in any way.
    """
    import pyarrow as pa

    if known is not None and known.is_mixed:
        return _as_text(values), known
    try:
        array = pa.array(values)
        if isinstance(array, pa.ChunkedArray):
            raise OverflowError("more than 2 GiB in one column of one batch")
        if _holds_empty_struct(array.type):
            raise pa.ArrowTypeError("Parquet has no struct without fields")
        if known is None:
            return array, Inferred(array.type)
        if array.type == known.type:
            return array, known
        wide = pa.unify_schemas(
            [pa.schema([pa.field("x", known.type)]), pa.schema([pa.field("x", array.type)])],
            promote_options="permissive",
        )
        wide_type = wide.field(0).type
        array = pa.array(values, wide_type)
        if wide_type == known.type:
            return array, known
        if known.widenings < WIDENINGS_MAX:
            return array, Inferred(wide_type, widenings=known.widenings + 1)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        pass  # no common type; as text it may still fit, and if not, that says why
    return _as_text(values), Inferred(pa.string(), is_mixed=True)


def _as_text(values: Sequence[object]) -> pa.Array:
    import pyarrow as pa

    texts = [
        None if v is None else v if type(v) is str else json.dumps(to_plain(v), ensure_ascii=False) for v in values
    ]
    return pa.array(texts, pa.string())


def _holds_empty_struct(data_type: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_struct(data_type):
        return data_type.num_fields == 0 or any(_holds_empty_struct(field.type) for field in data_type)
    if types.is_list(data_type):
        return _holds_empty_struct(data_type.value_type)
    return False
