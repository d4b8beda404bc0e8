"""Arrow column → the values that `Item.row` carries: Python objects where the way back gives the same, else scalars.

`pyarrow.array(values, type)` takes both, so a sink needs to know nothing of this. Nulls are always None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.sources.rows import Row, UnreadableRow, decode_raw

if TYPE_CHECKING:
    import pyarrow


def to_rows(batch: pyarrow.RecordBatch) -> list[Row]:
    """The rows of `batch`. A row with text that is not UTF-8 becomes an `UnreadableRow`; nothing raises."""
    columns = list(map(_convert, batch.columns))
    rows: list[Row] = list(zip(*(values for values, _ in columns), strict=True))
    for at in sorted({at for _, undecodable in columns for at in undecodable}):
        values = tuple(_show(values[at]) if at in undecodable else values[at] for values, undecodable in columns)
        rows[at] = UnreadableRow("bad_encoding", "expected text in UTF-8, got bytes that do not decode", "", values)
    return rows


def to_values(column: pyarrow.Array) -> list[object]:
    """One value for each row. Never raises: what has no Python form (year 300,000, invalid UTF-8) stays a scalar."""
    return _convert(column)[0]


def _convert(column: pyarrow.Array) -> tuple[list[object], frozenset[int]]:
    """The values, and which of them are text that does not decode."""
    if not has_python_form(column.type):
        return [scalar if scalar.is_valid else None for scalar in column], frozenset()
    try:
        return column.to_pylist(), frozenset()
    except (ValueError, OverflowError):
        import pyarrow as pa

        values = list(map(_to_value, column))
        return values, frozenset(at for at, value in enumerate(values) if isinstance(value, pa.StringScalar))


def _to_value(scalar: pyarrow.Scalar) -> object:
    try:
        value: object = scalar.as_py()
    except (ValueError, OverflowError):
        return scalar
    return value


def _show(scalar: pyarrow.StringScalar) -> str:
    return decode_raw(scalar.as_buffer().to_pybytes())


def has_python_form(arrow_type: pyarrow.DataType) -> bool:
    """Whether Python objects of this type convert back to the same value (range aside, which `to_values` minds).

    Not so: nanoseconds (datetime has microseconds), zoned timestamps (an hour that occurs twice a year), extension
    types, unions, intervals.
    """
    import pyarrow.types as kind

    if kind.is_timestamp(arrow_type):
        return arrow_type.unit != "ns" and arrow_type.tz in (None, "UTC")
    if kind.is_time64(arrow_type) or kind.is_duration(arrow_type):
        return bool(arrow_type.unit != "ns")
    if kind.is_struct(arrow_type):
        fields = [arrow_type.field(at) for at in range(arrow_type.num_fields)]
        has_unique_names = len({field.name for field in fields}) == len(fields)
        return has_unique_names and all(has_python_form(field.type) for field in fields)
    if kind.is_map(arrow_type):
        return has_python_form(arrow_type.key_type) and has_python_form(arrow_type.item_type)
    if kind.is_list(arrow_type) or kind.is_large_list(arrow_type) or kind.is_fixed_size_list(arrow_type):
        return has_python_form(arrow_type.value_type)
    if kind.is_dictionary(arrow_type):
        return has_python_form(arrow_type.value_type)
    return _is_simple(arrow_type)


def _is_simple(arrow_type: pyarrow.DataType) -> bool:
    import pyarrow.types as kind

    return bool(
        kind.is_null(arrow_type)
        or kind.is_boolean(arrow_type)
        or kind.is_integer(arrow_type)
        or kind.is_floating(arrow_type)
        or kind.is_decimal(arrow_type)
        or kind.is_string(arrow_type)
        or kind.is_large_string(arrow_type)
        or kind.is_string_view(arrow_type)
        or kind.is_binary(arrow_type)
        or kind.is_large_binary(arrow_type)
        or kind.is_binary_view(arrow_type)
        or kind.is_fixed_size_binary(arrow_type)
        or kind.is_date32(arrow_type)
        or kind.is_time32(arrow_type)
        or kind.is_time64(arrow_type)
    )
