"""The bytes, waits and endings that each outcome makes of an answer, without a socket."""

from __future__ import annotations

import gzip
import itertools
import zlib
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.origin.delivery import Answer, Ending, choose_retry_after, make_answer, make_error_answer
from penstock.perf.origin.faults import FAULTS
from penstock.perf.origin.resource import Request, Resource
from penstock.perf.origin.script import Script, make_script, parse_query

BODY = bytes(range(256)) * 4
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


def request(method: str = "GET", *, is_keep_alive: bool = True, is_http_10: bool = False) -> Request:
    return Request(method, "/x", "/x", "", "a.test", [], b"", is_keep_alive, is_http_10)


def answer(outcome: str, query: str = "", body: bytes = BODY, method: str = "GET") -> Answer:
    script = make_script(parse_query(query)[0])
    return make_answer(Resource(body), script, outcome, request(method), DATE)


def sent(made: Answer, steps_max: int = 100_000) -> bytes:
    return b"".join(step for step in itertools.islice(made.steps, steps_max) if isinstance(step, bytes))


def split(data: bytes) -> tuple[bytes, dict[str, str], bytes]:
    head, separator, body = data.partition(b"\r\n\r\n")
    assert separator
    status_line, *fields = head.decode("ascii").split("\r\n")
    return status_line.encode(), dict(field.split(": ", 1) for field in fields), body


def decode_chunks(data: bytes) -> tuple[bytes, bool]:
    """The body, and whether its last chunk and the end of the trailer were there."""
    body = b""
    while True:
        size_text, separator, rest = data.partition(b"\r\n")
        if not separator:
            return body, False
        size = int(size_text, 16)
        if size == 0:
            return body, rest == b"\r\n"
        if len(rest) < size + 2:
            return body + rest[:size], False
        assert rest[size : size + 2] == b"\r\n"
        body, data = body + rest[:size], rest[size + 2 :]


def test_ok_is_one_write_of_a_complete_answer() -> None:
    made = answer("ok")
    assert len(list(made.steps)) == 1
    status_line, fields, body = split(sent(made))
    assert status_line == b"HTTP/1.1 200 OK"
    assert fields == {"Date": DATE, "Content-Type": "text/plain; charset=utf-8", "Content-Length": "1024"}
    assert body == BODY
    assert (made.status, made.ending, made.is_whole) == (200, Ending.KEEP, True)


def test_the_short_way_makes_the_same_bytes_as_the_long_one() -> None:
    short = answer("ok")
    long = make_answer(Resource(BODY), Script(status=200), "ok", request(), DATE)
    assert sent(short) == sent(long)


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [("reset-before", Ending.RESET), ("close-before", Ending.CLOSE), ("hang", Ending.HOLD)],
)
def test_nothing_is_sent_before_the_answer(outcome: str, ending: Ending) -> None:
    made = answer(outcome)
    assert (sent(made), made.ending, made.status, made.is_whole) == (b"", ending, 0, False)


def test_garbage_is_no_status_line() -> None:
    made = answer("garbage")
    assert not sent(made).startswith(b"HTTP/")
    assert made.ending is Ending.CLOSE


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [("truncate", Ending.CLOSE), ("reset-body", Ending.RESET), ("stall", Ending.HOLD)],
)
@pytest.mark.parametrize(("cut", "left"), [("0", 0), ("0.25", 256), ("0.5", 512), ("1", 1023)])
def test_a_cut_body_is_shorter_than_its_content_length(outcome: str, ending: Ending, cut: str, left: int) -> None:
    made = answer(outcome, f"cut={cut}")
    _, fields, body = split(sent(made))
    assert fields["Content-Length"] == "1024"
    assert body == BODY[:left]
    assert (made.ending, made.is_whole) == (ending, False)


def test_a_reset_after_the_headers_sends_no_body() -> None:
    made = answer("reset-headers")
    assert split(sent(made))[2] == b""
    assert (made.ending, made.is_whole) == (Ending.RESET, False)


@pytest.mark.parametrize(("outcome", "ending"), [("reset-after", Ending.RESET), ("close-after", Ending.CLOSE)])
def test_a_late_break_comes_after_a_complete_answer(outcome: str, ending: Ending) -> None:
    made = answer(outcome)
    _, fields, body = split(sent(made))
    assert body == BODY
    assert "Connection" not in fields
    assert (made.ending, made.is_whole) == (ending, True)


def test_content_length_is_wrong_on_either_side() -> None:
    longer, shorter = answer("length-long"), answer("length-short")
    assert split(sent(longer))[1]["Content-Length"] == "1124"
    assert (longer.ending, longer.is_whole) == (Ending.HOLD, False)
    _, fields, body = split(sent(shorter))
    assert (fields["Content-Length"], body, shorter.ending) == ("512", BODY, Ending.KEEP)


@given(st.integers(1, 3000), st.integers(1, 4000))
def test_chunks_decode_to_the_body(size: int, chunk: int) -> None:
    body = BODY[:size]
    _, fields, framed = split(sent(answer("ok", f"framing=chunked&chunk={chunk}", body)))
    assert fields["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in fields
    assert decode_chunks(framed) == (body, True)


@given(st.integers(0, 3000), st.integers(1, 4000), st.floats(0, 1))
def test_truncated_chunks_never_reach_the_last_chunk(size: int, chunk: int, cut: float) -> None:
    made = answer("truncate-chunked", f"chunk={chunk}&cut={cut!r}", BODY[:size])
    _, fields, framed = split(sent(made))
    assert fields["Transfer-Encoding"] == "chunked"
    assert not decode_chunks(framed)[1]
    assert (made.ending, made.is_whole) == (Ending.CLOSE, False)


@given(st.integers(0, 1024), st.floats(0, 1))
def test_a_truncated_gzip_body_has_the_length_it_says_and_does_not_decode(size: int, cut: float) -> None:
    made = answer("truncate-gzip", f"cut={cut!r}", BODY[:size])
    _, fields, body = split(sent(made))
    assert fields["Content-Encoding"] == "gzip"
    assert fields["Content-Length"] == str(len(body))
    assert not made.is_whole
    with pytest.raises((EOFError, zlib.error, gzip.BadGzipFile)):
        gzip.decompress(body)


def test_a_drip_is_the_same_bytes_at_the_speed_asked_for() -> None:
    for outcome in ("drip-body", "drip-headers"):
        made = answer(outcome, "drip=100")
        steps = list(made.steps)
        assert b"".join(step for step in steps if isinstance(step, bytes)) == sent(answer("ok"))
        waited_s = sum(step for step in steps if isinstance(step, float))
        dripped = len(BODY) if outcome == "drip-body" else len(sent(answer("ok"))) - len(BODY)
        assert waited_s == pytest.approx(dripped / 100, abs=0.05)
        assert made.is_whole


def test_a_drip_below_one_byte_a_tick_sends_single_bytes() -> None:
    steps = list(answer("drip-body", "drip=1").steps)[1:]
    assert [len(step) for step in steps if isinstance(step, bytes)] == [1] * len(BODY)
    assert {step for step in steps if isinstance(step, float)} == {1.0}


def test_an_infinite_body_goes_on_and_each_chunk_is_valid() -> None:
    made = answer("infinite", "chunk=100")
    _, fields, framed = split(sent(made, steps_max=1001))
    assert fields["Transfer-Encoding"] == "chunked"
    body, is_ended = decode_chunks(framed)
    assert len(body) > 10_000
    assert not is_ended
    assert not made.is_whole


def test_many_headers_are_ten_thousand_more() -> None:
    fields = split(sent(answer("many-headers")))[1]
    assert len(fields) == 10_003
    assert len(split(sent(answer("ok", "headers=7")))[1]) == 10


def test_a_bomb_decodes_to_far_more_than_it_sends() -> None:
    data = sent(answer("gzip-bomb", "bomb=10M"))
    assert len(data) < 30_000
    assert gzip.decompress(split(data)[2]) == bytes(10 * 1024**2)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_framings_and_encodings_compose(framing: str, encoding: str) -> None:
    made = answer("ok", f"framing={framing}&encoding={encoding}&status=404&header=X-A:b&type=text/x")
    status_line, fields, body = split(sent(made))
    assert status_line == b"HTTP/1.1 404 Not Found"
    assert (fields["X-A"], fields["Content-Type"]) == ("b", "text/x")
    if framing == "chunked":
        body, is_ended = decode_chunks(body)
        assert is_ended
    assert (gzip.decompress(body) if encoding == "gzip" else body) == BODY
    assert made.ending is (Ending.CLOSE if framing == "close" else Ending.KEEP)
    assert fields.get("Connection") == ("close" if framing == "close" else None)


@pytest.mark.parametrize("outcome", FAULTS)
def test_a_head_request_never_gets_a_body(outcome: str) -> None:
    data = sent(answer(outcome, method="HEAD", query="bomb=1K"))
    if data.startswith(b"HTTP/"):
        assert split(data)[2] == b""


@pytest.mark.parametrize("outcome", ["truncate", "length-short", "truncate-gzip", "reset-body", "stall"])
def test_damage_to_an_empty_body_is_still_damage(outcome: str) -> None:
    _, fields, body = split(sent(answer(outcome, body=b"")))
    assert int(fields["Content-Length"]) != len(body) or outcome == "truncate-gzip"


def test_http_10_gets_no_chunks() -> None:
    made = make_answer(Resource(BODY), Script(framing="chunked"), "ok", request(is_http_10=True), DATE)
    _, fields, body = split(sent(made))
    assert "Transfer-Encoding" not in fields
    assert (fields["Connection"], body, made.ending) == ("close", BODY, Ending.CLOSE)


def test_a_client_that_wants_to_close_is_closed() -> None:
    made = make_answer(Resource(BODY), Script(), "ok", request(is_keep_alive=False), DATE)
    assert split(sent(made))[1]["Connection"] == "close"
    assert made.ending is Ending.CLOSE


def test_large_bodies_go_out_in_pieces() -> None:
    made = answer("ok", body=bytes(1_000_000))
    steps = list(made.steps)
    assert len(steps) == 5
    assert sum(len(step) for step in steps[1:] if isinstance(step, bytes)) == 1_000_000


def test_error_answers_carry_retry_after() -> None:
    made = make_error_answer(503, "why", request(), DATE, "7")
    status_line, fields, body = split(sent(made))
    assert status_line == b"HTTP/1.1 503 Service Unavailable"
    assert fields["Retry-After"] == "7"
    assert body == b"503 Service Unavailable: why\n"


@pytest.mark.parametrize(
    ("wanted", "status", "wait_s", "value"),
    [
        (None, 429, 0.0, "1"),
        (None, 429, 3.2, "4"),
        (None, 503, 0.0, None),
        ("auto", 503, 0.0, "1"),
        ("none", 429, 5.0, None),
        ("0", 429, 5.0, "0"),
        ("1000000000", 503, 0.0, "1000000000"),
        ("soon", 429, 0.0, "soon"),
        ("5", 500, 0.0, None),
    ],
)
def test_retry_after(wanted: str | None, status: int, wait_s: float, value: str | None) -> None:
    assert choose_retry_after(wanted, status, 1e9, wait_s) == value


def test_retry_after_as_a_date_counts_from_now() -> None:
    now_s = 1_700_000_000.0
    for offset_s in (90, -3600):
        value = choose_retry_after(f"date:{offset_s}", 429, now_s)
        assert value is not None
        assert parsedate_to_datetime(value).timestamp() == now_s + offset_s
