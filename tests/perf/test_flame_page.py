"""Pages and pictures as text: complete in themselves, and no name of a profile becomes markup, script or style."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flame_kit import HOSTILE, UNITS, big, hostile, of_kind, small

from penstock.perf.page.assets import asset_names, asset_text
from penstock.perf.page.document import POLICY, document, escaped, json_element
from penstock.perf.profile.draw.flamegraph import flamegraph_fragment, flamegraph_html, flamegraph_svg
from penstock.perf.profile.draw.output import write_profile, write_text
from penstock.perf.profile.model import Kind, Profile

SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """What a browser would make of the page: elements, attributes, the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._script = dict(attrs).get("id") or f"script {len(self.scripts)}" if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data


@pytest.mark.parametrize("kind", UNITS)
def test_no_text_of_a_profile_becomes_markup(kind: Kind) -> None:
    harmless, harmful = Page(flamegraph_html(of_kind(kind))), Page(flamegraph_html(hostile(kind)))
    assert {tag for tag, _ in harmful.tags} <= {tag for tag, _ in harmless.tags} | {"p", "details", "summary", "pre"}
    for tag, attributes in harmful.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "src"], tag
        assert attributes.get("href") in (None, "data:,")
    assert len(harmful.scripts) == len(harmless.scripts)
    read = json.loads(harmful.scripts[f"flame-{kind}-data"])
    drawn = {frame[0] for frame in read["frames"]}
    assert {name.encode("utf-8", "replace").decode() for name in HOSTILE} <= drawn, "as they are"


@pytest.mark.parametrize("kind", UNITS)
def test_a_page_asks_for_nothing_and_may_not(kind: Kind) -> None:
    text = flamegraph_html(of_kind(kind))
    page = Page(text)
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": POLICY}) in page.tags
    assert "default-src 'none'" in POLICY
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}, "the namespace is a name, never fetched"
    assert "@import" not in text
    assert "url(" not in text


def test_a_page_shows_what_its_kind_knows() -> None:
    waits = flamegraph_html(of_kind("await"))
    assert "runnable 18.2 %" in waits
    assert "handle" in waits
    blocks = flamegraph_html(of_kind("loop"))
    # Blocks of one place stand together: 0.4 s and 0.1 s.
    cells = re.findall(r"<td[^>]*>(.*?)</td>", blocks, flags=re.DOTALL)
    assert cells[:3] == ["500 ms", "2", "400 ms"]
    assert "parse (app.py:20)" in cells[4]
    assert "310 ms" in re.sub(r"<[^>]+>", "", blocks), "the percentiles of the lag"
    assert 'title="2 beats ≤ 500 ms late"' in blocks
    assert 'title="300 beats ≤ 100 µs late"' in blocks
    memory = flamegraph_html(of_kind("memory"))
    assert "1.91 MiB" in memory
    cpu = flamegraph_html(small())
    assert "80.0 <span" in cpu, "of one core"


def test_notes_come_before_the_graph() -> None:
    profile = small()
    profile.notes = ["Worker 2 left no profile."]
    text = flamegraph_html(profile)
    assert 0 < text.index("Worker 2 left no profile.") < text.index('class="flame"')


@pytest.mark.parametrize("kind", UNITS)
def test_an_empty_profile_is_a_page_too(kind: Kind, tmp_path: Path) -> None:
    empty = Profile(kind, UNITS[kind])
    assert flamegraph_fragment(empty, element_id="none").data
    assert "flamegraph" in flamegraph_svg(empty)
    assert len(write_profile(empty, tmp_path)) == 5


def test_an_element_id_is_a_plain_word() -> None:
    for wrong in ("", "a b", '"><script>', "ä"):
        with pytest.raises(ValueError, match="plain id"):
            flamegraph_fragment(small(), element_id=wrong)


# --- the picture


@pytest.mark.parametrize("profile", [small(), hostile(), of_kind("await"), of_kind("memory")])
def test_the_picture_is_well_formed_without_scripts(profile: Profile) -> None:
    # What XML cannot hold at all must not be in it either: control characters, lone surrogates.
    root = ET.fromstring(flamegraph_svg(profile).encode())
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "style", "rect", "text", "g", "title"}
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]


def test_the_picture_is_to_scale_and_every_box_has_a_tooltip() -> None:
    root = ET.fromstring(flamegraph_svg(small(), 1020))
    boxes = {}
    for group in root.iter(f"{SVG}g"):
        title, rect = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        assert title is not None
        assert rect is not None
        boxes[str(title.text).split("\n")[0]] = float(rect.attrib["width"])
    assert boxes == pytest.approx(
        {
            "all": 1000,
            "main (shop/app.py:10)": 1000,
            "parse (shop/app.py:20)": 750,
            "loads (json/__init__.py:346)": 250,
        },
        abs=1,
    )


def test_boxes_too_thin_to_see_are_left_out() -> None:
    text = flamegraph_svg(big(10_000))
    widths = [float(width) for width in re.findall(r'<rect class="g\d+".*?width="([\d.]+)"', text)]
    assert 50 < len(widths) < 1_500
    assert min(widths) >= 0.001 * 1180 - 0.7
    assert len(text) < 400_000


# --- the document


def test_data_is_read_back_whatever_it_holds() -> None:
    value = {"texts": [*HOSTILE[:-1], "</SCRIPT>", "&lt;", "é"], "number": 1.5, "none": None, "not": float("nan")}
    page = Page(document("title", "<main></main>", data={"the-data": value}))
    assert json.loads(page.scripts["the-data"]) == {**value, "not": None}


@pytest.mark.parametrize("name", HOSTILE)
def test_data_cannot_end_its_element_in_any_browsers_eyes(name: str) -> None:
    element = json_element("the-data", {name: [name]})
    inside = element.removeprefix('<script type="application/json" id="the-data">').removesuffix("</script>")
    assert not set("<>&\u2028\u2029") & set(inside)


def test_a_style_or_script_cannot_end_its_element() -> None:
    with pytest.raises(ValueError, match="style text"):
        document("t", "", styles=["a{} </style><script>"])
    with pytest.raises(ValueError, match="script text"):
        document("t", "", scripts=["'</SCRIPT>'"])


def test_assets_are_plain_names_that_exist() -> None:
    assert {"theme.css", "theme.js", "flamegraph.js", "flamegraph.css"} <= set(asset_names())
    assert all(asset_text(name) for name in asset_names())
    for wrong in ("../document.py", "document.py", "nothing.css", ""):
        with pytest.raises(FileNotFoundError, match=r"expected one of .*theme\.css"):
            asset_text(wrong)


def test_escaped_text_is_safe_in_text_and_attributes() -> None:
    assert escaped("<a b=\"c\" d='e'>&") == "&lt;a b=&quot;c&quot; d=&#x27;e&#x27;&gt;&amp;"


# --- files


def test_a_profile_is_five_files_that_say_the_same(tmp_path: Path) -> None:
    profile = of_kind("await")
    paths = write_profile(profile, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [
        "await.html",
        "await.svg",
        "await.folded",
        "await.speedscope.json",
        "await.json",
    ]
    assert Profile.from_json(json.loads(paths[-1].read_text())) == profile
    folded = [int(line.rpartition(" ")[2]) for line in paths[2].read_text().splitlines()]
    assert sum(folded) == pytest.approx(profile.total * 1e6)
    speedscope: dict[str, Any] = json.loads(paths[3].read_text())
    assert sum(speedscope["profiles"][0]["weights"]) == pytest.approx(profile.total)
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(p.name for p in paths)


def test_names_that_are_no_utf8_lose_no_profile(tmp_path: Path) -> None:
    for path in write_profile(hostile(), tmp_path):
        text = path.read_text(encoding="utf-8")
        assert text
        if path.suffix == ".json":
            json.loads(text)


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "cpu.html"
    target.write_text("the earlier one")
    folder = tmp_path / "cpu.json"
    folder.mkdir()
    with pytest.raises(OSError):  # noqa: PT011 - the system's text
        write_text(folder, "cannot replace a folder")
    write_text(target, "new")
    assert target.read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cpu.html", "cpu.json"], "nothing half-written is left"
