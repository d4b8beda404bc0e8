"""Iterables as input: every kind of element, prompt batches, reading again, and errors of the user's own code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources_kit import kinds_of, rows_of, values_of

from penstock.errors import ConfigError, SourceError
from penstock.model import Item
from penstock.sources import IterableSource, SourceOptions


class FakeClock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_texts_dicts_and_items_are_elements() -> None:
    own = Item(99, "HTTP://C/x#y", "", "put", (("A", "1"),), b"z", row=("c", 3))
    source = IterableSource(["http://a/", {"url": "http://b/", "n": 2}, own])
    assert source.columns == ("url", "n")
    rows = rows_of(source.read())
    assert values_of(rows) == [("http://a/", None), ("http://b/", 2), ("c", 3)]
    assert rows[2] == Item(2, "http://c/x", "http://c:80", "PUT", (("A", "1"),), b"z", ("c", 3))
    assert own.id == 99, "the caller's item is left alone"


def test_what_is_no_element_costs_its_own_row() -> None:
    elements = [
        "http://a/",
        7,
        None,
        {"url": "http://b/", "x": 1},
        {"n": 1},
        Item(0, "http://c/", "", row=(1, 2, 3)),
        "ftp://d/",
    ]
    elements += [Item(0, "nope", ""), Item(0, "http://e/", "", headers=(("A", "1\r\nB: 2"),))]
    rows = rows_of(IterableSource(elements, columns=("url", "n")).read())  # type: ignore[arg-type] # wrong on purpose
    assert kinds_of(rows) == [
        "",
        "bad_row",
        "bad_row",
        "bad_row",
        "bad_url",
        "bad_row",
        "bad_scheme",
        "bad_url",
        "bad_headers",
    ]
    assert "element 1: expected a URL, a dict or an Item, got int" in rows[1].failure.message


def test_request_columns_of_dicts_make_the_request() -> None:
    (item,) = rows_of(
        IterableSource([{"url": "http://a/", "method": "POST", "body": b"x", "headers": {"A": "1"}}]).read()
    )
    assert (item.method, item.body, item.headers) == ("POST", b"x", (("A", "1"),))


def test_columns_of_a_generator_are_its_first_dict_s_keys() -> None:
    source = IterableSource({"url": f"http://a/{n}", "n": n} for n in range(5))
    assert source.columns == ("url", "n")
    assert values_of(rows_of(source.read())) == [(f"http://a/{n}", n) for n in range(5)]


def test_total_schema_and_fingerprint_say_what_is_known() -> None:
    listed = IterableSource(["http://a/", "http://b/"])
    assert (listed.total, listed.estimate_total()) == (2, 2)
    assert str(listed.schema.field("url").type) == "string"
    assert listed.fingerprint == IterableSource(("http://a/", "http://b/")).fingerprint != ""
    assert listed.fingerprint != IterableSource(["http://a/h", "ttp://b/"]).fingerprint
    lazy = IterableSource(iter(["http://a/"]))
    assert (lazy.total, lazy.fingerprint) == (None, "")
    assert IterableSource([{"url": "http://a/", "n": 1}]).schema is None


@given(st.integers(0, 60), st.integers(1, 9), st.sampled_from(["list", "iterator", "callable"]))
def test_reading_from_every_position_gives_the_same_rows(count: int, batch_rows: int, form: str) -> None:
    urls = [f"http://a/{n}" for n in range(count)]

    def make() -> IterableSource:
        forms = {"list": urls, "iterator": iter(urls), "callable": lambda: (url for url in urls)}
        return IterableSource(forms[form], options=SourceOptions(batch_rows=batch_rows), now_s=FakeClock())

    batches = list(make().read())
    rows = rows_of(batches)
    assert values_of(rows) == [(url,) for url in urls]
    for batch in batches:
        assert rows_of(make().read(batch.first_id, batch.position)) == rows[batch.first_id :]
        assert rows_of(make().read(batch.first_id)) == rows[batch.first_id :]


def test_a_list_and_a_callable_can_be_read_again_an_iterator_cannot() -> None:
    for elements in (["http://a/"], lambda: iter(["http://a/"])):
        source = IterableSource(elements)
        assert len(rows_of(source.read())) == len(rows_of(source.read())) == 1
    once = IterableSource(iter(["http://a/"]))
    assert len(rows_of(once.read())) == 1
    with pytest.raises(SourceError, match="only once"):
        list(once.read())


def test_a_slow_generator_s_elements_come_one_by_one_and_a_fast_one_s_in_growing_batches() -> None:
    clock = FakeClock()

    def produce() -> Iterator[str]:
        for number in range(40):
            clock.now += 1.0 if number < 5 or number == 30 else 0.0
            yield f"http://a/{number}"

    source = IterableSource(produce(), options=SourceOptions(batch_rows=8), now_s=clock)
    sizes = [len(batch.items) for batch in source.read()]
    assert sizes[:5] == [1] * 5
    assert max(sizes) == 8
    assert sum(sizes) == 40
    slow_at = next(at for at, end in enumerate(sum(sizes[: n + 1]) for n in range(len(sizes))) if end > 30)
    assert sum(sizes[: slow_at + 1]) == 31, "the batch is closed by the element that was waited for"
    assert sizes[slow_at + 1] == 1, "and the next one is small again"


def test_an_error_of_the_generator_comes_after_its_last_element() -> None:
    def produce() -> Iterator[str]:
        for number in range(10):
            yield f"http://a/{number}"
        raise KeyError("gone")

    urls: list[str] = []
    with pytest.raises(SourceError, match="KeyError after 10 elements") as caught:
        urls.extend(item.url for batch in IterableSource(produce()).read() for item in batch.items)
    assert len(urls) == 10
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("elements", ["http://a/", b"x", 7, None])
def test_what_is_no_iterable_of_urls_is_refused(elements: object) -> None:
    with pytest.raises(ConfigError, match="expected an iterable"):
        IterableSource(elements)  # type: ignore[arg-type] # wrong on purpose


@pytest.mark.parametrize("columns", [("n",), ("url", "url")])
def test_columns_without_the_url_or_twice_are_refused(columns: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="distinct columns with 'url'"):
        IterableSource([], columns)
