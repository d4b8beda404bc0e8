"""Sums of phases that only grow, and the means of one run between two looks at them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model import Response
from penstock.perf.strategy.phases import NO_SUMS, PHASES, PhaseSums, mean_phases

_seconds = st.floats(0, 1e3)
_sums = st.tuples(st.integers(1, 10**6).map(float), *[_seconds] * len(PHASES))


def response(**seconds: float) -> Response:
    return Response(0, "", "", 200, b"", **seconds)


def test_a_mean_is_of_the_items_between_the_looks() -> None:
    sums = PhaseSums()
    sums.add(response(dns_s=5.0, connect_s=6.0, tls_s=7.0, ttfb_s=8.0, total_s=30.0), 9.0)
    before = sums.now()
    for ttfb_s in (0.1, 0.3):
        sums.add(response(ttfb_s=ttfb_s, total_s=0.5), 1.0)
    means = mean_phases([before], [sums.now()])
    assert means == pytest.approx({"dns": 0, "connect": 0, "tls": 0, "ttfb": 0.2, "body": 0.3, "process": 1.0})
    assert (means["dns"], means["connect"], means["tls"]) == (0, 0, 0)


def test_a_body_never_takes_less_than_nothing() -> None:
    sums = PhaseSums()
    sums.add(response(ttfb_s=0.2, total_s=0.1), 0.0)
    assert mean_phases([NO_SUMS], [sums.now()])["body"] == 0.0


@given(st.lists(_sums, min_size=1, max_size=8))
def test_without_an_item_between_the_looks_there_is_no_mean(sums: list[tuple[float, ...]]) -> None:
    assert mean_phases(sums, sums) == {}


@given(st.lists(_sums, min_size=1, max_size=8))
def test_a_phase_that_nothing_was_added_to_is_exactly_zero(before: list[tuple[float, ...]]) -> None:
    after = [(items + 1, *seconds[:-1], seconds[-1] + 1e3) for items, *seconds in before]
    means = mean_phases(before, after)
    assert [means[name] for name in PHASES[:-1]] == [0.0] * (len(PHASES) - 1)
    assert means["process"] == pytest.approx(1e3)


@given(st.lists(_sums, min_size=1, max_size=8))
def test_threads_that_were_not_there_before_count_from_zero(after: list[tuple[float, ...]]) -> None:
    assert mean_phases([], after) == mean_phases([NO_SUMS] * 3, after)
