"""A comparison as JSON and back: what `--json` writes; the format stands in docs/reference/compare-json.md.

Values and nothing else: no text for people is made here. The rule: `from_json(to_json(x)) == x`, exactly, through a
file too; a document of another version is refused, never guessed at.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin

from penstock.errors import ConfigError
from penstock.perf.compare.model import Comparison

FORMAT = "penstock-compare"
VERSION = 1
T = TypeVar("T")


def to_json(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """`{"format": "penstock-compare", "version": 1, "comparisons": […]}`: dicts, lists, text, finite numbers, None.

    Raises ValueError for a number that JSON does not have: infinity or NaN.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "comparisons": [plain(dataclasses.asdict(comparison), "comparison") for comparison in comparisons],
    }


def from_json(document: Mapping[str, Any]) -> tuple[Comparison, ...]:
    """What `to_json` was given. Raises ConfigError for anything that `to_json` of this version does not write."""
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise ConfigError(f"expected a JSON object with format {FORMAT!r}", hint="made by penstock compare --json FILE")
    if document.get("version") != VERSION:
        raise ConfigError(
            f"comparison: expected version {VERSION}, got {document.get('version')!r}",
            hint="measure again, or read it with the release of Penstock that wrote it",
        )
    comparisons = document.get("comparisons")
    if not isinstance(comparisons, list):
        raise ConfigError(f"comparisons: expected a list, got {type(comparisons).__name__}")
    return tuple(read(Comparison, each, f"comparisons[{index}]") for index, each in enumerate(comparisons))


def plain(value: object, path: str) -> Any:
    if isinstance(value, Mapping):
        return {str(key): plain(each, f"{path}.{key}") for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, f"{path}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        raise ValueError(f"{path}: expected a number that can be written, got {value}")
    return value


def read(kind: Any, value: Any, path: str) -> Any:
    """`value` as the type that a field of the model has."""
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(typing.cast("type[Any]", kind), value, path)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return read(next(each for each in arguments if each is not type(None)), value, path)
    if origin is tuple:
        _expect(value, list, path)
        return tuple(read(arguments[0], each, f"{path}[{index}]") for index, each in enumerate(value))
    if origin is typing.Literal:
        if value not in arguments:
            raise ConfigError(f"{path}: expected {' or '.join(map(repr, arguments))}, got {value!r}")
        return value
    if origin is not None:  # Mapping[str, …]
        _expect(value, dict, path)
        return {key: read(arguments[1], each, f"{path}.{key}") for key, each in value.items()}
    if kind is float:
        # Neither text nor a truth value; a whole number stays what it was.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{path}: expected a number, got {value!r}")
        return value
    if kind is not object:
        _expect(value, kind, path)
    return value


def _read_dataclass(kind: type[T], value: Any, path: str) -> T:
    _expect(value, dict, path)
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # called for dataclasses
    unknown = sorted(value.keys() - fields.keys())
    missing = sorted(
        name
        for name, field in fields.items()
        if name not in value and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )
    if unknown or missing:
        raise ConfigError(f"{path}: expected the fields of a {kind.__name__}; unknown {unknown}, missing {missing}")
    return kind(**{name: read(hints[name], each, f"{path}.{name}") for name, each in value.items()})


def _expect(value: object, kind: type, path: str) -> None:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{path}: expected {kind.__name__}, got {type(value).__name__}")
