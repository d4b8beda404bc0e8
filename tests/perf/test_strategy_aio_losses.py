"""How a failed item reads: one line, where in the user's code, and whether the server asked for less."""

from __future__ import annotations

import urllib.error
from email.message import Message

import pytest

from penstock.fetch.classify import failure_of_status
from penstock.model import Failure
from penstock.perf.strategy.losses import ItemFailed, describe_failure, failure_of_error, is_pushback


class _Answer:
    def __init__(self, status: int) -> None:
        self.status_code = status


class _LikeHttpx(Exception):
    def __init__(self, status: int) -> None:
        super().__init__("refused")
        self.response = _Answer(status)


class _LikeAiohttp(Exception):
    def __init__(self, status: int) -> None:
        super().__init__("refused")
        self.status = status


class _LikeUrllib(urllib.error.HTTPError):
    def __init__(self, status: int) -> None:
        super().__init__("http://a/", status, "refused", Message(), None)


def _function(_item: str) -> None: ...


@pytest.mark.parametrize("kind", [_LikeHttpx, _LikeAiohttp, _LikeUrllib])
def test_a_status_that_asks_for_less_is_found_where_clients_keep_it(kind: type[Exception]) -> None:
    for status, expected in ((429, True), (503, True), (404, False), (500, False)):
        assert is_pushback(failure_of_error(kind(status), _function)) == expected  # type: ignore[arg-type]  # by status


def test_an_error_without_a_status_asks_for_nothing() -> None:
    assert not is_pushback(failure_of_error(ValueError("x"), _function))
    assert not is_pushback(failure_of_error(OSError(429, "x"), _function))


def test_the_failure_of_a_fetch_names_its_item_without_its_password() -> None:
    failure = failure_of_error(ItemFailed(failure_of_status(503, 2.0)), _function)
    line, is_pushed_back = describe_failure(failure, "https://me:secret@host/a")
    assert line == "HTTP 503 Service Unavailable, Retry-After 2 s, https://host/a"
    assert is_pushed_back


def test_a_message_of_many_lines_becomes_one_and_a_long_one_is_cut() -> None:
    line, _ = describe_failure(Failure("process", "a\n  b\tc (f.py:1, in g)"), "item")
    assert line == "a b c (f.py:1, in g)"
    assert len(describe_failure(Failure("reset", "x" * 10_000), "item")[0]) < 600
