"""Flag, environment, config file, default: which wins; shown by `--dry-run`, which starts nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.cli.options import settings_of
from penstock.config import Settings, build_job

Command = Callable[..., Any]


@pytest.fixture
def plan(command: Command, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    (tmp_path / "list.txt").write_text("http://127.0.0.1:1/\n")

    def run(*arguments: str) -> dict[str, Any]:
        said = command("fetch", "list.txt", "-o", "out", "--dry-run", *arguments)
        assert said.code == 0, said
        document: dict[str, Any] = json.loads(said.out)
        return document

    return run


def test_flag_then_environment_then_file_then_default(
    plan: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.toml").write_text('concurrency = 3\nmax-per-host = 2\nformat = "jsonl"\n')
    assert plan()["concurrency"] == 64
    assert plan("--config", "p.toml")["concurrency"] == 3
    monkeypatch.setenv("PENSTOCK_FETCH_CONCURRENCY", "4")
    found = plan("--config", "p.toml")
    assert (found["concurrency"], found["max_per_host"], found["format"]) == (4, 2, "jsonl")
    found = plan("--config", "p.toml", "-j", "5", "--format", "parquet")
    assert (found["concurrency"], found["max_per_host"], found["format"]) == (5, 2, "parquet")
    monkeypatch.setenv("PENSTOCK_FETCH_CONFIG", "p.toml")
    assert plan()["format"] == "jsonl"


def test_keys_may_be_written_with_dashes_or_underscores(plan: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    for name in ("max-per-host", "max_per_host"):
        (tmp_path / "p.toml").write_text(f"{name} = 2\n")
        assert plan("--config", "p.toml")["max_per_host"] == 2


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of each job that the command line builds."""
    found: list[Settings] = []

    def spy(inputs: Any, out: Any, settings: Settings) -> Any:
        found.append(settings)
        return build_job(inputs, out, settings)

    monkeypatch.setattr("penstock.config.build_job", spy)
    return found


def test_a_header_in_the_environment_keeps_its_spaces(
    plan: Callable[..., dict[str, Any]], seen: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was split at each space once, as click does with repeatable flags."""
    monkeypatch.setenv("PENSTOCK_FETCH_HEADER", "Authorization: Bearer a b\nX-Other: c d\n")
    monkeypatch.setenv("PENSTOCK_FETCH_ALLOW_PRIVATE", "10.0.0.0/8 127.0.0.1")
    plan()
    assert seen[0]["header"] == ["Authorization: Bearer a b", "X-Other: c d"]
    assert seen[0]["allow_private"] == ["10.0.0.0/8", "127.0.0.1"]


def test_a_file_may_give_one_value_or_several(
    plan: Callable[..., dict[str, Any]], seen: list[Settings], tmp_path: Path
) -> None:
    (tmp_path / "one.toml").write_text('header = "X: a b"\nretry-on-http-error = "403,420"\nbody = false\n')
    (tmp_path / "more.toml").write_text('header = ["X: a b", "Y: c"]\nretry-on-http-error = [403, 420]\nrate = "5/s"\n')
    plan("--config", "one.toml")
    plan("--config", "more.toml")
    assert [settings["header"] for settings in seen] == [["X: a b"], ["X: a b", "Y: c"]]
    assert [settings["retry_on_http_error"] for settings in seen] == ["403,420", "403,420"]
    assert seen[0]["body"] is False


def test_every_flag_of_a_run_reaches_a_setting_of_the_library() -> None:
    """A flag that `build_job` does not know would be refused at every use."""
    from penstock.cli.fetch import fetch
    from penstock.cli.retry import retry

    for command in (fetch, retry):
        given = {parameter.name or "": ("x",) for parameter in command.params if parameter.expose_value}
        assert set(settings_of(given)) <= set(Settings.__annotations__), command.name


@pytest.mark.parametrize("flag", ["--help", "-h", "--version"])
def test_help_and_version_exit_0(command: Command, flag: str) -> None:
    said = command(flag)
    assert (said.code, said.err) == (0, "")
    assert "penstock" in said.out


def test_no_command_shows_the_help(command: Command) -> None:
    said = command()
    assert said.code in (0, 2)
    assert "fetch" in said.out + said.err


@pytest.mark.slow
def test_help_imports_nothing_heavy() -> None:
    """What is imported at start is paid for at every `--help` and every completion."""
    heavy = ("pyarrow", "pycurl", "rich", "asyncio", "pebble", "sqlite3")
    program = (
        "import sys\n"
        "sys.argv = ['penstock', 'fetch', '--help']\n"
        "try:\n    import penstock.cli.main as m; m.main()\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.strip() == "[]"
