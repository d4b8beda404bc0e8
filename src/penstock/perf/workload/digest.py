"""Equal text for equal outputs, in every process and on every version of Python, so that outputs can be compared.

| output | compared by |
|---|---|
| None, bool, int, float, complex, str | type and value: 1, 1.0 and True differ; NaN equals NaN, 0.0 equals -0.0 |
| Decimal | its text: 1.0 and 1.00 differ |
| bytes, bytearray, memoryview | the bytes |
| list, tuple, named tuple, range | the elements in order; (1, 2) equals [1, 2], which it becomes in JSON |
| dict, other mappings | the pairs; their order does not matter |
| set, frozenset | the elements |
| dataclass | class name, without module, and the fields but those of `field(compare=False)` |
| Enum | class name and member name |
| date, time, datetime, timedelta | aware datetimes by their instant, naive ones as they stand |
| UUID, Fraction, PurePath, NumPy arrays and numbers | type name and value |

Anything else is a ConfigError with the type and the path to it. The rule: never `repr`, whose addresses differ.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import inspect
import math
import pathlib
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType

import xxhash

from penstock.errors import ConfigError
from penstock.model import Failure, Response

_LONG_BYTES = 256
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def digest(output: object) -> str:
    """32 hexadecimal digits (XXH3-128). 3 µs for a small record; bytes and text at some GB/s.

    Raises ConfigError for what has no value to compare, with its type, the path to it and what to return instead, and
    for an output that contains itself.
    """
    try:
        return str(xxhash.xxh3_128_hexdigest(_encode(output)))
    except _Uncomparable as found:
        path = "output" + "".join(reversed(found.steps))
        raise ConfigError(
            f"{path}: expected a value that can be compared, got {found.got}", hint=f"return {found.instead} instead"
        ) from None
    except RecursionError:
        raise ConfigError(
            "output: expected a value of finite depth, got one that contains itself or is nested too deeply",
            hint="return the parts that matter as a flat dict",
        ) from None


class _Uncomparable(Exception):
    """`steps` is filled on the way up, innermost first."""

    def __init__(self, got: str, instead: str) -> None:
        super().__init__(got)
        self.got = got
        self.instead = instead
        self.steps: list[str] = []


def _encode(value: object) -> bytes:
    """A text of `value` that is a prefix of no other value's: each part says its kind and its length or end."""
    encode = _BY_TYPE.get(type(value))
    if encode is None:
        encode = _find_encoder(value)
    return encode(value)


def _find_encoder(value: object) -> Callable[[object], bytes]:
    if isinstance(value, enum.Enum):
        return _enum
    if is_dataclass(value) and not isinstance(value, type | Response | Failure):
        return _dataclass
    if type(value).__module__ == "numpy" and hasattr(value, "tobytes"):
        return _numpy
    for kind, encode in _BY_BASE.items():
        if isinstance(value, kind):
            return encode
    raise _Uncomparable(_type_name(type(value)), _instead_of(value))


def _framed(kind: str, data: bytes) -> bytes:
    """Long data goes in as its own digest, so that it is read once and never copied."""
    if len(data) > _LONG_BYTES:
        return b"%s%d#%s" % (kind.encode(), len(data), xxhash.xxh3_128_digest(data))
    return b"%s%d:%s" % (kind.encode(), len(data), data)


def _none(_value: object) -> bytes:
    return b"N"


def _bool(value: object) -> bytes:
    return b"T" if value else b"F"


def _int(value: object) -> bytes:
    # Hexadecimal, because decimal text of more than 4,300 digits is refused.
    return b"i%x;" % value if type(value) is int else b"i%x;" % int(value)  # type: ignore[call-overload]  # a subclass


def _float(value: object) -> bytes:
    number = float(value)  # type: ignore[arg-type]  # called for floats only
    return b"fnan;" if math.isnan(number) else b"f%s;" % (number + 0.0).hex().encode()


def _complex(value: object) -> bytes:
    number = complex(value)  # type: ignore[call-overload]  # called for complex numbers only
    return b"c" + _float(number.real) + _float(number.imag)


def _str(value: object) -> bytes:
    return _framed("s", str.encode(value, "utf-8", "surrogatepass"))  # type: ignore[arg-type]  # called for text only


def _bytes(value: object) -> bytes:
    return _framed("b", value if type(value) is bytes else bytes(value))  # type: ignore[call-overload]  # bytes-like


def _sequence(value: object) -> bytes:
    parts = [b"["]
    index = 0
    try:
        for element in value:  # type: ignore[attr-defined]  # called for sequences only
            parts.append(_encode(element))
            index += 1
    except _Uncomparable as found:
        found.steps.append(f"[{index}]")
        raise
    parts.append(b"]")
    return b"".join(parts)


def _mapping(value: object) -> bytes:
    return b"{%s}" % b"".join(sorted(_pairs(value.items())))  # type: ignore[attr-defined]  # called for mappings only


def _pairs(pairs: Iterable[tuple[object, object]]) -> Iterable[bytes]:
    for key, value in pairs:
        try:
            yield _encode(key) + _encode(value)
        except _Uncomparable as found:
            found.steps.append(f"[{key!r}]" if isinstance(key, str | int) else f"[a {type(key).__qualname__} key]")
            raise


def _set(value: object) -> bytes:
    try:
        return b"<%s>" % b"".join(sorted(_encode(element) for element in value))  # type: ignore[attr-defined]  # a set
    except _Uncomparable as found:
        found.steps.append("{…}")
        raise


def _dataclass(value: object) -> bytes:
    parts = [b"D", _str(type(value).__qualname__)]
    for field in fields(value):  # type: ignore[arg-type]  # called for dataclass instances only
        if field.compare:
            try:
                parts.append(_str(field.name) + _encode(getattr(value, field.name)))
            except _Uncomparable as found:
                found.steps.append(f".{field.name}")
                raise
    parts.append(b";")
    return b"".join(parts)


def _enum(value: object) -> bytes:
    # The name of a combined flag (Flag.A | Flag.B) is text on every version, or None: then its value tells.
    name, number = value.name, value.value  # type: ignore[attr-defined]  # called for enums only
    return b"E" + _str(type(value).__qualname__) + (_encode(number) if name is None else _str(name))


def _datetime(value: object) -> bytes:
    assert isinstance(value, datetime.datetime)
    if value.utcoffset() is None:
        return b"d" + _str(value.replace(fold=0, tzinfo=None).isoformat())
    return b"a" + _timedelta(value - _EPOCH)


def _timedelta(value: object) -> bytes:
    assert isinstance(value, datetime.timedelta)
    return b"t%d,%d,%d;" % (value.days, value.seconds, value.microseconds)


def _text_of(value: object) -> bytes:
    return b"X" + _str(type(value).__name__) + _str(str(value))


def _numpy(value: object) -> bytes:
    kind = str(value.dtype)  # type: ignore[attr-defined]  # called for NumPy arrays and numbers only
    if value.dtype.hasobject:  # type: ignore[attr-defined]  # as above
        raise _Uncomparable("a NumPy array of Python objects", "array.tolist()")
    shape, data = str(value.shape), value.tobytes()  # type: ignore[attr-defined]  # as above
    return b"n" + _str(kind) + _str(shape) + _framed("b", data)


def _instead_of(value: object) -> str:
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    for test, instead in _INSTEAD_BY_TEST:
        if test(value):
            return instead
    if (known := _INSTEAD_BY_LIBRARY.get(library)) is not None:
        return known
    return f"a dict or a dataclass of what matters in the {kind.__qualname__}"


def _type_name(kind: type) -> str:
    # A class of the user's own file is known by its name; the module's is made up (`file_module_name`).
    is_own = kind.__module__ in ("builtins", "__main__") or kind.__module__.startswith("penstock_file_")
    return f"a value of type {'' if is_own else f'{kind.__module__}.'}{kind.__qualname__}"


_INSTEAD_BY_TEST: tuple[tuple[Callable[[object], bool], str], ...] = (
    (lambda value: isinstance(value, Response), "response.body, or what the process function makes of it"),
    (lambda value: isinstance(value, Failure), "a record, or raise an exception"),
    (inspect.isawaitable, "what awaiting it gives (an `async def` function goes with asyncio, uvloop and penstock)"),
    (inspect.isasyncgen, "a list: [x async for x in …]"),
    (inspect.isgenerator, "a list: [x for x in …]"),
    (lambda value: isinstance(value, BaseException), "a record, or raise the exception"),
    (lambda value: isinstance(value, type) or inspect.isroutine(value), "what it gives when it is called"),
    (lambda value: hasattr(value, "read"), "what was read from it"),
    (lambda value: hasattr(value, "__next__"), "a list"),
)
_INSTEAD_BY_LIBRARY = MappingProxyType(
    {
        "pyarrow": "table.to_pylist() (of an array or a scalar: to_pylist(), as_py())",
        "pandas": "frame.to_dict('records'), or series.tolist()",
        "polars": "frame.to_dicts(), or series.to_list()",
        "pydantic": "model.model_dump()",
        "requests": "response.content",
        "httpx": "response.content",
        "aiohttp": "await response.read()",
        "lxml": "the text and the attributes that matter",
        "bs4": "the text and the attributes that matter",
    }
)
_BY_TYPE: Mapping[type, Callable[[object], bytes]] = MappingProxyType(
    {
        type(None): _none,
        bool: _bool,
        int: _int,
        float: _float,
        str: _str,
        bytes: _bytes,
        list: _sequence,
        tuple: _sequence,
        dict: _mapping,
        set: _set,
        frozenset: _set,
    }
)
# In this order: a datetime is a date, too.
_BY_BASE: Mapping[type, Callable[[object], bytes]] = MappingProxyType(
    {
        bytearray: _bytes,
        memoryview: _bytes,
        complex: _complex,
        datetime.datetime: _datetime,
        datetime.date: _text_of,
        datetime.time: _text_of,
        datetime.timedelta: _timedelta,
        decimal.Decimal: _text_of,
        fractions.Fraction: _text_of,
        uuid.UUID: _text_of,
        pathlib.PurePath: lambda value: b"P" + _str(str(value)),
        range: _sequence,
        int: _int,
        float: _float,
        str: _str,
        bytes: _bytes,
        list: _sequence,
        tuple: _sequence,
        set: _set,
        frozenset: _set,
        Mapping: _mapping,
    }
)
