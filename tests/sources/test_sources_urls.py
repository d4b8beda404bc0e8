"""What is a URL to fetch, what goes on the wire, and what the politeness key is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.sources.urls import URL_CHARS_MAX, UrlError, parse_url


@pytest.mark.parametrize(
    ("url", "wire_url", "host_key"),
    [
        (
            "https://www.example.com/a/b.html?q=1&x=2",
            "https://www.example.com/a/b.html?q=1&x=2",
            "https://www.example.com:443",
        ),
        ("http://h", "http://h/", "http://h:80"),
        ("http://h?x=1", "http://h/?x=1", "http://h:80"),
        ("http://h#top", "http://h/", "http://h:80"),
        ("http://h/a#top", "http://h/a", "http://h:80"),
        ("http://h/a?b#c d\u00e9", "http://h/a?b", "http://h:80"),
        ("HTTP://WWW.Example.COM:80/Path", "http://www.example.com/Path", "http://www.example.com:80"),
        ("https://h:443/", "https://h/", "https://h:443"),
        ("https://h:80/", "https://h:80/", "https://h:80"),
        ("http://h:/", "http://h/", "http://h:80"),
        ("  http://h/a b\r\n", "http://h/a%20b", "http://h:80"),
        ("\ufeffhttp://h/", "http://h/", "http://h:80"),
        ("http://h/\u00e9?\u00fc=1", "http://h/%C3%A9?%C3%BC=1", "http://h:80"),
        ("http://h/%zz%41%", "http://h/%zz%41%", "http://h:80"),
        ('http://h/<">\\^`{|}', "http://h/%3C%22%3E%5C%5E%60%7B%7C%7D", "http://h:80"),
        ("http://m\u00fcller.de:8080/", "http://xn--mller-kva.de:8080/", "http://xn--mller-kva.de:8080"),
        ("http://a.example./x", "http://a.example./x", "http://a.example:80"),
        ("http://under_score.example/", "http://under_score.example/", "http://under_score.example:80"),
        ("http://[2001:DB8:0:0::1]:8080/", "http://[2001:db8::1]:8080/", "http://[2001:db8::1]:8080"),
        ("http://user:p%40w@h:81/", "http://user:p%40w@h:81/", "http://h:81"),
        ("http://a@b@h/", "http://a%40b@h/", "http://h:80"),
        ("http://127.0.0.1:8000/x?y", "http://127.0.0.1:8000/x?y", "http://127.0.0.1:8000"),
    ],
)
def test_url_is_put_into_its_wire_form(url: str, wire_url: str, host_key: str) -> None:
    assert parse_url(url) == (wire_url, host_key)
    assert parse_url(wire_url) == (wire_url, host_key), "the wire form is its own wire form"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("", "bad_url"),
        (" \t", "bad_url"),
        ("example.com/x", "bad_url"),
        ("localhost:8000/x", "bad_url"),
        ("http://", "bad_url"),
        ("http:///x", "bad_url"),
        ("http:/x", "bad_url"),
        ("http:x", "bad_url"),
        ("http://?x", "bad_url"),
        ("http://.", "bad_url"),
        ("http://a..b/", "bad_url"),
        ("http://a b/", "bad_url"),
        ("http://a%20b/", "bad_url"),
        ("http://a\\b/", "bad_url"),
        ("http://" + "a" * 64 + "/", "bad_url"),
        ("http://" + "a." * 128 + "b/", "bad_url"),
        ("http://h:0/", "bad_url"),
        ("http://h:65536/", "bad_url"),
        ("http://h:" + "9" * 5000 + "/", "bad_url"),
        ("http://h:x/", "bad_url"),
        ("http://h:-1/", "bad_url"),
        ("http://h:\u0663/", "bad_url"),
        ("http://[::1", "bad_url"),
        ("http://[::1]x/", "bad_url"),
        ("http://[nope]/", "bad_url"),
        ("http://[fe80::1%25eth0]/", "bad_url"),
        ("http://\u2603-\u200d.example\u3002.x/", "bad_url"),
        ("http://h/a\nb", "bad_url"),
        ("http://h/a\r\nHost: evil", "bad_url"),
        ("http://h/\x00", "bad_url"),
        ("http://h/#\x7f", "bad_url"),
        ("http://h/" + "a" * URL_CHARS_MAX, "bad_url"),
        ("http://h/\ud800", "bad_encoding"),
        ("ftp://h/x", "bad_scheme"),
        ("file:///etc/passwd", "bad_scheme"),
        ("FILE:/etc/passwd", "bad_scheme"),
        ("javascript:alert(1)", "bad_scheme"),
        ("data:text/plain,x", "bad_scheme"),
        ("gopher://h/", "bad_scheme"),
    ],
)
def test_what_cannot_be_fetched_is_refused_with_its_kind(url: str, kind: str) -> None:
    with pytest.raises(UrlError) as caught:
        parse_url(url)
    assert caught.value.kind == kind
    assert str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@h:99999/",
        "http://user:s3cret@a b/",
        "http://user:s3cret@/",
        "user:s3cret@h/",
        "http://user:s3cret/rest@h/",
        "http://user:s3c@s3cret s3cret@/",
        "http://x@s3cret s3cret/y@h/",
        "ftp://user:s3cret@h/",
        "http://user:s3cret\x00@h/",
    ],
)
def test_a_password_is_never_in_a_message(url: str) -> None:
    with pytest.raises(UrlError) as caught:
        parse_url(url)
    assert "s3cret" not in str(caught.value)


@given(st.text() | st.text().map(lambda text: f"http://{text}") | st.text().map(lambda text: f"https://u:p@h{text}"))
def test_any_text_gives_a_clean_wire_form_or_a_refusal(text: str) -> None:
    try:
        wire_url, host_key = parse_url(text)
    except UrlError:
        return
    assert wire_url.isascii()
    assert wire_url.isprintable()
    assert not set(wire_url) & set(' "<>\\^`{|}#')
    assert host_key == host_key.lower()
    assert "@" not in host_key
    assert parse_url(wire_url) == (wire_url, host_key)
