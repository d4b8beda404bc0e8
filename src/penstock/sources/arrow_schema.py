"""One Arrow schema for several parts, or the reasons why there is none.

Imports pyarrow only when a table is among the parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.sources.parquet_table import ParquetTable
from penstock.sources.part import Part

if TYPE_CHECKING:
    import pyarrow


def find_type_conflicts(parts: Sequence[Part]) -> list[str]:
    """A message for each column that two parts give different types; names both parts. Text formats are all strings."""
    if not any(isinstance(part, ParquetTable) for part in parts):
        return []
    seen: dict[str, tuple[str, pyarrow.DataType]] = {}
    problems: list[str] = []
    for part in parts:
        for column, arrow_type in (part.arrow_types() or {}).items():
            if column not in seen or _is_null(seen[column][1]):
                seen[column] = (part.name, arrow_type)
                continue
            first_name, first_type = seen[column]
            if not _is_compatible(first_type, arrow_type):
                problems.append(
                    f"expected one type for the column '{column}', got {first_type} in {first_name} "
                    f"and {arrow_type} in {part.name}"
                )
    return problems


def join_schema(parts: Sequence[Part], columns: Sequence[str]) -> pyarrow.Schema | None:
    """The type of each of `columns`, from the first part that has it; None when a part (JSON Lines) cannot say."""
    import pyarrow as pa

    types: dict[str, pyarrow.DataType] = {}
    for part in parts:
        part_types = part.arrow_types()
        if part_types is None:
            return None
        for column, arrow_type in part_types.items():
            if column not in types or _is_null(types[column]):
                types[column] = arrow_type
    return pa.schema([pa.field(column, types.get(column, pa.string())) for column in columns])


def _is_compatible(first: pyarrow.DataType, second: pyarrow.DataType) -> bool:
    return bool(first.equals(second) or _is_null(second) or (_is_text(first) and _is_text(second)))


def _is_null(arrow_type: pyarrow.DataType) -> bool:
    import pyarrow.types as kind

    return bool(kind.is_null(arrow_type))


def _is_text(arrow_type: pyarrow.DataType) -> bool:
    import pyarrow.types as kind

    return bool(kind.is_string(arrow_type) or kind.is_large_string(arrow_type) or kind.is_string_view(arrow_type))
