"""Reading commands, and the one object that tells a page how a run is: plain values, no server."""

from __future__ import annotations

import json
import math
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.dashboard.controls import ACTIONS, CONCURRENCY_MAX, Command, Steering, read_command
from penstock.perf.dashboard.live import encoded, live_json
from penstock.perf.dashboard.security import Refusal
from penstock.telemetry.counters import Counters
from penstock.telemetry.rates import Rates
from penstock.telemetry.snapshot import HostRow, Snapshot

JSON = "application/json"
values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)


@pytest.mark.parametrize("action", ["pause", "resume", "drain"])
def test_a_plain_action_is_understood(action: str) -> None:
    command = read_command("Application/JSON; charset=utf-8", json.dumps({"action": action}).encode())
    assert isinstance(command, Command)
    assert command.action == action


@given(st.integers(1, CONCURRENCY_MAX))
def test_a_concurrency_is_understood(value: int) -> None:
    body = json.dumps({"action": "concurrency", "value": value}).encode()
    assert read_command(JSON, body) == Command("concurrency", value)


@given(st.binary(max_size=100))
def test_no_bytes_make_it_raise(body: bytes) -> None:
    assert isinstance(read_command(JSON, body), Refusal | Command)


@given(st.dictionaries(st.sampled_from(["action", "value", "more"]), values | st.sampled_from(ACTIONS), max_size=3))
def test_only_whole_commands_are_obeyed(document: dict[str, object]) -> None:
    command = read_command(JSON, json.dumps(document).encode())
    if isinstance(command, Refusal):
        assert command.status == 400
        assert command.hint
        return
    allowed = {"action", "value"} if command.action == "concurrency" else {"action"}
    assert set(document) == allowed
    assert document["action"] == command.action
    if command.action == "concurrency":
        assert type(document["value"]) is int
        assert 1 <= command.concurrency <= CONCURRENCY_MAX


@pytest.mark.parametrize("content_type", ["", "text/plain", "text/plain; application/json", "application/jsonp"])
def test_what_a_form_could_send_is_not_read(content_type: str) -> None:
    refusal = read_command(content_type, b'{"action":"pause"}')
    assert isinstance(refusal, Refusal)
    assert refusal.status == 415


def test_ten_commands_at_once_and_then_five_a_second() -> None:
    clock = count(0, 0.0)
    steering = Steering(lambda: next(clock))
    assert sum(steering.refuse_too_many() is None for _ in range(50)) == 10
    ticking = count(0, 0.05)
    steering = Steering(lambda: next(ticking))
    taken = sum(steering.refuse_too_many() is None for _ in range(2000))  # 100 s
    assert 505 <= taken <= 511


# --- what the page is told


def test_the_state_is_json_whatever_the_numbers_and_names_are() -> None:
    host = HostRow("http://h\u2028ost\n:80", ttfb_s_mean=math.inf, note="\x1b[31m")
    snapshot = Snapshot(1.0, Counters(), loop_lag_s_p95=math.nan, hosts=[host], state="draining: 3 in flight")
    told = live_json(snapshot, Rates(), "draining")
    assert told.isascii()
    assert b"\n" not in told, "a server-sent event would end there"
    document = json.loads(told)
    assert document["loop_lag_s_p95"] is None
    assert document["hosts"][0][7] is None
    assert document["phase"] == "draining"
    assert document["items"]["admitted"] == document["items"]["written"] + document["items"]["pending"]


@given(st.dictionaries(st.text(), values))
def test_everything_encoded_is_strict_json_on_one_line(document: dict[str, object]) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    told = encoded(document)
    json.loads(told, parse_constant=refuse)
    assert told.isascii()
    assert b"\n" not in told
    assert b"\r" not in told
