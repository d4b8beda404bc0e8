from __future__ import annotations

import datetime
import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.policy.retry_after import parse_retry_after

NOW_S = datetime.datetime(1994, 11, 6, 8, 49, 7, tzinfo=datetime.UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("1.5", 1.5),
        ("1000000000", 1e9),
        # the three forms of RFC 9110 §5.6.7, with its own example date
        ("Sun, 06 Nov 1994 08:49:37 GMT", 30),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 30),
        ("Sun Nov  6 08:49:37 1994", 30),
        ("sun, 06 nov 1994 08:49:37 utc", 30),
        ("Sun, 06 Nov 1994 08:49:60 GMT", 52),  # a leap second
        ("Sun, 06 Nov 1993 08:49:37 GMT", 0),
    ],
)
def test_seconds_and_dates_are_read(value: str, seconds: float) -> None:
    assert parse_retry_after(value, NOW_S) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-1",
        "1e3",
        "nan",
        "inf",
        "soon",
        "٣",
        "120 seconds",
        "1, 2",
        "Sun, 06 Nov 1994 08:49:37 +0100",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
    ],
)
def test_junk_is_none(value: str) -> None:
    assert parse_retry_after(value, NOW_S) is None


def test_a_two_digit_year_far_ahead_is_in_the_past() -> None:
    now_s = datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC).timestamp()
    assert parse_retry_after("Sunday, 06-Nov-94 08:49:37 GMT", now_s) == 0
    assert parse_retry_after("Friday, 01-May-26 00:00:30 GMT", now_s) == 30


@given(epoch_s=st.integers(86_400, 4_102_444_800))
def test_every_date_that_python_formats_is_read_back(epoch_s: int) -> None:
    date = datetime.datetime.fromtimestamp(epoch_s, datetime.UTC)
    text = email.utils.format_datetime(date, usegmt=True)
    assert parse_retry_after(text, 0.0) == date.timestamp()
    asctime = f"{date:%a %b} {date.day:2d} {date:%H:%M:%S %Y}"
    assert parse_retry_after(asctime, 0.0) == date.timestamp()


@given(
    st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", fullmatch=True)
)
def test_any_text_is_a_wait_or_none(value: str) -> None:
    seconds = parse_retry_after(value, NOW_S)
    assert seconds is None or seconds >= 0
