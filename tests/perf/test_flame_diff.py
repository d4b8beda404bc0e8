"""Two profiles compared: arithmetic of shares, matching by name and file, and clear words for what is no profile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flame_kit import APP, LOADS, MAIN, PARSE, UNITS, hostile, of_kind, small, trees
from hypothesis import given

from penstock.errors import ConfigError
from penstock.perf.profile.draw.diff import changes, diff_html, read_profile, write_diff
from penstock.perf.profile.draw.output import write_profile
from penstock.perf.profile.model import Frame, Profile, Stack


def cpu(stacks: dict[Stack, float]) -> Profile:
    return Profile("cpu", "seconds", stacks=dict(stacks))


def test_shares_are_compared_not_seconds() -> None:
    before = cpu({(MAIN,): 1.0, (MAIN, PARSE): 3.0})
    after = cpu({(MAIN,): 4.0, (MAIN, PARSE): 4.0})
    found = {change.name: change for change in changes(before, after)}
    assert (found["parse"].share_before, found["parse"].share) == (0.75, 0.5)
    assert (found["main"].share_before, found["main"].share) == (0.25, 0.5)
    assert (found["parse"].own_before, found["parse"].own) == (3.0, 4.0)


def test_a_function_that_moved_to_another_line_is_the_same_one() -> None:
    moved = tuple(frame._replace(line=frame.line + 40) for frame in (MAIN, PARSE))
    found = changes(cpu({(MAIN, PARSE): 1.0}), cpu({moved: 2.0}))
    assert [(change.name, change.share_before, change.share) for change in found] == [
        ("main", 0.0, 0.0),
        ("parse", 1.0, 1.0),
    ]
    other_file = PARSE._replace(file="/srv/shop/other.py")
    found = changes(cpu({(PARSE,): 1.0}), cpu({(other_file,): 1.0}))
    assert [(change.file, change.share_before, change.share) for change in found] == [
        (APP, 1.0, 0.0),
        ("/srv/shop/other.py", 0.0, 1.0),
    ]


@given(trees, trees)
def test_shares_sum_to_one(stacks_before: dict[Stack, float], stacks: dict[Stack, float]) -> None:
    before = cpu({stack: weight for stack, weight in stacks_before.items() if stack})
    after = cpu({stack: weight for stack, weight in stacks.items() if stack})
    found = changes(before, after)
    assert sum(change.share for change in found) == pytest.approx(1.0 if after.stacks else 0.0)
    assert sum(change.share_before for change in found) == pytest.approx(1.0 if before.stacks else 0.0)
    sizes = [abs(change.share - change.share_before) for change in found]
    assert sizes == sorted(sizes, reverse=True)
    assert all(abs(change.share - change.share_before) < 1e-9 for change in changes(after, after))


@pytest.mark.parametrize("kind", UNITS)
def test_every_kind_can_be_compared_and_names_stay_text(kind: str) -> None:
    page = diff_html(of_kind(kind), hostile(kind), before_name="<b>", after_name="</title><script>")  # type: ignore[arg-type] # parametrised
    assert "<b>" not in page
    assert "<img" not in page
    assert page.count("</title>") == 1


def test_files_are_read_and_the_page_is_written(tmp_path: Path) -> None:
    for name, profile in (("old", small()), ("new", cpu({(MAIN, LOADS): 2.0}))):
        write_profile(profile, tmp_path / name)
    out = tmp_path / "diff.html"
    write_diff(tmp_path / "old" / "cpu.json", tmp_path / "new" / "cpu.json", out)
    text = out.read_text(encoding="utf-8")
    assert "+75.0 points" in text, "loads: 1 of 4 s, then all"
    assert str(tmp_path / "old") in text, "two files of one name are told apart"


def test_kinds_do_not_mix() -> None:
    with pytest.raises(ConfigError, match=r"same kind, got cpu in seconds and memory in bytes\nhint: "):
        changes(small(), of_kind("memory"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read it"),
        ("", "not a profile of ours"),
        ("[1, 2]", "expected a JSON object, got list"),
        ('{"format": 99}', "expected a profile of format 1, got 99"),
        ('{"format": 1, "kind": "cpu"}', "no 'frames'"),
        ('{"format": 1, "frames": [], "stacks": [{"frames": [3], "weight": 1}]}', "not a profile of ours"),
        ("[" * 100_000, "not a profile of ours"),
        ("\udcff", "not a profile of ours"),
    ],
)
def test_what_is_no_profile_is_said_with_its_name_and_a_hint(content: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    if content is not None:
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=r"some\.json: .*" + message.replace("[", r"\[") + r"(.|\n)*\nhint: "):
        read_profile(path)


def test_an_unknown_kind_or_unit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps({**small().to_json(), "kind": "gpu"}))
    with pytest.raises(ConfigError, match="gpu"):
        read_profile(path)


@pytest.mark.parametrize("weight", ["NaN", "Infinity", "-1"])
def test_a_weight_that_is_no_amount_is_refused(weight: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    content = '{"format": 1, "kind": "cpu", "unit": "seconds", "frames": [["f", "", 0]], "stacks": '
    path.write_text(content + f'[{{"frames": [0], "weight": {weight}}}]}}')
    with pytest.raises(ConfigError, match="a weight is no number"):
        read_profile(path)


def test_a_function_that_is_gone_is_in_the_table() -> None:
    page = diff_html(cpu({(MAIN,): 1.0, (MAIN, Frame("gone", APP, 1)): 1.0}), cpu({(MAIN,): 1.0}))
    assert "50.0 % → 0 %" in page
