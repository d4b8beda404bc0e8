"""The JSON of a comparison: exact there and back, and nothing else is taken for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.perf.compare import model
from penstock.perf.compare.asjson import FORMAT, VERSION, from_json, to_json
from penstock.perf.compare.model import (
    Comparison,
    Estimate,
    Pair,
    Percentiles,
    Recommendation,
    Refusal,
    SerialShare,
    Summary,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "compare-json.md"

finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=20)
estimates = st.builds(
    Estimate, st.none() | finite, st.none() | finite, st.none() | finite, n=st.integers(0, 2**40), note=texts
)
percentiles = st.builds(Percentiles, estimates, estimates, estimates)
summaries = st.builds(
    Summary,
    name=texts,
    client=st.none() | st.sampled_from(["curl", "aiohttp", "httpx", "requests"]),
    function=st.none() | texts,
    throughput_per_s=estimates,
    service=percentiles,
    latency=st.none() | percentiles,
    keeps_up=st.none() | st.booleans(),
    cpu_s_per_1000=estimates,
    rss_bytes=estimates,
    switches_per_item=estimates,
    wait_share=st.none() | finite,
    phases=st.dictionaries(texts, finite, max_size=3),
)
comparisons = st.builds(
    Comparison,
    workload=texts,
    about=texts,
    elapsed_s=finite,
    summaries=st.lists(summaries, max_size=2).map(tuple),
    pairs=st.lists(st.builds(Pair, texts, texts, ratio=estimates, note=texts), max_size=2).map(tuple),
    rate_per_s=st.none() | finite,
    serial=st.none() | st.builds(SerialShare, finite, finite, finite, texts, finite, texts, finite),
    recommendation=st.none() | st.builds(Recommendation, texts, texts),
    commentary=st.lists(texts, max_size=2).map(tuple),
    refusal=st.none() | st.builds(Refusal, texts, texts, texts),
    notes=st.lists(texts, max_size=2).map(tuple),
    machine=st.dictionaries(
        texts, st.none() | st.integers() | texts | finite | st.lists(texts, max_size=2), max_size=3
    ),
)


def example() -> dict[str, Any]:
    estimate = Estimate(1.0, 0.5, 1.5, 5)
    three = Percentiles(estimate, estimate, estimate)
    summary = Summary("a", "sync", "curl", None, 1, 5, 9, estimate, three, None, None, estimate, estimate, estimate)
    comparison = Comparison("w", "about", 1, 5, 2.0, (summary,), (Pair("a", "b", "cpu", "faster", estimate),))
    document: dict[str, Any] = to_json([comparison])
    return document


@given(st.lists(comparisons, max_size=2))
def test_what_is_read_is_exactly_what_was_written(given: list[Comparison]) -> None:
    document = json.loads(json.dumps(to_json(given), allow_nan=False))
    assert from_json(document) == tuple(given)


def test_a_document_says_its_format_and_version() -> None:
    document = example()
    assert (document["format"], document["version"]) == (FORMAT, VERSION)


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_json_has_not_are_refused_where_they_stand(number: float) -> None:
    estimate = Estimate(number)
    pair = Pair("a", "b", "throughput", "faster", estimate)
    with pytest.raises(ValueError, match=r"comparison\.pairs\[0\]\.ratio\.value"):
        to_json([Comparison("w", "", 1, 5, 2.0, (), (pair,))])


def without(document: dict[str, Any], *path: str | int) -> dict[str, Any]:
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return document


def with_value(document: dict[str, Any], value: object, *path: str | int) -> dict[str, Any]:
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return document


FIRST = ("comparisons", 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda document: [], "format 'penstock-compare'"),
        (lambda document: with_value(document, "penstock-tune", "format"), "format 'penstock-compare'"),
        (lambda document: with_value(document, 2, "version"), "expected version 1, got 2"),
        (lambda document: without(document, "version"), "expected version 1, got None"),
        (lambda document: with_value(document, {}, "comparisons"), "expected a list, got dict"),
        (lambda document: with_value(document, 5, *FIRST), r"comparisons\[0\]: expected dict, got int"),
        (lambda document: without(document, *FIRST, "seed"), r"missing \['seed'\]"),
        (lambda document: with_value(document, 1, *FIRST, "speed"), r"unknown \['speed'\]"),
        (
            lambda document: with_value(document, "5", *FIRST, "rounds"),
            r"comparisons\[0\]\.rounds: expected int, got str",
        ),
        (lambda document: with_value(document, True, *FIRST, "rounds"), r"rounds: expected int, got bool"),
        (lambda document: with_value(document, "2 s", *FIRST, "elapsed_s"), r"elapsed_s: expected a number, got '2 s'"),
        (lambda document: with_value(document, True, *FIRST, "elapsed_s"), r"elapsed_s: expected a number, got True"),
        (lambda document: with_value(document, "best", *FIRST, "pairs", 0, "verdict"), "expected 'faster' or 'slower'"),
        (lambda document: with_value(document, 1, *FIRST, "summaries", 0, "strategy"), r"summaries\[0\]\.strategy"),
        (lambda document: with_value(document, [], *FIRST, "machine"), "machine: expected dict, got list"),
        (lambda document: with_value(document, "x", *FIRST, "notes"), "notes: expected list, got str"),
    ],
)
def test_anything_else_is_refused_with_its_place(change: Callable[[dict[str, Any]], Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_json(change(example()))


def test_the_reference_names_every_field_of_the_format_and_no_other() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind in (Comparison, Summary, Percentiles, Estimate, Pair, SerialShare, Recommendation, Refusal):
        section = page.partition(f"\n## {kind.__name__}\n")[2].partition("\n## ")[0]
        told = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
        assert told == [field.name for field in fields(kind)], kind.__name__
    assert {"Verdict", "Metric"} <= vars(model).keys()
