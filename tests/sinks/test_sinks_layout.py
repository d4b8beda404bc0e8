"""Column names: Penstock's own never move, the user's never get lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.sinks.layout import FETCHED_COLUMNS, make_layout

NAMES = st.one_of(
    st.sampled_from([*FETCHED_COLUMNS, "input_url", "input_input_url", "process_body", "a"]), st.text(max_size=5)
)


def test_the_url_column_of_the_input_is_the_url_column_of_the_output() -> None:
    layout = make_layout(["id", "url", "label"])
    assert layout.input == ("id", "url", "label")
    assert "url" not in layout.fetched
    assert len(layout.fetched) == len(FETCHED_COLUMNS) - 1


def test_another_column_that_requests_are_made_from_leaves_url_to_penstock() -> None:
    layout = make_layout(["link", "url"], url_column="link")
    assert layout.input == ("link", "input_url")
    assert layout.fetched == FETCHED_COLUMNS


def test_the_output_of_one_run_can_be_the_input_of_the_next() -> None:
    layout = make_layout(["url", "item_id", "input_item_id", "body"])
    assert layout.input == ("url", "input_item_id", "input_input_item_id", "input_body")


def test_without_bodies_the_name_body_is_free() -> None:
    layout = make_layout(["url"], include_body=False)
    assert "body" not in layout.fetched
    assert layout.added(["body"]) == {"body": "body"}


def test_keys_of_the_process_function_that_are_taken_get_a_prefix() -> None:
    layout = make_layout(["url", "title"])
    assert layout.added(["title", "links", "body", "process_title"]) == {
        "title": "process_title",
        "links": "links",
        "body": "process_body",
        "process_title": "process_process_title",
    }


@given(
    st.lists(NAMES, max_size=8), st.lists(NAMES, max_size=8, unique=True), st.booleans(), st.sampled_from(["url", "a"])
)
def test_no_two_output_columns_ever_share_a_name(
    columns: list[str], keys: list[str], include_body: bool, url_column: str
) -> None:
    layout = make_layout(columns, url_column=url_column, include_body=include_body)
    names = [*layout.input, *layout.fetched, *layout.added(keys).values()]
    assert len(names) == len(set(names))
    assert len(layout.input) == len(columns)
    assert set(FETCHED_COLUMNS) - {"body"} <= set(names)
    assert all(name.endswith(column) for name, column in zip(layout.input, columns, strict=True))
