"""Folded stacks and speedscope files: whatever the names are, what is written is read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flame_kit import GET, HOSTILE, LOADS, MAIN, UNITS, hostile, of_kind, small, stacks
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.profile.draw.folded import from_folded, to_folded
from penstock.perf.profile.draw.speedscope import to_speedscope
from penstock.perf.profile.model import Frame, Kind, Profile, Stack

SCHEMA = json.loads((Path(__file__).parent / "data" / "speedscope.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def test_a_line_is_a_stack_root_first_and_its_weight_in_microseconds() -> None:
    profile = Profile("cpu", "seconds")
    profile.add((MAIN, LOADS), 0.25)
    profile.add((Frame("[waiting]"),), 1.5)
    assert to_folded(profile) == (
        "[waiting] 1500000\nmain (/srv/shop/app.py:10);loads (/usr/lib/python3.11/json/__init__.py:346) 250000\n"
    )


def test_bytes_stay_bytes_and_what_rounds_to_nothing_is_left_out() -> None:
    profile = Profile("memory", "bytes", stacks={(MAIN,): 4096.0, (GET,): 0.4})
    assert to_folded(profile) == "main (/srv/shop/app.py:10) 4096\n"
    assert to_folded(Profile("cpu", "seconds")) == ""


@given(st.dictionaries(stacks, st.integers(1, 10**12), max_size=8))
def test_every_profile_comes_back_whatever_the_names_are(weights: dict[Stack, int]) -> None:
    profile = Profile("memory", "bytes", stacks={stack: float(weight) for stack, weight in weights.items()})
    text = to_folded(profile)
    assert len(text.split("\n")) == len(profile.stacks) + 1, "one line for each stack"
    back = from_folded(text, "memory", "bytes")
    # Without a file and a line a frame is its name alone.
    assert back.stacks == profile.stacks


@given(st.dictionaries(stacks, st.integers(1, 10**9), max_size=5))
def test_microseconds_come_back_as_seconds(weights: dict[Stack, int]) -> None:
    profile = Profile("cpu", "seconds", stacks={stack: weight / 1e6 for stack, weight in weights.items()})
    assert from_folded(to_folded(profile)).stacks == pytest.approx(profile.stacks)


def test_other_tools_lines_are_read() -> None:
    profile = from_folded("a;b 10\na;b 5\n\na;c with spaces 1\n", "memory", "bytes")
    assert profile.stacks == {(Frame("a"), Frame("b")): 15.0, (Frame("a"), Frame("c with spaces")): 1.0}


@pytest.mark.parametrize("line", ["a;b", "a;b x", "noweight"])
def test_a_line_without_a_weight_is_named(line: str) -> None:
    with pytest.raises(ValueError, match=r"line 2: expected"):
        from_folded(f"a 1\n{line}\n")


# --- speedscope


@pytest.mark.parametrize("kind", UNITS)
def test_every_kind_is_a_valid_speedscope_file(kind: Kind) -> None:
    for profile in (of_kind(kind), hostile(kind), Profile(kind, UNITS[kind])):
        content = json.loads(json.dumps(to_speedscope(profile)))
        VALIDATOR.validate(content)


@given(st.dictionaries(stacks, st.floats(1e-6, 1e6), max_size=8))
def test_speedscope_has_every_stack_once_with_its_weight(weights: dict[Stack, float]) -> None:
    profile = Profile("cpu", "seconds", stacks=dict(weights))
    content: dict[str, Any] = to_speedscope(profile)
    VALIDATOR.validate(content)
    (sampled,) = content["profiles"]
    table = [Frame(f["name"], f.get("file", ""), f.get("line", 0)) for f in content["shared"]["frames"]]
    read = {
        tuple(table[index] for index in sample): weight
        for sample, weight in zip(sampled["samples"], sampled["weights"], strict=True)
    }
    assert read == profile.stacks
    assert sampled["endValue"] == pytest.approx(profile.total)
    assert len(set(table)) == len(table)


def test_the_schema_refuses_what_is_not_the_format() -> None:
    content: dict[str, Any] = to_speedscope(small())
    content["profiles"][0]["unit"] = "task-seconds"
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(content)


def test_hostile_names_do_not_make_more_lines() -> None:
    profile = Profile("cpu", "seconds", stacks={(Frame(name),): 1.0 for name in HOSTILE})
    assert {stack[0].name for stack in from_folded(to_folded(profile)).stacks} == set(HOSTILE)
