"""CPU work: the same for everybody, as long as was asked for by the clock that measures it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.origin.content import Content
from penstock.perf.workload import burn
from penstock.perf.workload.burn import calibrate, parse_page

PAGE = (
    '<!DOCTYPE html><html><head><title>One two</title></head><body><a href="/1">x</a>'
    "<p>b b, a a a; C c.</p></body></html>"
)


def test_the_record_is_what_the_page_says() -> None:
    record = parse_page(PAGE)
    assert record["title"] == "One two"
    assert record["links"] == 1
    assert record["frequent"] == ["a", "b", "c", "doctype", "html"]


def test_only_the_checksum_tells_how_often_it_was_done() -> None:
    once, thrice = parse_page(PAGE), parse_page(PAGE, 3)
    assert once.pop("checksum") != thrice.pop("checksum")
    assert once == thrice


def test_pages_of_the_origin_give_different_records() -> None:
    content = Content()
    assert len({str(parse_page(content.page(number, 2048).decode())) for number in range(20)}) == 20


@given(st.text(max_size=200))
def test_any_text_is_parsed(page: str) -> None:
    assert parse_page(page) == parse_page(page)


def clock_of(cost_s: float, monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """A clock by which each repetition costs `cost_s`, so that the answer does not depend on the machine."""
    parsed = 0
    parse = burn._parse

    def counted(page: str) -> dict[str, object]:
        nonlocal parsed
        parsed += 1
        return parse(page)

    monkeypatch.setattr(burn, "_parse", counted)
    return lambda: parsed * cost_s


@pytest.mark.parametrize(("each_s", "repetitions"), [(0.0005, 10), (0.001, 5), (0.02, 1), (0.00026, 19)])
def test_calibration_divides_the_time_asked_for_by_that_of_one(
    each_s: float, repetitions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert calibrate(0.005, [PAGE] * 3, clock=clock_of(each_s, monkeypatch)) == repetitions


def test_a_clock_that_stands_still_gives_a_bounded_amount() -> None:
    assert 1 <= calibrate(1e-5, [PAGE], clock=lambda: 0.0) <= 100_000
