"""The strategies' report says what the comparison says: every workload, every number, no verdict of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks.strategies.effects import interpreter_section, process_section, thread_section, uvloop_section
from benchmarks.strategies.report import page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "perf"))

from compare_kit import comparison

KEYS = ["thread switch", "thread pool"]
KEYS += [f"{what}, {loop}" for what in ("task switch", "socket wake-up") for loop in ("asyncio", "uvloop")]
KEYS += [f"process pool, {size}" for size in ("nothing", "1 KB", "100 KB", "4 MB")]
KEYS += ["CPU, plain loop", "CPU, 2 threads", "CPU, 8 threads", "CPU, a process per core"]
KEYS += [f"loop late, {what}" for what in ("nothing else", "1 busy thread", "2 busy threads", "busy task")]
COSTS = {key: {"median": 1e-3 * n, "low": 9e-4 * n, "high": 1.1e-3 * n} for n, key in enumerate(KEYS, 1)}


@pytest.fixture
def text() -> str:
    return page([comparison()], COSTS)


def test_every_alternative_and_the_recommendation_stand_on_the_page(text: str) -> None:
    one = comparison()
    for summary in one.summaries:
        assert f"- **{summary.name}**: " in text
    assert one.recommendation is not None
    assert f"**{one.recommendation.name}**: {one.recommendation.reason}" in text
    assert all(sentence in text for sentence in one.commentary[:3])


def test_each_cost_stands_in_its_section() -> None:
    one = [comparison()]
    sections = (interpreter_section, uvloop_section, thread_section, process_section)
    told = "\n".join(line for section in sections for line in section(one, COSTS))
    assert "| nothing | 7.0 ms | 6.3 ms–7.7 ms |" in told
    assert "| 4 MB | 10.0 ms | 9.0 ms–11.0 ms |" in told
    # Relative to the plain loop, the eleventh cost.
    assert "| 8 threads | 1.18× | 1.06–1.30 |" in told
    assert "by 15.0 ms when nothing else runs" in told


def test_links_lead_to_the_pictures_of_each_workload(text: str) -> None:
    name = comparison().workload
    assert f"strategies/{name}-throughput.svg" in text
    assert f"(#{name})" in text
