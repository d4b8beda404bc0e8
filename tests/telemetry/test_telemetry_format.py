"""Numbers and texts as people read them, at the edges where one unit becomes the next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.telemetry.format import (
    bytes_text,
    clock_text,
    count_text,
    duration_text,
    printable,
    rate_text,
    share_text,
    shortened,
    without_userinfo,
)


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (None, "–"),
        (0.0, "0 s"),
        (12e-6, "12 µs"),
        (0.00099949, "999 µs"),
        (0.0009996, "1.0 ms"),
        (0.0123, "12.3 ms"),
        (0.09994, "99.9 ms"),
        (0.09996, "100 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (4.5, "4.5 s"),
        (59.94, "59.9 s"),
        (59.96, "1 m 00 s"),
        (123, "2 m 03 s"),
        (3599.6, "1 h 00 m"),
        (11_220, "3 h 07 m"),
        (2 * 86_400 + 3_600, "2 d 01 h"),
    ],
)
def test_durations(duration_s: float | None, text: str) -> None:
    assert duration_text(duration_s) == text


@pytest.mark.parametrize(("duration_s", "text"), [(None, "–"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 m 00 s")])
def test_times_to_wait_are_whole_seconds(duration_s: float | None, text: str) -> None:
    assert clock_text(duration_s) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (99_949, "99.9 kB"),
        (99_951, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (123_456_789_000, "123 GB"),
        (5e21, "5000 EB"),
    ],
)
def test_bytes(size: float, text: str) -> None:
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("rate_per_s", "text"),
    [
        (0, "0/s"),
        (0.004, "<0.01/s"),
        (0.25, "0.25/s"),
        (0.949, "0.95/s"),
        (0.96, "1.0/s"),
        (99.94, "99.9/s"),
        (99.96, "100/s"),
        (1234.4, "1,234/s"),
    ],
)
def test_rates(rate_per_s: float, text: str) -> None:
    assert rate_text(rate_per_s) == text


def test_counts_and_shares() -> None:
    assert count_text(1_234_567) == "1,234,567"
    assert share_text(19_999, 20_000) == "99.9 %", "100 % only when all of it is done"
    assert share_text(20_000, 20_000) == "100.0 %"
    assert share_text(0, 0) == "–"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("http://user:pass@host/path", "http://host/path"),
        ("http://user@host:80/", "http://host:80/"),
        ("http://u:p@ss@host/x", "http://host/x"),
        ("proxy socks5://a:b@p:1 to http://c:d@h/ refused", "proxy socks5://p:1 to http://h/ refused"),
        ("http://host/mail?to=a@b.example", "http://host/mail?to=a@b.example"),
        ("http://host?to=a@b.example", "http://host?to=a@b.example"),
        ("write to a@b.example", "write to a@b.example"),
    ],
)
def test_userinfo_is_taken_out_of_every_url_and_nothing_else(text: str, clean: str) -> None:
    assert without_userinfo(text) == clean


@given(st.text(max_size=80), st.integers(0, 60))
def test_printable_text_is_one_safe_line_of_at_most_that_width(text: str, width: int) -> None:
    line = printable(text, width)
    assert line.isprintable()
    assert len(line) <= width


def test_terminal_escapes_lose_their_power() -> None:
    assert printable("a\x1b[2Jb\x9bc\u202ed") == "a?[2Jb?c?d"
    assert printable("two\r\nlines\tand a tab") == "two lines and a tab"


def test_long_text_keeps_both_ends() -> None:
    url = "https://example.com/a/very/long/path/to/page.html"
    short = shortened(url, 20)
    assert len(short) == 20
    assert short.startswith("https://exa")
    assert short.endswith(".html")
    assert shortened("abcdef", 3) == "abc"
    assert shortened("abc", 3) == "abc"
