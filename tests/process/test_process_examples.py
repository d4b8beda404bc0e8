"""The example functions do what they say, with and without the fast parser, here and in worker processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from penstock.model import Failure, Response
from penstock.process.load import load_function
from penstock.process.options import Mode, ProcessOptions, Result
from penstock.process.runner import make_runner

EXAMPLES = Path(__file__).parents[2] / "examples" / "process_functions.py"
PAGE = (
    b"<html><head><title> A\n &amp; B</title><style>p {}</style></head><body><p>Hello <a href='/next'>you</a>,"
    b"<a>nowhere</a> <script>let hidden = '<b>';</script><noscript>no</noscript>and <b>you</b></p></body></html>"
)


def response(body: bytes, content_type: str = "text/html") -> Response:
    return Response(0, "http://a/", "http://a/", 200, body, content_type)


@pytest.fixture
def module() -> ModuleType:
    return sys.modules[load_function(f"{EXAMPLES}:parse_page").__module__]


@pytest.mark.parametrize("is_fast", [True, False])
def test_parse_page_finds_title_links_and_text_with_either_parser(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, is_fast: bool
) -> None:
    if is_fast:
        pytest.importorskip("selectolax")
    else:
        monkeypatch.setattr(module, "LexborHTMLParser", None)
    page = module.parse_page(response(PAGE))
    assert (page["title"], page["links"]) == ("A & B", ["/next"])
    # The parsers differ in the blanks they leave between elements, not in the words.
    assert abs(page["text_length"] - len("Hello you , nowhere and you")) <= 1
    assert module.parse_page(response(b"")) == {"title": "", "links": [], "text_length": 0}
    assert module.parse_page(response(b"\x89PNG", "image/png")) is None


def test_word_count_and_json_rows(module: ModuleType) -> None:
    assert module.word_count(response("Zwölf Boxkämpfer, zwölf".encode())) == {"words": 3, "distinct_words": 2}
    assert module.json_rows(response(b'[{"id": 7}]')) == [{"position": 0, "id": 7}]
    assert module.json_rows(response(b'{"items": [{"id": 7}, {"id": 9}]}'))[1] == {"position": 1, "id": 9}
    with pytest.raises(ValueError, match="expected a JSON array"):
        module.json_rows(response(b"3"))


@pytest.mark.slow
def test_running_the_file_shows_what_the_functions_return() -> None:
    ended = subprocess.run([sys.executable, EXAMPLES], capture_output=True, text=True, check=True)
    assert "parse_page: {'title': 'A & B', 'links': ['/next'], 'text_length': " in ended.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="worker processes are not supported on Windows")
def test_the_examples_run_in_worker_processes_as_the_command_line_names_them() -> None:
    async def body() -> list[Result]:
        runner = make_runner(ProcessOptions(f"{EXAMPLES}:json_rows", mode="process", workers=1))
        results = [await runner.run(response(text)) for text in (b'[{"id": 7}]', b"{")]
        await runner.aclose()
        return results

    good, bad = asyncio.run(body())
    assert good == [{"position": 0, "id": 7}]
    assert isinstance(bad, Failure)
    assert "process_functions.py:" in bad.message


def test_the_guides_functions_load_and_its_tables_name_every_mode_and_kind(tmp_path: Path) -> None:
    guide = (EXAMPLES.parents[1] / "docs" / "guides" / "process-functions.md").read_text()
    blocks = [block.partition("```")[0] for block in guide.split("```python\n")[1:]]
    assert len(blocks) == 3
    (tmp_path / "pages.py").write_text("\n".join(blocks))
    assert load_function(f"{tmp_path / 'pages.py'}:parse")(response(b"abc")) == {"length": 3}
    assert load_function(f"{tmp_path / 'pages.py'}:parse")(response(b"abc", "image/png")) is None
    for word in (*get_args(Mode), "process_crash", "process_timeout"):
        assert f"`{word}`" in guide or f"--process-mode {word}" in guide
