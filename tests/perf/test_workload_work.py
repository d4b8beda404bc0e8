"""The functions that a workload names: loaded and checked, with messages in the user's words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.model import Response
from penstock.perf.workload.digest import digest
from penstock.perf.workload.model import Workload
from penstock.perf.workload.work import PARSE, REPETITIONS, kind_of, output_function, user_function

MODULE = """
import functools
class Page: pass
class Fetcher:
    async def __call__(self, item): return item
class Parser:
    def __call__(self, item): return item
fetcher, parser = Fetcher(), Parser()
def plain(item): return {"n": item}
async def waiting(item): return {"n": item}
def generator(item): yield item
async def async_generator(item): yield item
def two(item, other): return item
partial = functools.partial(waiting)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "workload_code.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield "workload_code"
    for name in set(sys.modules) - before:
        del sys.modules[name]


def response_of(url: str, body: bytes = b"<title>Some page</title> words") -> Response:
    return Response(3, url, url, 200, body, total_s=0.5)


def workload_of(process: str | None) -> Workload:
    return Workload("w", "", ("http://a.test/",), process=process)


def test_without_a_function_the_output_is_status_length_and_digest_of_the_body() -> None:
    make = output_function(workload_of(None))
    assert make(response_of("http://a.test/1", b"abc")) == {"status": 200, "bytes": 3, "digest": "78af5f94892f3950"}
    assert digest(make(response_of("http://a.test/1", b"abc"))) != digest(make(response_of("http://a.test/1", b"abd")))


def test_the_presets_function_works_as_often_as_the_url_says() -> None:
    make = output_function(workload_of(PARSE))
    once = make(response_of("http://a.test/1"))
    assert make(response_of(f"http://a.test/1?{REPETITIONS}=1")) == once
    twice = make(response_of(f"http://a.test/1?bytes=2K&{REPETITIONS}=2"))
    assert twice != once
    assert isinstance(twice, dict)
    assert twice["title"] == "Some page"


@pytest.mark.parametrize("text", ["", "0", "-1", "many", "1000000000", "2&id=3"])
def test_a_wrong_amount_of_work_is_an_error(text: str) -> None:
    make = output_function(workload_of(PARSE))
    with pytest.raises(ValueError, match="expected _repetitions=1"):
        make(response_of(f"http://a.test/1?{REPETITIONS}={text}"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("plain", "sync"),
        ("parser", "sync"),
        ("waiting", "async"),
        ("fetcher", "async"),
        ("partial", "async"),
        ("generator", "generator"),
        ("async_generator", "async generator"),
    ],
)
def test_kinds_of_functions_are_told_apart(module: str, name: str, kind: str) -> None:
    user_function(f"{module}:plain")
    assert kind_of(getattr(sys.modules[module], name)) == kind


def test_functions_of_both_kinds_are_loaded(module: str) -> None:
    assert user_function(f"{module}:plain")("a") == {"n": "a"}
    assert kind_of(user_function(f"{module}.py:waiting")) == "async"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("generator", "got a generator function", "returns a list"),
        ("async_generator", "got an async generator function", "async for"),
        ("Page", "got the class Page", "takes the item"),
        ("two", "one positional argument (the item), got the signature two(item, other)", "def fetch(item): ..."),
        ("plane", "expected a function named 'plane'", "did you mean plain"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_the_users_words(module: str, name: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        user_function(f"{module}:{name}")
    assert str(caught.value).startswith(f"function to compare {module}:{name}: ")
    assert message in str(caught.value)
    assert hint in str(caught.value.hint)


def test_a_reference_without_a_colon_is_shown_how_to_write_it() -> None:
    with pytest.raises(ConfigError) as caught:
        user_function("fetch")
    assert str(caught.value).startswith("function to compare: expected module:function")
    assert "penstock compare mypackage.pages:fetch_sync" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["waiting", "generator"])
def test_a_process_function_must_be_plain(module: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"process function {module}:{name}: expected a plain function"):
        output_function(workload_of(f"{module}:{name}"))
