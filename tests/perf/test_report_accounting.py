"""The accounting identity: right only when the sum, the run's own check and the ledger agree, and said so otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.accounts import Counts
from penstock.perf.report.accounting import from_ledger, from_stats

ITEMS = {"admitted": 110, "written": 90, "failed": 10, "skipped": 5, "pending": 5}
LEDGER = Counts(90, 10, 5, {"dns": 10})


def stats(**changes: Any) -> dict[str, Any]:
    return {"items": {**ITEMS, **changes}, "accounting": {"is_right": True, "problem": ""}}


def test_a_run_that_adds_up_is_right() -> None:
    accounting = from_stats(stats(), LEDGER)
    assert accounting is not None
    assert accounting.is_right
    assert accounting.admitted == 110
    assert accounting.durable == 105
    assert "ledger" in accounting.basis


@given(st.dictionaries(st.sampled_from(sorted(ITEMS)), st.integers(0, 200), min_size=1))
def test_any_sum_that_is_off_is_found(changes: dict[str, int]) -> None:
    document = stats(**changes)
    items = document["items"]
    is_off = items["admitted"] != sum(items[name] for name in ITEMS if name != "admitted")
    accounting = from_stats(document, None)
    assert accounting is not None
    assert accounting.is_right is not is_off


@pytest.mark.parametrize("name", ["written", "failed", "skipped"])
def test_a_ledger_that_holds_something_else_is_told_with_both_numbers(name: str) -> None:
    holds = {"written": 90, "failed": 10, "skipped": 5, name: 77}
    accounting = from_stats(stats(), Counts(holds["written"], holds["failed"], holds["skipped"], {}))
    assert accounting is not None
    assert len(accounting.problems) == 1
    assert f"{ITEMS[name]} {name}" in accounting.problems[0]
    assert "77" in accounting.problems[0]


def test_the_problem_that_the_run_itself_found_is_passed_on() -> None:
    document = stats() | {"accounting": {"is_right": False, "problem": "pending is 5 but the engine holds 6 items"}}
    accounting = from_stats(document, LEDGER)
    assert accounting is not None
    assert accounting.problems == ("pending is 5 but the engine holds 6 items",)


def test_a_negative_number_is_never_right() -> None:
    accounting = from_stats(stats(pending=-5, written=100), None)
    assert accounting is not None
    assert not accounting.is_right


@pytest.mark.parametrize("items", [None, [], "x", {}, {**ITEMS, "failed": None}, {**ITEMS, "written": "90"}])
def test_without_all_five_numbers_there_is_no_identity(items: object) -> None:
    assert from_stats({"items": items}, None) is None
    assert from_stats(None, LEDGER) is None


def test_the_ledger_alone_tells_what_is_durable_and_what_is_known_to_be_pending() -> None:
    accounting = from_ledger(LEDGER, 130)
    assert (accounting.admitted, accounting.pending, accounting.durable) == (130, 25, 105)
    assert accounting.is_right


def test_a_count_of_admitted_items_below_the_durable_ones_is_not_believed() -> None:
    accounting = from_ledger(LEDGER, 0)
    assert accounting.admitted is None
    assert accounting.pending is None
    assert accounting.durable == 105
