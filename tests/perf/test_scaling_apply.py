"""`--apply`: the one key is written, all else in the file stays, and `penstock fetch --config` reads it."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import click
import pytest

from penstock.cli.fetch import fetch
from penstock.errors import ConfigError
from penstock.perf.compare.model import Refusal
from penstock.perf.scaling.apply import apply_recommendation, check_applicable
from penstock.perf.scaling.model import Tuning

TUNING = Tuning("slots", "penstock", 1, 60.0, (), (), recommended=18)
REFUSED = Tuning("slots", "penstock", 1, 60.0, (), (), refusal=Refusal("pushback", "the server pushed back"))
CONFIG = """\
# How we fetch. Do not touch!
rate = "50/s"   # agreed with them
concurrency = 64  # a guess
header = ["Accept: text/html"]
"""


def loaded_by_fetch(path: Path) -> dict[str, object]:
    """The defaults that the product's own loader takes from the file."""
    context = click.Context(fetch, info_name="fetch")
    option = next(option for option in fetch.params if option.name == "config")
    assert option.callback is not None
    option.callback(context, option, path)
    return dict(context.default_map or {})


def test_only_the_one_value_changes(tmp_path: Path) -> None:
    path = tmp_path / "fetch.toml"
    path.write_text(CONFIG)
    applied = apply_recommendation(TUNING, path)
    assert path.read_text() == CONFIG.replace("concurrency = 64", "concurrency = 18")
    assert applied.told() == f"{path}: concurrency 64 → 18"
    assert os.listdir(tmp_path) == ["fetch.toml"]


def test_fetch_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "fetch.toml"
    path.write_text('rate = "50/s"\n')
    apply_recommendation(TUNING, path)
    assert loaded_by_fetch(path) == {"rate": "50/s", "concurrency": 18}


def test_a_missing_file_is_made_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    check_applicable(path)
    applied = apply_recommendation(TUNING, path)
    assert path.read_text() == "concurrency = 18\n"
    assert "(not set) → 18" in applied.told()
    other = tmp_path / "other"
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode  # what the umask gives any new file


@pytest.mark.parametrize(
    "content",
    [
        "",
        "a = 1",
        "[later]\nb = 1\n",
        "# c\na = 1 # d\n\n[later]\nb = 1\n[[more]]\nc = 2\n",
        'concurrency = "auto"\n[x]\n',
    ],
)
def test_the_key_stands_at_the_top_level_whatever_else_is_there(tmp_path: Path, content: str) -> None:
    path = tmp_path / "any.toml"
    path.write_text(content)
    before = tomllib.loads(content)
    apply_recommendation(TUNING, path)
    assert tomllib.loads(path.read_text()) == {**before, "concurrency": 18}
    assert all(comment in path.read_text() for comment in ("# c", "# d") if comment in content)


def test_line_ends_mode_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "real.toml", tmp_path / "link.toml"
    path.write_bytes(b"a = 1\r\nb = 2\r\n")
    path.chmod(0o640)
    link.symlink_to(path)
    apply_recommendation(TUNING, link)
    assert link.is_symlink()
    assert path.read_bytes() == b"a = 1\r\nb = 2\r\nconcurrency = 18\r\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_second_time_changes_nothing_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "fetch.toml"
    apply_recommendation(TUNING, path)
    before = path.read_bytes()
    assert "is 18 already" in apply_recommendation(TUNING, path).told()
    assert path.read_bytes() == before


def test_a_lower_limit_per_host_is_pointed_at(tmp_path: Path) -> None:
    path = tmp_path / "fetch.toml"
    path.write_text("max-per-host = 8\n")
    assert "max-per-host = 8" in apply_recommendation(TUNING, path).warning
    path.write_text("max-per-host = 32\n")
    assert apply_recommendation(TUNING, path).warning == ""


def test_text_that_is_not_toml_is_refused_with_its_line_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("a = 1\nb = = 2\n")
    with pytest.raises(ConfigError, match=r"bad\.toml:2: expected TOML"):
        check_applicable(path)
    with pytest.raises(ConfigError, match=r"bad\.toml:2"):
        apply_recommendation(TUNING, path)
    assert path.read_text() == "a = 1\nb = = 2\n"


@pytest.mark.parametrize("content", [b"a = '\xff'\n", None])
def test_what_is_no_text_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "odd.toml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="can be read"):
        check_applicable(path)


def test_a_folder_that_is_not_there_is_told_before_measuring(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder that exists"):
        check_applicable(tmp_path / "nowhere" / "fetch.toml")


def test_without_a_recommendation_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "fetch.toml"
    with pytest.raises(ConfigError, match="the server pushed back"):
        apply_recommendation(REFUSED, path)
    assert not path.exists()


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fetch.toml"
    path.write_text(CONFIG)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        apply_recommendation(TUNING, path)
    assert path.read_text() == CONFIG
    assert os.listdir(tmp_path) == ["fetch.toml"]


def test_without_tomlkit_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    with pytest.raises(ConfigError) as caught:
        check_applicable(tmp_path / "fetch.toml")
    assert caught.value.hint == "pip install 'penstock[perf]'"
