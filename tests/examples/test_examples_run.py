"""Every example runs as it stands, and the README's code is what the library offers."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import penstock
from penstock.perf.origin.process import OriginProcess

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_own_pipeline_computes_what_it_says() -> None:
    total = sum(number * number for number in range(200))
    assert run("examples/own_pipeline.py") == f"complete: 200 squares, 229 attempts, sum {total}\n"


def test_stream_urls_prints_answers_and_failures() -> None:
    with OriginProcess() as origin:
        lines = run(
            "examples/stream_urls.py", f"{origin.url}/bytes/77", f"{origin.url}/bytes/5?status=404"
        ).splitlines()
    assert sorted(lines) == sorted(
        [f"{origin.url}/bytes/77: 77 bytes", f"{origin.url}/bytes/5?status=404: http_4xx: HTTP 404 Not Found"]
    )


def test_process_functions_run_alone() -> None:
    assert run("examples/process_functions.py")


def test_the_loop_profile_names_the_hidden_block(tmp_path: Path) -> None:
    """A newcomer's program, not ours: one command, and the line is there."""
    pytest.importorskip("aiohttp")
    output = run("-m", "penstock", "profile", "loop", "-o", str(tmp_path), "examples/hidden_block.py")
    assert output.startswith("40 pages in ")
    lines = (ROOT / "examples" / "hidden_block.py").read_text("utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "pbkdf2_hmac" in text)
    profile = json.loads((tmp_path / "loop.json").read_text("utf-8"))
    worst = profile["details"]["culprits"][0]
    assert worst["place"] == f"fingerprint (examples/hidden_block.py:{line})"
    assert worst["blocks"] >= 1
    assert worst["blocked_s"] > 0.8 * profile["numbers"]["blocked_s"]


def test_every_example_is_run_here() -> None:
    own = Path(__file__).read_text("utf-8")
    assert [path.name for path in (ROOT / "examples").glob("*.py") if f"examples/{path.name}" not in own] == []


def test_the_code_in_the_readme_parses_and_uses_what_exists() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        body = "".join(f"    {line}\n" for line in block.splitlines())
        tree = ast.parse(f"async def main():\n{body}")
        used = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "penstock"
        }
        assert used <= set(penstock.__all__)


def test_the_strategies_example_waits_and_computes() -> None:
    pytest.importorskip("httpx")
    assert int(run("examples/strategies.py", "waiting")) > 100_000
    assert int(run("examples/strategies.py", "computing")) > 100_000


def test_the_strategies_example_is_compared_by_the_command_of_the_guide() -> None:
    """Sync and async functions of the reader's, on the embedded origin's pages, all with the same output."""
    pytest.importorskip("httpx")
    module = "examples/strategies.py"
    command = ["compare", f"{module}:fetch_blocking", f"{module}:fetch_async", "--preset", "io-20ms", "--json", "-"]
    few = ["--strategy", "threads", "--strategy", "asyncio", "--runs-max", "5", "--run-seconds", "0.1"]
    document = json.loads(run("-m", "penstock", *command, *few, "--rate", "none", "--progress", "none"))
    (comparison,) = document["comparisons"]
    assert comparison["refusal"] is None
    assert [one["function"] for one in comparison["summaries"]] == [f"{module}:fetch_blocking", f"{module}:fetch_async"]
