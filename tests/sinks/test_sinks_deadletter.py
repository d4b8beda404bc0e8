"""A dead letter holds all that is needed to try the item again, and no password of ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model import BadRow, Failed, Failure, Item
from penstock.sinks.deadletter import decode_dead_letters, encode_dead_letter, own_key, without_userinfo

TIME = "2026-01-01T00:00:00.000Z"
CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.dates()
)
COLUMNS = st.lists(st.sampled_from(["url", "link", "penstock", "penstock_", "a", "input_a"]), max_size=5)
TEXT = st.text(max_size=20)


@given(COLUMNS, st.data())
def test_an_item_comes_back_as_it_was(columns: list[str], data: st.DataObject) -> None:
    item = Item(
        id=data.draw(st.integers(0, 2**62)),
        url=data.draw(TEXT),
        host="https://h:443",
        method=data.draw(st.sampled_from(["GET", "POST"])),
        headers=data.draw(st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple)),
        body=data.draw(st.none() | st.binary(max_size=10)),
        row=tuple(data.draw(st.lists(CELLS, min_size=len(columns), max_size=len(columns)))),
        attempts=4,
    )
    failure = Failure("http_5xx", "the server said 503", http_status=503)
    line = encode_dead_letter(Failed(item, failure), columns, TIME)
    assert line.count("\n") == 1
    (back,) = decode_dead_letters([line], columns)
    item.attempts = 0  # a retry starts anew
    assert back == Failed(item, failure)


@given(COLUMNS, st.data())
def test_a_bad_row_comes_back_as_it_was(columns: list[str], data: st.DataObject) -> None:
    cells = data.draw(st.lists(CELLS, max_size=len(columns)))
    row = BadRow(7, Failure("bad_row", "expected 3 columns, got 2"), data.draw(TEXT), tuple(cells), raw="a,b")
    (back,) = decode_dead_letters([encode_dead_letter(Failed(row, row.failure), columns, TIME)], columns)
    assert back == Failed(row, row.failure)


def test_a_dead_letter_is_a_valid_input_row() -> None:
    item = Item(5, "http://h/5", "http://h:80", row=("http://h/5", 17, b"\x00\xff"), attempts=3)
    line = encode_dead_letter(Failed(item, Failure("timeout_idle", "nothing for 20 s")), ["url", "n", "blob"], TIME)
    assert json.loads(line) == {
        "url": "http://h/5",
        "n": 17,
        "blob": "AP8=",
        "penstock": {
            "item_id": 5,
            "kind": "timeout_idle",
            "error": "nothing for 20 s",
            "attempts": 3,
            "time": TIME,
            "marks": {"blob": "base64"},
            "host": "http://h:80",
        },
    }


def test_an_input_without_a_url_column_gets_one() -> None:
    item = Item(5, "http://h/5", "http://h:80", row=("http://h/5",))
    fields = json.loads(encode_dead_letter(Failed(item, Failure("dns", "")), ["link"], TIME))
    assert fields["url"] == fields["link"] == "http://h/5"


def test_an_input_that_has_our_name_keeps_it() -> None:
    assert own_key(["url"]) == "penstock"
    assert own_key(["penstock", "penstock_"]) == "penstock__"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no http://user:secret@host/x here", "no http://host/x here"),
        ("HTTPS://user@host", "HTTPS://host"),
        ("via socks5h://a:p@ss@proxy:1080 to http://b:c@d/", "via socks5h://proxy:1080 to http://d/"),
        ("mail me@example.org", "mail me@example.org"),
        ("http://host/a@b", "http://host/a@b"),
        ("http://host/?u=a@b", "http://host/?u=a@b"),
    ],
)
def test_error_texts_name_no_user_and_no_password(text: str, expected: str) -> None:
    assert without_userinfo(text) == expected
    line = encode_dead_letter(Failed(Item(1, "http://h/", "http://h:80"), Failure("proxy", text)), [], TIME)
    assert json.loads(line)["penstock"]["error"] == expected


def test_lone_surrogates_and_line_separators_stay_on_their_line() -> None:
    row = ("\ud800 \u2028 \x85",)
    item = Item(1, "http://h/", "http://h:80", row=row)
    line = encode_dead_letter(Failed(item, Failure("dns", "\udcff")), ["text"], TIME)
    assert line.encode().count(b"\n") == 1
    (back,) = decode_dead_letters([line], ["text"])
    assert back.item.row == row


def test_a_line_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="line 2: expected a dead letter"):
        list(decode_dead_letters([encode_dead_letter(Failed(Item(1, "", ""), Failure("dns", "")), [], TIME), "{}"], []))
