"""A tuning as JSON: exact there and back, refused when it is something else, and documented field by field."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.perf.compare.model import Estimate, Refusal
from penstock.perf.scaling import model
from penstock.perf.scaling.asjson import from_json, to_json
from penstock.perf.scaling.model import CurvePoint, Fit, Point, SweepRun, Tuning

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "tune-json.md"

numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10**6)
phases = st.dictionaries(st.sampled_from(["dns", "ttfb", "body"]), numbers)
estimates = st.builds(Estimate, st.none() | numbers, st.none() | numbers, st.none() | numbers, counts, st.text())
runs = st.builds(
    SweepRun, counts, counts, numbers, st.none() | numbers, st.none() | numbers, counts, numbers, numbers, counts,
    counts, phases,
)  # fmt: skip
points = st.builds(Point, counts, counts, estimates, estimates, estimates, estimates, phases)
laws = st.sampled_from(["linear", "amdahl", "usl", "two_line"])
fits = st.builds(Fit, laws, st.dictionaries(st.text(), numbers), numbers, numbers, numbers)
tunings = st.builds(
    Tuning,
    target=st.text(),
    strategy=st.text(),
    seed=counts,
    elapsed_s=numbers,
    runs=st.lists(runs, max_size=2).map(tuple),
    points=st.lists(points, max_size=2).map(tuple),
    fits=st.lists(fits, max_size=2).map(tuple),
    chosen=st.none() | laws,
    curve=st.lists(st.builds(CurvePoint, numbers, numbers, numbers, numbers), max_size=2).map(tuple),
    throughput_max_per_s=st.none() | estimates,
    knee=st.none() | estimates,
    peak=st.none() | estimates,
    is_peak_seen=st.booleans(),
    recommended=st.none() | counts,
    reason=st.text(),
    slo_p95_s=st.none() | numbers,
    commentary=st.lists(st.text(), max_size=2).map(tuple),
    notes=st.lists(st.text(), max_size=2).map(tuple),
    refusal=st.none() | st.builds(Refusal, st.text(), st.text(), st.text()),
    machine=st.dictionaries(st.text(), st.none() | counts | st.text()),
)


@given(tunings)
def test_json_gives_back_exactly_what_was_written(tuning: Tuning) -> None:
    assert from_json(json.loads(json.dumps(to_json(tuning), allow_nan=False))) == tuning


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "format 'penstock-tune'"),
        ({}, "format 'penstock-tune'"),
        ({"format": "penstock-compare", "version": 1}, "format 'penstock-tune'"),
        ({"format": "penstock-tune", "version": 2}, "version 1"),
        ({"format": "penstock-tune", "version": 1}, "tuning"),
        ({"format": "penstock-tune", "version": 1, "tuning": {"target": "x"}}, "missing"),
    ],
)
def test_another_document_is_refused(document: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_json(document)


def test_infinity_is_never_written() -> None:
    with pytest.raises(ValueError, match="elapsed_s"):
        to_json(Tuning("x", "penstock", 1, float("inf"), (), ()))


def test_every_field_is_documented() -> None:
    text = REFERENCE.read_text("utf-8")
    for kind in (Tuning, SweepRun, Point, Fit, CurvePoint, Estimate, Refusal):
        for field in dataclasses.fields(kind):
            assert f"`{field.name}`" in text, f"{kind.__name__}.{field.name}"
    for law in model.Law.__args__:
        assert f"`{law}`" in text
