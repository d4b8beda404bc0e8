"""The sentences of a refusal: which alternative, what happened, what the others did, what to do; safe to copy."""

from __future__ import annotations

import pytest
from session_kit import WORKLOAD, ran

from penstock.perf.compare.outputs import Outputs
from penstock.perf.compare.refusals import alternative_failed, items_failed, others_did
from penstock.perf.measure.model import AlternativeError, RunRequest, Trouble
from penstock.perf.workload.model import Workload


def test_others_are_grouped_by_what_they_did() -> None:
    assert others_did({}) == ""
    told = others_did({"sync": "8 items, all well", "asyncio": "not tried", "threads": "8 items, all well"})
    assert told == "; sync, threads: 8 items, all well; asyncio: not tried"


@pytest.mark.parametrize("trouble", ["start", "raised", "timeout", "died"])
def test_every_trouble_has_a_way_out(trouble: Trouble) -> None:
    refusal = alternative_failed(AlternativeError("sync", trouble, "it broke"), WORKLOAD, {})
    assert (refusal.kind, refusal.message) == (trouble, "sync: it broke")
    assert refusal.hint
    assert "{" not in refusal.hint


def test_a_command_in_a_hint_can_be_copied_whole_and_does_nothing_else() -> None:
    url = "http://user:secret@127.0.0.1:1/" + "a" * 200 + "?q='; rm -rf x'"
    workload = Workload("w", "", (url,))
    refusal = items_failed("sync", ran(RunRequest(), 10, failures=[(4, "http_404")]), workload, {})
    assert "a" * 200 in refusal.hint
    assert "secret" not in refusal.message + refusal.hint
    assert "'\"'\"'; rm -rf x'\"'\"''" in refusal.hint
    assert "…" in refusal.message


def test_a_failure_without_an_example_is_counted_all_the_same() -> None:
    result = ran(RunRequest(items=8), 10)
    result.failed = 3
    refusal = items_failed("sync", result, WORKLOAD, {"threads": "1 round, all well"})
    assert refusal.message == "sync: 3 of 11 items failed; threads: 1 round, all well"


def test_what_was_seen_first_is_what_others_are_held_against() -> None:
    outputs = Outputs(WORKLOAD)
    request = RunRequest(items=2)
    assert outputs.differ("sync", ran(request, 10, digests={0: "a", 1: "b"})) is None
    assert outputs.differ("threads", ran(request, 10, digests={1: "b", 2: "c"})) is None
    refusal = outputs.differ("asyncio", ran(request, 10, digests={2: "other"}))
    assert refusal is not None
    assert refusal.kind == "different_output"
    assert "threads" in refusal.message
    assert "asyncio" in refusal.message
    assert "sync:" not in refusal.message.replace("asyncio:", "")


def test_an_alternative_is_held_against_itself() -> None:
    outputs = Outputs(WORKLOAD)
    outputs.differ("sync", ran(RunRequest(items=2), 10, digests={0: "a"}))
    refusal = outputs.differ("sync", ran(RunRequest(items=2), 10, digests={0: "b"}))
    assert refusal is not None
    assert refusal.message.startswith("sync: different outputs in two runs")
