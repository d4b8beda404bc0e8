"""The report as HTML and Markdown: no text of a run becomes markup, no password is shown, and both tell the same."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_kit import VERDICT, slow_sink_windows, stats, write_run, write_series

from penstock.perf.page.document import POLICY
from penstock.perf.profile.model import Frame, Profile
from penstock.perf.report.markdown import code, escaped, markdown
from penstock.perf.report.page import flagged, page, spaced
from penstock.perf.report.read import read_report
from penstock.perf.report.series import POINTS_MAX
from penstock.perf.report.sparkline import sparkline

HOSTILE = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script><!-- |`](javascript:alert(3)) \x1b[31m"
SECRET_URL = "https://user:hunter2@shop.example/"


class Page(HTMLParser):
    """What a browser would make of the page: elements with attributes, scripts by id, and the text outside them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.text = ""
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = dict(attrs).get("id") or f"{tag} {len(self.scripts)}"

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + data
        else:
            self.text += data


def hostile_run(folder: Path, words: str, *, function: str = "") -> Path:
    """A run in which every text that comes from outside is `words`; a profiled function's name may be another."""
    verdict = {**VERDICT, "label": words, "evidence": [words], "next": words, "falsify": words, "numbers": {words: 1.0}}
    document = stats(
        slow_sink_windows(4),
        stop_reason=words,
        failures={words: 3, "dns": 1},
        examples={
            words: {"item_id": 1, "url": words, "message": words},
            "dns": {"item_id": 2, "url": words, "message": words},
        },
        hosts={words: {"answers": 3, "failures": 1, "throttled": 0, "bytes_body": 5, "ttfb_s_mean": 0.1}},
        verdict={**verdict, "at_twice_concurrency": words, "alternatives": [[words, 0.2]]},
        machine={"cpu": words, words: words, "python": words},
        settings={"user_agent": words, words: [words], "process": words},
        cpu_by_thread={words: 2.0},
        accounting={"is_right": False, "problem": words},
    )
    out = write_run(folder, document, state="stopped", inputs=[words], started=words, process=words)
    write_series(out, slow_sink_windows(3), slow_sink_windows(4))
    profile = Profile("cpu", "seconds", title=words, notes=[words])
    profile.add((Frame(function or words, function or words, 1), Frame("leaf", "", 0)), 2.0)
    (out / "_penstock" / "profiles").mkdir()
    (out / "_penstock" / "profiles" / "cpu.json").write_text(json.dumps(profile.to_json()), encoding="utf-8")
    return out


def test_no_text_of_a_run_becomes_markup(tmp_path: Path) -> None:
    harmless = Page(page(read_report(hostile_run(tmp_path / "a", "harmless"))))
    harmful = Page(page(read_report(hostile_run(tmp_path / "b", HOSTILE))))
    assert [tag for tag, _ in harmful.tags] == [tag for tag, _ in harmless.tags]
    for tag, attributes in harmful.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "src"], tag
        assert not (attributes.get("href") or "").startswith("javascript:"), tag
    assert harmful.scripts.keys() == harmless.scripts.keys()
    for name in ("run-model", "flame-0-data"):
        json.loads(harmful.scripts[name])


def test_no_text_of_a_run_becomes_markup_in_markdown(tmp_path: Path) -> None:
    text = markdown(read_report(hostile_run(tmp_path, HOSTILE)))
    plain = re.sub(r"(`+) ?.*? ?\1", "", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    assert not re.search(r"(?<!\\)<\w", plain), "HTML"
    assert not re.search(r"(?<!\\)\]\(", plain), "a link"
    assert "\x1b" not in text


def test_every_table_row_of_the_markdown_has_the_cells_of_its_head(tmp_path: Path) -> None:
    text = markdown(read_report(hostile_run(tmp_path, HOSTILE)))
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        rows = [re.sub(r"\\\\", "", row) for row in block.splitlines()]
        cells = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
        assert set(cells) == {cells[0]}, block


@pytest.mark.parametrize("render", [page, markdown])
def test_passwords_in_urls_are_never_shown(tmp_path: Path, render: Any) -> None:
    text = render(read_report(hostile_run(tmp_path, SECRET_URL, function="work")))
    assert text.count("shop.example") > 10
    assert "hunter2" not in text


@pytest.mark.parametrize("render", [page, markdown])
def test_settings_that_may_be_secret_are_named_without_their_value(tmp_path: Path, render: Any) -> None:
    told = {"authorization": "Bearer abcdef", "cookie": ["id=abcdef"], "api_key": "abcdef", "cookies_kept": True}
    text = render(read_report(write_run(tmp_path, stats(slow_sink_windows(3), settings=told))))
    assert "abcdef" not in text
    assert "(not shown)" in text


def test_the_page_asks_for_nothing_and_may_not(tmp_path: Path) -> None:
    text = page(read_report(write_run(tmp_path, stats())))
    parsed = Page(text)
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": POLICY}) in parsed.tags
    assert not [tag for tag, attributes in parsed.tags if attributes.get("src") or tag in ("iframe", "object", "img")]
    assert "@import" not in text
    assert "url(" not in text


def test_the_parts_stand_in_the_order_in_which_they_are_read(tmp_path: Path) -> None:
    text = page(read_report(write_run(tmp_path, stats())))
    order = ["verdict", "figures", "charts", "percentiles", "hosts", "failures", "settings", "facts", "commands"]
    places = [text.index(f'id="{name}"') for name in order]
    assert places == sorted(places)


def test_page_and_markdown_tell_the_same_numbers(tmp_path: Path) -> None:
    report = read_report(write_run(tmp_path, stats()))
    html_text = Page(page(report)).text.replace("\u202f", ",")
    text = markdown(report).replace("\\", "")
    for told in ("75,697", "75,647", "945 µs", "host03.example", "no byte for 30 s", "p99.9", "libcurl", "The sink"):
        assert (told in html_text) == (told in text), told
    for told in ("75,697", "945 µs", "host03.example", "no byte for 30 s"):
        assert told in html_text


def test_percentiles_of_too_few_samples_are_said_to_be_so(tmp_path: Path) -> None:
    document = stats(slow_sink_windows(3))
    for phase in document["phases"].values():
        phase["n"] = 50
    text = Page(page(read_report(write_run(tmp_path, document)))).text
    assert text.count("n too small") == 2 * len(document["phases"]), "p99 needs 100, p99.9 needs 1,000"


def test_the_page_of_the_longest_run_stays_small(tmp_path: Path) -> None:
    out = write_run(tmp_path, stats(slow_sink_windows(10), started="x"))
    write_series(out, slow_sink_windows(3_000), slow_sink_windows(2_500))
    report = read_report(out)
    assert sum(len(epoch.windows) for epoch in report.epochs) <= POINTS_MAX + 2
    assert len(page(report).encode()) < 1_000_000


# --- small pieces


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("1,234,567 items", "1\u202f234\u202f567 items"),
        ("97 %, 3%", "97\u202f%, 3\u202f%"),
        ("a,b", "a,b"),
        ("<b>", "&lt;b&gt;"),
    ],
)
def test_our_numbers_have_narrow_spaces(words: str, shown: str) -> None:
    assert spaced(words) == shown


def test_flags_are_set_as_code() -> None:
    assert flagged("try -j 64 --rate 47/s, --max-per-host 6. Not well-known") == (
        "try <code>-j 64</code> <code>--rate 47/s</code>, <code>--max-per-host 6</code>. Not well-known"
    )


@given(st.text())
def test_markdown_text_keeps_to_one_line_and_holds_no_bare_markup(words: str) -> None:
    shown = escaped(words)
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>|`*_\[\]]", shown)


@given(st.text(alphabet="`|<a b\\\n"))
def test_code_in_markdown_is_closed_by_its_own_fence_only(words: str) -> None:
    shown = code(words)
    if shown:
        fence = re.match(r"`+", shown)
        assert fence is not None
        inside = shown[len(fence[0]) : -len(fence[0])]
        assert shown.endswith(fence[0])
        assert fence[0] not in re.findall(r"`+", inside)
        assert not re.search(r"(?<!\\)\|", inside)


def test_a_sparkline_begins_at_zero_and_leaves_gaps_for_what_is_not_known() -> None:
    assert sparkline([0, 1, 2, 4]) == "▁▃▅█"
    assert sparkline([1, None, 1]) == "█ █"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([0.5], top=1.0) == "▅"
    assert sparkline([]) == ""


@given(st.lists(st.none() | st.floats(0, 1e12), max_size=300), st.integers(1, 80))
def test_a_sparkline_is_never_wider_than_asked(values: list[float | None], width: int) -> None:
    assert len(sparkline(values, width=width)) == min(len(values), width)
