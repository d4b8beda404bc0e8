"""Axes: every value stands inside, ticks are few, round and rising, whatever the values are."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.perf.page.svg.scale import LOG_FROM, Scale, scale_of

ANY = st.floats(allow_nan=True, allow_infinity=True)
POSITIVE = st.floats(min_value=1e-9, max_value=1e12)


@given(st.lists(st.one_of(st.none(), POSITIVE), max_size=30), st.sampled_from([None, "linear", "log"]))
def test_every_value_stands_inside_and_in_its_order(values: list[float | None], kind: str | None) -> None:
    scale = scale_of(values, kind)  # type: ignore[arg-type]  # drawn from the closed set
    known = sorted(value for value in values if value is not None)
    places = [scale.at(value) for value in known]
    assert all(0 <= place <= 1 for place in places)
    assert places == sorted(places)
    assert scale.low < scale.high
    for value in known:
        assert scale.low <= value <= scale.high


@example([2.3e-308], None, 2)
@given(st.lists(ANY, max_size=10), st.sampled_from([None, "linear", "log"]), st.integers(2, 9))
def test_no_value_breaks_an_axis(values: list[float], kind: str | None, most: int) -> None:
    values = [value for value in values if not math.isfinite(value) or abs(value) < 1e300]
    scale = scale_of(values, kind)  # type: ignore[arg-type]  # drawn from the closed set
    ticks = scale.ticks(most)
    assert 1 <= len(ticks) <= most
    assert list(ticks) == sorted(set(ticks))
    assert all(math.isfinite(tick) for tick in ticks)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([0, 100], None, (0, 25, 50, 75, 100)),
        ([0, 7], None, (0, 2, 4, 6)),
        ([0.0003], None, (0, 0.0001, 0.0002, 0.0003)),
        ([1, 1000], None, (1, 10, 100, 1000)),
        ([40, 1500], None, (50, 100, 200, 500, 1000)),
        ([1e-6, 1e9], None, (1e-4, 1.0, 1e4, 1e8)),
    ],
)
def test_ticks_are_round(values: list[float], kind: None, expected: tuple[float, ...]) -> None:
    ticks = scale_of(values, kind).ticks(5)
    assert ticks == pytest.approx(expected)


def test_an_axis_is_logarithmic_by_itself_when_values_differ_much() -> None:
    assert scale_of([1, LOG_FROM - 0.1]).kind == "linear"
    assert scale_of([1, LOG_FROM]).kind == "log"
    assert scale_of([0, 1, 1000]).kind == "linear", "0 has no place on a logarithmic axis"
    assert scale_of([0, 1, 1000], "log").kind == "log", "asked for: 0 stands at its low end"
    assert scale_of([0, 1, 1000], "log").at(0) == 0


def test_a_linear_axis_begins_at_zero_and_goes_below_it_only_when_a_value_does() -> None:
    assert scale_of([50, 60]).low == 0
    assert scale_of([-5, 10]).low < -5


def test_an_axis_of_nothing_is_drawn_from_zero_to_one() -> None:
    assert scale_of([]) == scale_of([0.0]) == scale_of([None, math.nan]) == Scale("linear", 0.0, 1.0)
