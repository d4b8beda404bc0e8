"""`compare(...)` from Python: what may be given, what is refused before anything runs, and scripts that call it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.perf.compare import compare
from penstock.perf.compare.wanted import DEFAULT_PRESET, Wanted, targets

GIVE_UP_S = 100


def a_function(item: str) -> str:
    return item


async def an_async_function(item: str) -> str:
    return item


# --- what is to be compared


def test_nothing_named_is_the_default_preset_under_all_strategies() -> None:
    (target,) = targets(Wanted())
    assert target.name == DEFAULT_PRESET
    assert [one.strategy for one in target.alternatives] == [
        *("sync", "threads", "processes"),
        *("asyncio", "uvloop", "penstock"),
    ]


def test_all_presets_are_one_target_each_and_no_origin_runs_yet() -> None:
    found = targets(Wanted(presets=("all", "io-20ms")))
    assert len({target.name for target in found}) == len(found) == 7


def test_urls_and_presets_can_be_named_together() -> None:
    found = targets(Wanted(presets=("small",), urls=["http://127.0.0.1:1/a"]))
    assert [target.name for target in found] == ["small", "urls"]


def test_a_strategy_twice_is_compared_with_itself() -> None:
    (target,) = targets(Wanted(strategies=("asyncio", "asyncio")))
    assert [one.name for one in target.alternatives] == ["asyncio", "asyncio (2)"]


def test_functions_are_found_again_by_reference() -> None:
    (target,) = targets(Wanted(functions=(a_function, an_async_function), items=["x", "y"]))
    assert {one.function for one in target.alternatives} == {
        f"{__name__}:a_function",
        f"{__name__}:an_async_function",
    }
    with target.open() as workload:
        assert workload.items == ("x", "y")


def test_limits_reach_the_workload() -> None:
    limits = {"concurrency": 3, "processes": 2, "run_s": 0.2, "item_s_max": 5.0}
    (target,) = targets(Wanted(functions=(a_function,), limits=limits))
    with target.open() as workload:
        assert {name: getattr(workload, name) for name in limits} == limits


@pytest.mark.slow
def test_functions_can_have_the_urls_of_a_preset() -> None:
    (target,) = targets(Wanted(functions=(a_function,), presets=("cpu-5ms",), limits={"concurrency": 5}))
    with target.open() as workload:
        assert workload.items[0].startswith("http://127.0.0.1:")
        assert workload.process is None
        assert workload.concurrency == 5


# --- what cannot be


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda item: item, "a lambda cannot be sent to another process"),
        (partial(a_function), "expected one that another process can import"),
        (str.upper, "expected one that another process can import|expected a function"),
        (int, "expected a function, got the class int"),
    ],
)
def test_what_another_process_cannot_import_is_refused_with_the_way_out(function: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        compare(function, a_function)  # type: ignore[arg-type]
    assert caught.value.hint


def test_a_closure_is_refused_with_the_way_out() -> None:
    def inner(item: str) -> str:
        return item

    with pytest.raises(ConfigError, match="inner is defined inside another function") as caught:
        compare(inner)
    assert caught.value.hint is not None
    assert "top of a module" in caught.value.hint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"preset": "all"}, "expected one workload, got io-20ms"),
        ({"rounds": 0}, "rounds_min: expected at least 1"),
        ({"rounds": 7, "rounds_max": 6}, "rounds_max: expected at least 7, got 6"),
        ({"rate": -1.0}, "rate: expected items per second above 0"),
        ({"items": 5}, "items: expected functions"),
        ({"concurrency": 0}, "concurrency: expected 1 to"),
        ({"strategies": ["sync"]}, "at least two alternatives"),
    ],
)
def test_words_that_make_no_sense_are_refused(words: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compare(**words)  # type: ignore[arg-type]


# --- scripts


def run_script(folder: Path, text: str, name: str = "script.py") -> subprocess.CompletedProcess[str]:
    (folder / name).write_text(textwrap.dedent(text))
    return subprocess.run(
        [sys.executable, name], cwd=folder, check=False, capture_output=True, text=True, timeout=GIVE_UP_S
    )


FUNCTIONS = """
    import asyncio, time
    from penstock.perf.compare import compare

    print("imported")

    def fetch_sync(item):
        time.sleep(0.002)
        return item.upper()

    async def fetch_async(item):
        await asyncio.sleep(0.002)
        return item.upper()
"""


@pytest.mark.slow
def test_a_script_compares_its_own_functions_without_being_run_again(tmp_path: Path) -> None:
    done = run_script(
        tmp_path,
        FUNCTIONS
        + """
    if __name__ == "__main__":
        result = compare(
            fetch_sync, fetch_async, items=["a", "b"], strategies=["sync", "asyncio"], run_s=0.1, rate="none", seed=4
        )
        assert result.refusal is None, result.refusal
        print([summary.name for summary in result.summaries], result.recommendation.name, result.seed)
""",
    )
    assert done.returncode == 0, done.stderr
    # Imported for the check in this process as well; never run as a program again.
    assert done.stdout.splitlines()[-1] == "['fetch_sync · sync', 'fetch_async · asyncio'] fetch_async · asyncio 4"
    assert set(done.stdout.splitlines()[:-1]) == {"imported"}


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_so_and_starts_nothing(tmp_path: Path) -> None:
    done = run_script(tmp_path, FUNCTIONS + "\n    compare(fetch_sync, fetch_async)\n")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert 'put the call under `if __name__ == "__main__":`' in last
    assert done.stdout.count("imported") == 2


@pytest.mark.slow
def test_a_refusal_is_a_value_and_not_an_exception(tmp_path: Path) -> None:
    done = run_script(
        tmp_path,
        """
    from penstock.perf.compare import compare

    def one(item):
        return 1

    async def two(item):
        return 2

    if __name__ == "__main__":
        result = compare(one, two, strategies=["sync", "asyncio"], run_s=0.1)
        print(result.refusal.kind, result.pairs, result.recommendation)
""",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "different_output () None\n"


@pytest.mark.slow
def test_importing_the_api_is_cheap(tmp_path: Path) -> None:
    heavy = ("numpy", "scipy", "pycurl", "rich", "pyarrow", "aiohttp", "httpx", "requests", "asyncio")
    done = run_script(
        tmp_path,
        f"""
    import sys
    import penstock.perf.compare.api
    import penstock.cli.compare
    print([name for name in {heavy} if name in sys.modules])
""",
    )
    assert done.stdout == "[]\n", done.stderr
