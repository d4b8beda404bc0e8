"""The tree behind every flamegraph: sums that hold for any profile, functions merged over lines, groups and amounts."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from flame_kit import APP, GET, LOADS, MAIN, PARSE, big, small, trees
from hypothesis import given

from penstock.perf.profile.draw.amounts import amount, percent, points
from penstock.perf.profile.draw.flametree import REST, compact, tree_of, weights_by_function, without_import_steps
from penstock.perf.profile.draw.groups import file_label, group_of
from penstock.perf.profile.model import Frame, Profile, Stack


def profile_of(stacks: dict[Stack, float]) -> Profile:
    return Profile("cpu", "seconds", stacks=dict(stacks))


@given(trees, trees)
def test_a_total_is_the_own_weight_and_the_childrens(
    stacks: dict[Stack, float], stacks_before: dict[Stack, float]
) -> None:
    after, before = profile_of(stacks), profile_of(stacks_before)
    root = tree_of(after, before)
    assert root.total == pytest.approx(after.total)
    assert root.total_before == pytest.approx(before.total)
    for node in root.walk():
        children = node.children.values()
        assert node.total == pytest.approx(node.own + sum(child.total for child in children))
        assert node.total_before == pytest.approx(node.own_before + sum(child.total_before for child in children))


@given(trees)
def test_functions_weights_add_up_and_a_recursion_counts_once(stacks: dict[Stack, float]) -> None:
    profile = profile_of({stack: weight for stack, weight in stacks.items() if stack})
    functions = weights_by_function(tree_of(profile))
    assert sum(own for own, *_ in functions.values()) == pytest.approx(profile.total)
    expected: Counter[tuple[str, str]] = Counter()
    for stack, weight in profile.stacks.items():
        for key in {(frame.name, frame.file) for frame in stack}:
            expected[key] += weight  # type: ignore[assignment] # a counter of seconds
    assert {key: total for key, (_, _, total, _) in functions.items()} == pytest.approx(dict(expected))


def test_lines_of_one_function_are_one_node_that_knows_its_lines() -> None:
    root = tree_of(small())
    (main,) = root.children.values()
    (parse,) = main.children.values()
    assert (main.own, main.total) == (1.0, 4.0)
    assert (parse.own, parse.total) == (2.0, 3.0)
    assert parse.lines == {20: 2.5, 25: 0.5}


def test_an_import_is_one_step_and_what_runs_in_importlib_itself_stays() -> None:
    steps = tuple(Frame(name, "<frozen importlib._bootstrap>", 1) for name in ("_find_and_load", "_load_unlocked"))
    read_code = Frame("get_code", "<frozen importlib._bootstrap_external>", 9)
    inner = Frame("<module>", "/srv/shop/views.py", 3)
    stack = (MAIN, *steps, inner, *steps, read_code)
    names = [frame.name for frame in without_import_steps(stack)]
    assert names == ["main", "[import]", "<module>", "[import]", "get_code"]
    assert without_import_steps((MAIN, PARSE)) == (MAIN, PARSE)
    assert without_import_steps(()) == ()


def read(content: dict[str, Any]) -> list[tuple[int, str, str, float]]:
    frames = content["frames"]
    return [
        (depth, frames[frame][0], frames[frame][1], own)
        for depth, frame, own in zip(content["depth"], content["frame"], content["own"], strict=True)
    ]


def test_the_page_gets_the_nodes_in_order_with_the_heaviest_lines_first() -> None:
    content: dict[str, Any] = compact(tree_of(small()), small())
    assert read(content) == [
        (0, "all", "", 0.0),
        (1, "main", "shop/app.py", 1.0),
        (2, "parse", "shop/app.py", 2.0),
        (3, "loads", "json/__init__.py", 1.0),
    ]
    assert content["lines"][2] == [20, 2.5, 25, 0.5]
    assert "before" not in content
    assert [group["owner"] for group in content["groups"]] == ["state", "yours", "python"]


def test_a_tree_too_large_for_a_page_keeps_its_sums_and_its_heaviest_nodes() -> None:
    profile = big(5_000)
    root = tree_of(profile)
    content: dict[str, Any] = compact(root, profile, nodes_max=500)
    nodes = read(content)
    kept = [node for node in nodes if node[1] != REST]
    assert len(kept) <= 500
    assert len(nodes) <= 1_000
    assert sum(own for *_, own in nodes) == pytest.approx(profile.total)
    heaviest = sorted((node for node in root.walk() if node.depth), key=lambda node: -node.total)[:400]
    names = {name for _, name, *_ in kept}
    assert {node.name for node in heaviest} <= names


def test_the_lightest_siblings_become_one_leaf() -> None:
    stacks = {(MAIN, Frame(f"f{at}", APP)): float(1 + at) for at in range(6)}
    content: dict[str, Any] = compact(tree_of(profile_of(stacks)), profile_of(stacks), nodes_max=5)
    assert read(content)[2:] == [
        (2, "f5", "shop/app.py", 6.0),
        (2, "f4", "shop/app.py", 5.0),
        (2, "f3", "shop/app.py", 4.0),
        (2, REST, "", 6.0),
    ]


@pytest.mark.parametrize(
    ("name", "file", "owner", "label"),
    [
        ("f", "/srv/shop/app.py", "yours", "app.py"),
        ("f", "C:\\code\\app.py", "yours", "app.py"),
        ("f", "/srv/penstock/src/penstock/engine/loop.py", "yours", "penstock"),
        ("f", "/usr/lib/python3.11/json/decoder.py", "python", "Python"),
        ("f", "C:\\Python312\\Lib\\json\\decoder.py", "python", "Python"),
        ("f", "<frozen importlib._bootstrap>", "python", "Python"),
        ("f", "/x/lib/python3.13t/site-packages/aiohttp/client.py", "library", "aiohttp"),
        ("f", "/usr/lib/python3/dist-packages/six.py", "library", "six"),
        ("f", "C:\\venv\\Lib\\site-packages\\yarl\\_url.py", "library", "yarl"),
        ("[waiting]", "", "state", "waiting"),
        ("[other stacks]", "", "state", "other"),
    ],
)
def test_a_frame_is_yours_a_librarys_or_pythons(name: str, file: str, owner: str, label: str) -> None:
    group = group_of(name, file)
    assert (group.owner, group.label) == (owner, label)


def test_a_package_has_one_colour_and_your_files_have_warm_ones() -> None:
    assert group_of("a", "/p/site-packages/x/a.py") == group_of("b", "/q/site-packages/x/b.py")
    assert 25 <= group_of("f", APP).hue <= 100
    assert 130 <= group_of(GET.name, GET.file).hue <= 320
    assert group_of(LOADS.name, LOADS.file).chroma < group_of(MAIN.name, MAIN.file).chroma


def test_files_are_shown_as_short_as_a_reader_needs() -> None:
    assert file_label(LOADS.file) == "json/__init__.py"
    assert file_label(GET.file) == "client/session.py"
    assert file_label("/srv/penstock/src/penstock/engine/loop.py") == "penstock/engine/loop.py"
    assert file_label(PARSE.file) == "shop/app.py"
    assert file_label("app.py") == "app.py"
    assert file_label("") == ""


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "seconds", "0 s"),
        (1.234, "seconds", "1.23 s"),
        (12.34, "seconds", "12.3 s"),
        (1234.5, "seconds", "1,234 s"),
        (0.9994, "seconds", "999 ms"),
        (0.9996, "seconds", "1.00 s"),
        (0.0456, "seconds", "45.6 ms"),
        (0.000789, "seconds", "789 µs"),
        (3.456, "task-seconds", "3.46 task-s"),
        (0.05, "task-seconds", "50.0 task-ms"),
        (512, "bytes", "512 B"),
        (1536, "bytes", "1.50 KiB"),
        (4.78e6, "bytes", "4.56 MiB"),
        (-1.5, "seconds", "−1.50 s"),
    ],
)
def test_amounts_have_three_digits_and_a_fitting_unit(value: float, unit: Any, text: str) -> None:
    assert amount(value, unit) == text


def test_shares_are_percent_and_changes_of_shares_are_points() -> None:
    assert [percent(share) for share in (0, 0.00123, 0.123, 0.9996, 1)] == ["0 %", "0.12 %", "12.3 %", "100 %", "100 %"]
    assert [points(change) for change in (0, 0.00001, 0.0123, -0.123)] == [
        "±0.00 points",
        "±0.00 points",
        "+1.23 points",
        "−12.3 points",
    ]
