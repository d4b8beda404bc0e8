"""Whether alternatives did the same work: each way of not agreeing has its own refusal, which names who and where."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.measure.model import RunResult
from penstock.perf.workload.agree import disagreement, unstable
from penstock.perf.workload.digest import digest
from penstock.perf.workload.model import Workload

WORKLOAD = Workload("urls", "", tuple(f"http://user:secret@a.test/{k}" for k in range(10)))
CODE = Workload("code", "", ("0", "1"))


def run_of(outputs: Mapping[int, object], *, failed: int = 0, message: str = "", pushbacks: int = 0) -> RunResult:
    times = array("d", [0.0] * len(outputs))
    return RunResult(
        "closed",
        1,
        1.0,
        0.1,
        0,
        times,
        times,
        times,
        digests={index: digest(output) for index, output in outputs.items()},
        samples={index: repr(output)[:200] for index, output in outputs.items()},
        failures=[(13, message)] if message else [],
        failed=failed,
        pushbacks=pushbacks,
    )


SAME = run_of({k: {"n": k} for k in range(10)})


def test_alternatives_that_agree_are_compared() -> None:
    assert disagreement(WORKLOAD, {"sync": SAME, "threads": SAME, "asyncio": run_of({3: {"n": 3}})}) is None
    assert disagreement(WORKLOAD, {"sync": SAME}) is None
    assert disagreement(WORKLOAD, {}) is None


def test_the_odd_one_out_is_named_with_the_items_and_both_outputs() -> None:
    odd = run_of({k: {"n": 0 if k in (4, 7) else k} for k in range(10)})
    refusal = disagreement(WORKLOAD, {"sync": SAME, "threads": odd, "asyncio": SAME})
    assert refusal is not None
    assert refusal.kind == "different_output"
    first, *rest = refusal.message.splitlines()
    assert first == "different outputs for 2 of 10 items; sync, asyncio agree; threads differs:"
    assert rest == [
        "  item 4 (http://a.test/4):",
        "    sync, asyncio: {'n': 4}",
        "    threads: {'n': 0}",
        "  item 7 (http://a.test/7):",
        "    sync, asyncio: {'n': 7}",
        "    threads: {'n': 0}",
    ]
    assert "--process" in refusal.hint


def test_without_a_majority_all_groups_are_named() -> None:
    refusal = disagreement(CODE, {"a": run_of({0: 1}), "b": run_of({0: 2}), "c": run_of({0: 3})})
    assert refusal is not None
    assert refusal.message.startswith("different outputs for the one item; these agree with each other: a; b; c:")
    assert "--process" not in refusal.hint
    assert "time stamps" in refusal.hint


def test_long_outputs_are_shown_where_they_differ() -> None:
    text = "x" * 150
    refusal = disagreement(CODE, {"a": run_of({0: text + "LEFT"}), "b": run_of({0: text + "RIGHT"})})
    assert refusal is not None
    assert "a: …" in refusal.message
    assert "LEFT" in refusal.message
    assert "RIGHT" in refusal.message


def test_outputs_that_differ_past_what_was_kept_say_so() -> None:
    refusal = disagreement(CODE, {"a": run_of({0: "x" * 500 + "L"}), "b": run_of({0: "x" * 500 + "R"})})
    assert refusal is not None
    assert "the same as far as it was kept" in refusal.message


def test_the_order_of_a_set_is_seen_for_what_it_is() -> None:
    refusal = disagreement(CODE, {"a": run_of({0: ["x", "y", "z"]}), "b": run_of({0: ["z", "x", "y"]})})
    assert refusal is not None
    assert refusal.message.splitlines()[2:] == [
        "    a: ['x', 'y', 'z']",
        "    b: ['z', 'x', 'y'] (the same parts in another order)",
    ]
    assert "sort what comes from a set" in refusal.hint


def test_outputs_without_text_are_shown_by_their_digest() -> None:
    a, b = run_of({0: 1}), run_of({0: 2})
    a.samples = b.samples = {}
    refusal = disagreement(CODE, {"a": a, "b": b})
    assert refusal is not None
    assert f"a: an output with the digest {digest(1)[:12]}" in refusal.message


def test_failed_items_refuse_before_outputs_are_looked_at() -> None:
    broken = run_of({0: "other"}, failed=9, message="http_404: got 404 from http://user:secret@a.test/3")
    refusal = disagreement(WORKLOAD, {"sync": SAME, "threads": broken})
    assert refusal is not None
    assert refusal.kind == "raised"
    assert "threads: 9 of 10 items; first item 3 (http://a.test/3): http_404" in refusal.message
    assert "none failed under sync" in refusal.message
    assert "secret" not in refusal.message


def test_a_server_that_pushes_back_is_named_before_the_failures_it_caused() -> None:
    limited = run_of({0: 0}, failed=9, message="http_429", pushbacks=7)
    refusal = disagreement(WORKLOAD, {"sync": SAME, "penstock": limited})
    assert refusal is not None
    assert refusal.kind == "pushback"
    assert "penstock 7 of 10" in refusal.message


def test_alternatives_without_a_common_item_are_not_compared() -> None:
    refusal = disagreement(WORKLOAD, {"sync": run_of({0: 0}), "threads": SAME, "asyncio": run_of({1: {"n": 1}})})
    assert refusal is not None
    assert refusal.kind == "too_few_items"
    assert "sync and asyncio" in refusal.message


def test_many_alternatives_are_cut_in_the_message() -> None:
    refusal = disagreement(CODE, {**{f"a{k}": run_of({0: 1}) for k in range(9)}, "odd": run_of({0: 2})})
    assert refusal is not None
    assert "a5 and 3 more agree; odd differs" in refusal.message
    failed = {f"a{k}": run_of({}, failed=1, message="x") for k in range(9)}
    refusal = disagreement(CODE, failed)
    assert refusal is not None
    assert "and 3 more alternatives" in refusal.message


def test_a_function_that_changes_its_mind_is_named() -> None:
    first, second = run_of({0: {"at": 1}, 1: "same"}), run_of({0: {"at": 2}, 1: "same", 2: "new"})
    assert unstable(CODE, first, first) is None
    assert unstable(CODE, run_of({0: 1}), run_of({1: 1})) is None
    refusal = unstable(CODE, first, second, name="fetch · sync")
    assert refusal is not None
    assert refusal.kind == "different_output"
    assert refusal.message.splitlines() == [
        "fetch · sync: different outputs in two runs for 1 of 2 items:",
        "  item 0 (0):",
        "    first:  {'at': 1}",
        "    second: {'at': 2}",
    ]
    assert "random numbers" in refusal.hint


names = st.sampled_from(["a", "b", "c", "d"])


@given(st.dictionaries(names, st.dictionaries(st.integers(0, 4), st.integers(0, 1), min_size=1), min_size=1))
def test_a_refusal_for_outputs_comes_exactly_when_two_differ_on_a_common_item(
    outputs: dict[str, dict[int, int]],
) -> None:
    refusal = disagreement(WORKLOAD, {name: run_of(own) for name, own in outputs.items()})
    pairs = [(one, other) for one in outputs.values() for other in outputs.values()]
    apart = any(not one.keys() & other.keys() for one, other in pairs)
    differ = any(one[k] != other[k] for one, other in pairs for k in one.keys() & other.keys())
    expected = "too_few_items" if apart else "different_output" if differ else None
    assert (refusal and refusal.kind) == expected


@pytest.mark.parametrize("text", ["line\nbreak", "esc\x1b[31m"])
def test_outputs_of_strangers_cannot_move_the_cursor(text: str) -> None:
    a, b = run_of({0: 1}), run_of({0: 2})
    a.samples = {0: text}
    refusal = disagreement(CODE, {"a": a, "b": b})
    assert refusal is not None
    assert len(refusal.message.splitlines()) == 4
    assert "\x1b" not in refusal.message
