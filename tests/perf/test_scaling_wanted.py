"""What is tuned, from what a user named: target, strategy and client, and words that would have no effect."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.perf.scaling.wanted import Wanted, find_target

FUNCTIONS = """
async def nap(item): ...
def plain(item): ...
def record(response): return {}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("code.py").write_text(FUNCTIONS)
    Path("urls.txt").write_text("http://127.0.0.1:9/a\nhttp://127.0.0.1:9/b\n")
    Path("items.txt").write_text("one\ntwo\nthree\n")


def test_nothing_named_is_the_local_server_under_penstock() -> None:
    target = find_target(Wanted())
    assert target.is_embedded
    assert (target.alternative.strategy, target.alternative.client) == ("penstock", "curl")


def test_a_file_of_urls_is_fetched_with_the_limits_given() -> None:
    target = find_target(Wanted(target="urls.txt", process="code.py:record", limits={"item_s_max": 5.0}))
    assert not target.is_embedded
    with target.open() as workload:
        assert workload.items == ("http://127.0.0.1:9/a", "http://127.0.0.1:9/b")
        assert workload.process == "code.py:record"
        assert workload.item_s_max == 5.0


def test_a_url_alone_is_a_target() -> None:
    with find_target(Wanted(target="http://127.0.0.1:9/x")).open() as workload:
        assert workload.items == ("http://127.0.0.1:9/x",)


@pytest.mark.parametrize(
    ("function", "strategy", "found"),
    [
        ("code.py:nap", None, "penstock"),
        ("code.py:nap", "asyncio", "asyncio"),
        ("code.py:plain", None, "threads"),
        ("code.py:plain", "threads", "threads"),
    ],
)
def test_a_function_is_run_as_its_kind_allows(function: str, strategy: str | None, found: str) -> None:
    target = find_target(Wanted(target=function, strategy=strategy))
    assert target.alternative.strategy == found
    assert target.alternative.function == function


def test_a_function_may_get_lines_or_urls_as_its_items() -> None:
    with find_target(Wanted(target="code.py:nap", items="items.txt")).open() as workload:
        assert workload.items == ("one", "two", "three")
    with find_target(Wanted(target="code.py:nap", urls="urls.txt")).open() as workload:
        assert len(workload.items) == 2


@pytest.mark.parametrize(
    ("client", "strategy"), [("requests", "threads"), ("aiohttp", "asyncio"), ("httpx", "asyncio")]
)
def test_a_client_brings_a_strategy_that_it_has_a_form_for(client: str, strategy: str) -> None:
    if importlib.util.find_spec(client) is None:
        pytest.skip(f"{client} is not installed")
    alternative = find_target(Wanted(target="urls.txt", client=client)).alternative
    assert (alternative.strategy, alternative.client) == (strategy, client)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(strategy="processes"), "processes"),
        (Wanted(strategy="sync"), "sync"),
        (Wanted(preset="io-21ms"), "io-21ms"),
        (Wanted(target="urls.txt", urls="urls.txt"), "two lists"),
        (Wanted(target="urls.txt", preset="slots"), "URLs and --preset"),
        (Wanted(target="code.py:nap", preset="slots", items="3"), "--preset and --items"),
        (Wanted(target="code.py:nap", client="httpx"), "client"),
        (Wanted(target="code.py:nap", process="code.py:record"), "process"),
        (Wanted(target="code.py:missing"), "missing"),
        (Wanted(items="3"), "items"),
        (Wanted(client="wget"), "wget"),
        (Wanted(process="code.py:missing"), "missing"),
    ],
)
def test_a_word_that_cannot_be_carried_out_is_refused(wanted: Wanted, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        find_target(wanted)
