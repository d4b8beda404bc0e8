"""Which alternatives a command makes: pairs that work, names that are unique, and no pair left out in silence."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.perf.workload.alternatives import (
    CLIENTS,
    STRATEGIES,
    code_alternatives,
    fetch_alternatives,
    reference_of,
)
from penstock.perf.workload.model import Alternative
from penstock.perf.workload.work import user_function

MODULE = """
def fetch(item): return {"n": item}
async def fetch_async(item): return {"n": item}
def pages(item): yield item
short = lambda item: item
"""
SIX = ["sync", "threads", "processes", "asyncio", "uvloop", "penstock"]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("left", "right"):
        (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "left.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """All clients, as far as anybody can tell who does not import them."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: find("json" if name in CLIENTS else name))


def names(alternatives: Sequence[Alternative]) -> list[str]:
    return [one.name for one in alternatives]


def test_all_six_strategies_on_curl_are_the_default() -> None:
    alternatives = fetch_alternatives()
    assert names(alternatives) == SIX
    assert {one.client for one in alternatives} == {"curl"}
    assert fetch_alternatives([], ["curl"]) == alternatives


@pytest.mark.usefixtures("installed")
def test_clients_come_beside_curl_under_the_strategies_they_fit() -> None:
    assert names(fetch_alternatives([], ["aiohttp", "requests"])) == [
        *SIX,
        "asyncio + aiohttp",
        "uvloop + aiohttp",
        "sync + requests",
        "threads + requests",
        "processes + requests",
    ]
    assert names(fetch_alternatives(["sync", "asyncio"], ["httpx", "httpx"])) == [
        *("sync", "asyncio", "sync + httpx", "asyncio + httpx"),
    ]
    assert fetch_alternatives(["asyncio"], ["aiohttp"])[1] == Alternative("asyncio + aiohttp", "asyncio", "aiohttp")


def test_one_strategy_twice_can_be_compared_with_itself() -> None:
    assert names(fetch_alternatives(["penstock", "penstock"])) == ["penstock", "penstock (2)"]


@pytest.mark.parametrize(
    ("strategies", "clients", "message", "hint"),
    [
        (["thread"], [], "strategy: expected one of sync, threads", "did you mean threads?"),
        ([], ["htpx"], "client: expected one of curl, aiohttp, httpx, requests, got 'htpx'", "did you mean httpx?"),
        (["penstock"], ["requests"], "--client requests: expected one of the strategies sync", "--strategy"),
        (["threads", "sync"], ["aiohttp"], "got threads, sync", "--strategy uvloop"),
    ],
)
def test_what_does_not_fit_is_refused(strategies: list[str], clients: list[str], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fetch_alternatives(strategies, clients)
    assert message in str(caught.value)
    assert hint in str(caught.value.hint)


def test_a_client_that_is_not_installed_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = ("httpx", "uvloop")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else object())
    with pytest.raises(ConfigError, match="--client httpx: expected the library httpx") as caught:
        fetch_alternatives([], ["httpx"])
    assert caught.value.hint == "pip install httpx"
    with pytest.raises(ConfigError, match="--strategy uvloop"):
        fetch_alternatives(["uvloop"])
    assert names(fetch_alternatives()) == [name for name in SIX if name != "uvloop"]


@given(st.lists(st.sampled_from(STRATEGIES), max_size=8), st.lists(st.sampled_from(CLIENTS), max_size=4))
def test_names_are_unique_whatever_is_asked_for(strategies: list[str], clients: list[str]) -> None:
    try:
        alternatives = fetch_alternatives(strategies, clients)
    except ConfigError:
        return
    assert len(set(names(alternatives))) == len(alternatives)
    assert all(Alternative.from_json(one.to_json()) == one for one in alternatives)


@pytest.mark.usefixtures("modules")
def test_functions_run_under_the_strategies_of_their_kind() -> None:
    alternatives = code_alternatives(["left:fetch", "left.py:fetch_async"])
    assert names(alternatives) == [
        *("fetch · sync", "fetch · threads", "fetch · processes"),
        *("fetch_async · asyncio", "fetch_async · uvloop", "fetch_async · penstock"),
    ]
    assert alternatives[0].function == "left:fetch"
    assert alternatives[3].function == "left.py:fetch_async"
    assert names(code_alternatives(["left:fetch", "left:fetch_async"], ["uvloop", "threads"])) == [
        "fetch · threads",
        "fetch_async · uvloop",
    ]


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("references", "expected"),
    [
        (["left:fetch", "right:fetch"], ["left.fetch · sync", "right.fetch · sync"]),
        (["left:fetch", "left:fetch"], ["fetch · sync", "fetch · sync (2)"]),
        (
            ["left:fetch", "left:fetch", "right.py:fetch"],
            ["left.fetch · sync", "left.fetch · sync (2)", "right.fetch · sync"],
        ),
        (["left.py:fetch", "deep/left.py:fetch"], ["left.py:fetch · sync", "deep/left.py:fetch · sync"]),
        (["left:short"], ["short · sync"]),
    ],
)
def test_names_are_as_short_as_tells_functions_apart(references: list[str], expected: list[str]) -> None:
    assert names(code_alternatives(references, ["sync"])) == expected


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("references", "strategies", "message"),
    [
        ([], None, "expected at least one"),
        (
            ["left:fetch_async"],
            ["threads"],
            "left:fetch_async: expected one of the strategies asyncio, uvloop, penstock",
        ),
        (["left:fetch"], ["asyncio"], "because it is a plain function, got asyncio"),
        (["left:fetch"], ["sync", "uvloop"], "--strategy uvloop: expected an async def function to run under it"),
        (["left:pages"], None, "got a generator function"),
        (["left:fetch"], ["theads"], "got 'theads'"),
    ],
)
def test_pairs_that_cannot_work_are_refused(references: list[str], strategies: list[str] | None, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        code_alternatives(references, strategies)
    assert message in str(caught.value)


def test_function_objects_are_named_for_other_processes() -> None:
    assert reference_of(names) == f"{__name__}:names"
    for wrong, reason in ((lambda item: item, "a lambda"), ([].append, "cannot|object without a name")):
        with pytest.raises(ConfigError, match=reason):
            reference_of(wrong)

    def local(item: str) -> str:
        return item

    with pytest.raises(ConfigError, match="defined inside another function"):
        code_alternatives([local])


@pytest.mark.usefixtures("modules")
def test_the_references_example_gives_equal_outputs_under_all_six_strategies() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "workloads.md").read_text(encoding="utf-8")
    Path("my_module.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    references = ["my_module:fetch_sync", "my_module:fetch_async"]
    assert [one.strategy for one in code_alternatives(references)] == SIX
    blocking, waiting = (user_function(reference) for reference in references)
    assert blocking("a") == asyncio.run(waiting("a"))  # type: ignore[arg-type]  # an async function gives a coroutine
