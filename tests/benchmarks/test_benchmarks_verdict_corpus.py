"""The labelled corpus of the verdict: complete, runnable as written, and what stands around a run does what it says."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qsl, urlsplit

import pytest
from benchmarks.verdict.corpus import SCENARIOS
from benchmarks.verdict.parts import PARTS
from benchmarks.verdict.relay import Link
from benchmarks.verdict.resolver import answer
from benchmarks.verdict.scenario import Scenario

from penstock.config import build_job
from penstock.perf.origin.scenario import parse_scenario
from penstock.process.load import load_function
from penstock.telemetry.verdict_rules import Label


def test_the_corpus_is_large_and_every_label_is_in_it() -> None:
    assert len(SCENARIOS) >= 40
    assert {one.truth for one in SCENARIOS} == set(get_args(Label))
    assert max(Counter(one.name for one in SCENARIOS).values()) == 1


def test_the_held_out_half_is_about_a_half_and_knows_nearly_every_label() -> None:
    held = [one for one in SCENARIOS if one.half == "hold-out"]
    assert 0.4 <= len(held) / len(SCENARIOS) <= 0.6
    assert {one.truth for one in held} >= set(get_args(Label)) - {"mixed"}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_a_scenario_is_one_that_can_be_run(scenario: Scenario, tmp_path: Path) -> None:
    settings: Any = {**scenario.settings, "allow_private": ["all"]}
    job = build_job(["-"], tmp_path / "out", settings)
    assert job.engine.concurrency >= 4
    assert scenario.because
    assert scenario.parts is None or scenario.parts in PARTS
    parse_scenario({"defaults": dict(parse_qsl(urlsplit(scenario.path).query))}, scenario.name)  # parameters it knows
    if job.process.function is not None:
        assert callable(load_function(job.process.function) if isinstance(job.process.function, str) else None)


def question(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 77, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def test_the_name_server_answers_every_name_with_this_machine() -> None:
    reply = answer(question("h7.test", 1))
    assert reply is not None
    number, flags, questions, answers, _, _ = struct.unpack_from("!HHHHHH", reply)
    assert (number, questions, answers) == (77, 1, 1)
    assert flags & 0x8000
    assert reply.endswith(bytes([127, 0, 0, 1]))


def test_the_name_server_has_no_address_of_version_six() -> None:
    reply = answer(question("h7.test", 28))
    assert reply is not None
    assert struct.unpack_from("!HHHHHH", reply)[3] == 0


@pytest.mark.parametrize("garbage", [b"", b"\0" * 11, question("a.test", 1)[:-1], answer(question("a.test", 1))])
def test_the_name_server_is_silent_to_what_is_no_question(garbage: bytes) -> None:
    assert answer(garbage) is None


def test_a_link_carries_all_connections_together_at_its_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def no_sleep(delay_s: float) -> None:
        waits.append(delay_s)

    async def carry() -> None:
        link = Link(1000.0)
        for _ in range(4):
            await link.carry(500)

    monkeypatch.setattr(asyncio, "sleep", no_sleep)
    asyncio.run(carry())
    assert waits == pytest.approx([0.5, 1.0, 1.5, 2.0], abs=0.1)
