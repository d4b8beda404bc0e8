"""load_function finds what it is told, and each way of being wrong has its own message."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.process.load import load_function

MODULE = """
import dataclasses
NUMBER = 3
@dataclasses.dataclass
class Parser:
    depth: int = 1
    def parse(self, response): return {"depth": self.depth}
parser = Parser()
def parse(response): return {"n": 1}
def parse_more(response, depth=2, *, strict=False): return {"n": depth}
async def parse_async(response): return {}
def no_argument(): return {}
def two_arguments(response, other): return {}
def keyword_only(*, response): return {}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "pages_module.py").write_text(MODULE)
    (tmp_path / "sibling.py").write_text("VALUE = 7\n")
    package = tmp_path / "pages_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("import sibling\ndef parse(response): return {'v': sibling.VALUE}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("reference", "result"),
    [
        ("pages_module:parse", {"n": 1}),
        ("pages_module:parse_more", {"n": 2}),
        ("pages_module:parser.parse", {"depth": 1}),
        ("pages_package.inner:parse", {"v": 7}),
        ("pages_module.py:parse", {"n": 1}),
        ("./pages_module.py:parser.parse", {"depth": 1}),
        ("pages_package/inner.py:parse", {"v": 7}),
    ],
)
def test_a_module_or_a_file_in_the_current_directory_is_found(
    folder: Path, reference: str, result: dict[str, object]
) -> None:
    assert load_function(reference)(None) == result


def test_a_file_elsewhere_finds_its_siblings_and_is_loaded_once(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "uses_sibling.py").write_text("import sibling\ndef parse(response): return {'v': sibling.VALUE}\n")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    reference = f"{folder / 'uses_sibling.py'}:parse"
    assert load_function(reference)(None) == {"v": 7}
    assert load_function(reference) is load_function(reference)


def test_a_file_named_like_a_standard_module_does_not_replace_it(folder: Path) -> None:
    import json

    (folder / "json.py").write_text("def parse(response): return {'mine': 1}\n")
    assert load_function("./json.py:parse")(None) == {"mine": 1}
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("parse", "expected module:function or path/to/file.py:function, got 'parse'", "--process"),
        ("pages_module:", "expected module:function", "--process"),
        (":parse", "expected module:function", "--process"),
        ("pages_modul:parse", "no module named 'pages_modul'", "did you mean pages_module:parse?"),
        ("nowhere.at.all:parse", "no module named 'nowhere'", "looked in"),
        ("pages_package.innr:parse", "no module named 'pages_package.innr'", "looked in"),
        ("pages_modul.py:parse", "expected a Python file at", "did you mean"),
        ("no_folder/x.py:parse", "got nothing there", "does not exist either"),
        ("./pages_package:parse", "got a directory", "ls "),
        ("pages_module:pars", "expected a function named 'pars' in", "did you mean parse"),
        ("pages_module:zzz", "expected a function named 'zzz' in", "functions there: parse, parse_more"),
        ("sibling:zzz", "expected a function named 'zzz' in", "defines no function"),
        ("pages_module:parser.pars", "expected a function named 'pars'", "did you mean parse?"),
        ("pages_module:NUMBER", "expected something callable, got int", "def parse(response)"),
        ("pages_module:Parser", "expected a function, got the class Parser", "method of an instance"),
        ("pages_module:no_argument", "got the signature no_argument(): too many", "def parse(response)"),
        ("pages_module:two_arguments", "missing a required argument: 'other'", "def parse(response)"),
        ("pages_module:keyword_only", "expected a function of one positional argument", "def parse(response)"),
    ],
)
def test_each_mistake_is_a_config_error_that_names_it(folder: Path, reference: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_function(reference)
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("source", "last_line", "line"),
    [
        ("x = 1\nraise RuntimeError('no licence')\n", "RuntimeError: no licence", 2),
        ("import a_module_that_is_not_installed\n", "ModuleNotFoundError: No module named 'a_module_that_is", 1),
        ("x = 1\n\ndef parse(:\n", "SyntaxError: invalid syntax", 3),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3", 2),
    ],
)
@pytest.mark.parametrize("reference", ["broken:parse", "broken.py:parse"])
def test_a_module_that_raises_shows_the_last_line_and_where(
    folder: Path, source: str, last_line: str, line: int, reference: str
) -> None:
    (folder / "broken.py").write_text(source)
    with pytest.raises(ConfigError) as caught:
        load_function(reference)
    assert "importing it raised" in str(caught.value)
    assert last_line in str(caught.value)
    assert f"broken.py:{line})" in str(caught.value)
    assert not any("broken" in name for name in sys.modules), "a half-imported module must not be left behind"
