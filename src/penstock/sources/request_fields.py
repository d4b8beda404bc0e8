"""Reads a row's optional method, headers and body cells into what a request needs. Pure.

The rule: nothing that could break out of its place in the request (a line break, a second length) gets through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from penstock.model import FailureKind

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z\-]+")
_UNSAFE_VALUE = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_STANDARD_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
# Penstock and libcurl set these from the body; a second value would let one request pose as two (RFC 9112 §11.2).
_FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding"})


class FieldError(ValueError):
    """Why a cell cannot be used in a request. Becomes a `Failure`; never leaves this package."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind


def parse_method(cell: object) -> str:
    """Return the method, or "" when the cell is empty. Standard methods are put in upper case, others kept."""
    if cell is None or cell == "":
        return ""
    if not isinstance(cell, str):
        raise FieldError("bad_row", f"expected a method such as GET, got {type(cell).__name__}")
    method = cell.strip()
    upper = method.upper()
    if upper in _STANDARD_METHODS:
        return upper
    if not _TOKEN.fullmatch(method) or upper == "CONNECT" or len(method) > 64:
        raise FieldError("bad_row", f"expected a method such as GET, got {method[:64]!a}")
    return method


def parse_headers(cell: object) -> tuple[tuple[str, str], ...]:
    """Return (name, value) pairs in order.

    Accepts JSON text, or the value itself: an object or mapping of strings, or a list of [name, value] pairs (also the
    only way to repeat a name). A null value leaves that header out. Empty cell: no headers.
    """
    if cell is None or cell == "":
        return ()
    value = _load_json(cell) if isinstance(cell, str) else cell
    if isinstance(value, Mapping):
        pairs: Iterable[object] = value.items()
    elif isinstance(value, list):
        pairs = value
    else:
        raise FieldError("bad_headers", f"expected a JSON object of strings as headers, got {type(value).__name__}")
    return tuple(_check_header(pair) for pair in pairs if not _is_null_pair(pair))


def parse_body(cell: object) -> bytes | None:
    """Return the bytes to send: text as UTF-8, binary as it is. An empty cell is no body."""
    if cell is None or cell in ("", b""):
        return None
    if isinstance(cell, bytes):
        return cell
    if not isinstance(cell, str):
        raise FieldError("bad_row", f"expected text or binary as the body, got {type(cell).__name__}")
    try:
        return cell.encode()
    except UnicodeEncodeError:
        raise FieldError("bad_encoding", "the body holds a lone surrogate, which has no UTF-8 form") from None


def _load_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise FieldError(
            "bad_headers", "expected a JSON object of strings as headers, got text that is no JSON"
        ) from None


def _is_null_pair(pair: object) -> bool:
    return isinstance(pair, (tuple, list)) and len(pair) == 2 and pair[1] is None


def _check_header(pair: object) -> tuple[str, str]:
    if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
        raise FieldError("bad_headers", "expected [name, value] pairs as headers")
    name, value = pair
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise FieldError("bad_headers", f"{ascii(name)[:80]} is not a header name")
    if not isinstance(value, str):
        raise FieldError("bad_headers", f"expected text as the value of {name}, got {type(value).__name__}")
    if _UNSAFE_VALUE.search(value):
        raise FieldError("bad_headers", f"the value of {name} holds a line break or control character")
    if name.lower() in _FRAMING_HEADERS:
        raise FieldError("bad_headers", f"{name} follows from the body and cannot be set")
    return name, value.strip(" \t")
