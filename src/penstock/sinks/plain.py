"""Values as JSON: what JSON lacks is written as text, and how it was written is remembered so that it can be read back.

| Python value                  | JSON                                   | mark        |
|-------------------------------|----------------------------------------|-------------|
| None, bool, int, str          | itself                                 |             |
| float                         | itself; NaN and infinities as text     | `float`     |
| bytes                         | base64 (RFC 4648 §4)                   | `base64`    |
| datetime, date, time          | ISO 8601                               | `datetime`, `date`, `time` |
| timedelta                     | seconds                                | `duration`  |
| Decimal                       | text                                   | `decimal`   |
| list, tuple, set, dict        | array, object of such values           | `nested` if one is marked, `{"$base64": …}` |
| anything else                 | its repr, at most 1,000 characters     | `repr`; cannot be read back |
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

_DEPTH_MAX = 100


def to_plain(value: object) -> object:
    """`value` with everything JSON lacks turned to text by the table, unmarked. Raises TypeError for unknown types."""
    plain, mark = mark_plain(value)
    if mark == "repr":
        raise TypeError(f"expected a value that JSON can hold, got {type(value).__name__}")
    if mark == "nested":
        return _unmarked(value, 0)
    return plain


def mark_plain(value: object, depth: int = 0) -> tuple[object, str]:
    """`(JSON value, mark)` by the module's table; the mark is empty for a value that is JSON already. Never raises."""
    match value:
        case None | bool() | int() | str():
            return value, ""
        case float():
            return (value, "") if math.isfinite(value) else (repr(value), "float")
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode("ascii"), "base64"
        case dt.datetime():
            return value.isoformat(), "datetime"
        case dt.date():
            return value.isoformat(), "date"
        case dt.time():
            return value.isoformat(), "time"
        case dt.timedelta():
            return value.total_seconds(), "duration"
        case Decimal():
            return str(value), "decimal"
        case list() | tuple() | set() | frozenset() if depth < _DEPTH_MAX:
            marked = [_tagged(element, depth) for element in value]
            return [element for element, _ in marked], "nested" if any(is_tagged for _, is_tagged in marked) else ""
        case Mapping() if depth < _DEPTH_MAX:
            fields = {str(key): _tagged(element, depth) for key, element in value.items()}
            plain = {key: element for key, (element, _) in fields.items()}
            return plain, "nested" if any(is_tagged for _, is_tagged in fields.values()) else ""
        case _:
            return _safe_repr(value), "repr"


def from_plain(value: object, mark: str) -> object:
    """Undo `mark_plain`. What does not fit its mark (edited by hand) comes back as it stands."""
    try:
        match mark:
            case "float":
                return float(str(value))
            case "base64":
                return base64.b64decode(str(value), validate=True)
            case "datetime":
                return dt.datetime.fromisoformat(str(value))
            case "date":
                return dt.date.fromisoformat(str(value))
            case "time":
                return dt.time.fromisoformat(str(value))
            case "duration":
                return dt.timedelta(seconds=float(str(value)))
            case "decimal":
                return Decimal(str(value))
            case "nested":
                return _untagged(value)
            case _:
                return value
    except (ValueError, InvalidOperation, binascii.Error):
        return value


def _tagged(value: object, depth: int) -> tuple[object, bool]:
    plain, mark = mark_plain(value, depth + 1)
    if mark in ("", "nested"):
        return plain, bool(mark)
    return {f"${mark}": plain}, True


def _untagged(value: object) -> object:
    if isinstance(value, list):
        return [_untagged(element) for element in value]
    if isinstance(value, dict):
        if len(value) == 1:
            ((key, inner),) = value.items()
            if key.startswith("$"):
                return from_plain(inner, key[1:])
        return {key: _untagged(element) for key, element in value.items()}
    return value


def _unmarked(value: object, depth: int) -> object:
    if depth > _DEPTH_MAX:
        raise TypeError(f"expected at most {_DEPTH_MAX} levels of nesting")
    if isinstance(value, Mapping):
        return {str(key): _unmarked(element, depth + 1) for key, element in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_unmarked(element, depth + 1) for element in value]
    return to_plain(value)


def _safe_repr(value: object) -> str:
    try:
        return repr(value)[:1000]
    except Exception as error:  # noqa: BLE001  # a user's class may raise anything; the dead letter must still be written
        return f"<{type(value).__name__}: its repr raised {type(error).__name__}>"
