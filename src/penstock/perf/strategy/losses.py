"""How the failure of one item reads in a run's result: one line, and whether the server asked for less.

Nothing is retried and nothing is judged here. The rule: one line says what happened and, for the user's code, where.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.fetch.classify import redact
from penstock.model import Failure
from penstock.process.call import code_of
from penstock.process.records import failure_from

_PUSHBACK_STATUSES = frozenset({429, 503})  # RFC 6585 §4, RFC 9110 §15.6.4
_LINE_CHARACTERS_MAX = 500


class ItemFailed(Exception):
    """Carries the `Failure` that a client answered with to where items are told as lost."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def describe_failure(failure: Failure, item: str) -> tuple[str, bool]:
    """The line for the failure of `item`, and whether its status was 429 or 503."""
    is_users = failure.kind in ("process", "fetch")  # then the message says where
    return _one_line(failure.message if is_users else f"{failure.message}, {redact(item)}"), is_pushback(failure)


def is_pushback(failure: Failure) -> bool:
    return failure.http_status in _PUSHBACK_STATUSES


def failure_of_error(error: BaseException, function: Callable[..., Any]) -> Failure:
    """What `function` raised, as a failure of kind `fetch`: `Type: message (file:line, in name)`, the deepest line of
    the user's. Its HTTP status is looked for where clients keep it: `error.response.status_code` (httpx, requests),
    `error.status` (aiohttp), `error.status_code`, `error.code` (urllib). An `ItemFailed` is the failure it carries.
    """
    if isinstance(error, ItemFailed):
        return error.failure
    return Failure("fetch", failure_from(error, code_of(function)).message, http_status=_status_of(error))


def _status_of(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    found = (
        getattr(response, "status_code", None),
        getattr(response, "status", None),
        *(getattr(error, name, None) for name in ("status_code", "status", "code")),
    )
    return next((status for status in found if isinstance(status, int)), None)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LINE_CHARACTERS_MAX else f"{line[:_LINE_CHARACTERS_MAX]}…"
