"""The presets against the real origin: every URL answers, outputs differ by item, and CPU work is in the URLs."""

from __future__ import annotations

import importlib.util
import socket
import ssl
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from penstock.errors import ConfigError
from penstock.model import Response
from penstock.perf.workload.digest import digest
from penstock.perf.workload.presets import PRESETS, cores, find_presets, preset_workload
from penstock.perf.workload.work import REPETITIONS, output_function


def test_all_is_every_preset_in_order() -> None:
    assert list(PRESETS) == ["io-20ms", "io-200ms", "cpu-5ms", "mixed", "small", "large", "tls"]
    assert find_presets("all") == tuple(PRESETS.values())
    assert find_presets("small") == (PRESETS["small"],)
    for preset in find_presets("all"):
        assert len(preset.about) <= 110
        assert 64 <= preset.items <= 256


def test_the_reference_says_what_each_preset_is() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "workloads.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:3] == "| `"]
    shown = {row[0].strip("`"): row[2:6] for row in rows if len(row) == 7}
    assert shown == {
        preset.name: [
            str(preset.items),
            str(preset.concurrency),
            str(preset.processes or "cores"),
            f"{preset.run_s:g} s",
        ]
        for preset in PRESETS.values()
    }


def test_a_wrong_name_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match="got 'smal'") as caught:
        find_presets("smal")
    assert caught.value.hint == "did you mean small?"
    with pytest.raises(ConfigError, match="expected one preset"), preset_workload("all"):
        pass


def test_tls_without_trustme_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "trustme" else find(name))
    with pytest.raises(ConfigError, match="preset tls: expected the trustme library") as caught, preset_workload("tls"):
        pass
    assert caught.value.hint == "pip install 'penstock[perf]'"


def test_the_pool_for_cpu_work_has_a_worker_for_each_core() -> None:
    assert 2 <= cores() <= 8


def fetched(url: str, context: ssl.SSLContext | None) -> tuple[Response, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(url, timeout=30) as answer:
        return Response(0, url, url, answer.status, answer.read()), str(answer.headers.get("Connection", ""))


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_serves_items_whose_outputs_differ_and_repeat(name: str) -> None:
    preset = PRESETS[name]
    with preset_workload(name) as workload:
        assert len(set(workload.items)) == preset.items
        assert workload.about.startswith(preset.about)
        make = output_function(workload)
        context = ssl.create_default_context(cafile=workload.ca_file) if workload.ca_file else None
        outputs = {}
        for url in workload.items[:6]:
            response, connection = fetched(url, context)
            assert response.fetch_status == 200
            outputs[url] = digest(make(response))
            assert (urlsplit(url).scheme == "https") is preset.is_tls
            if preset.is_tls:
                assert connection == "close"
        assert len(set(outputs.values())) == 6
        first = workload.items[0]
        assert digest(make(fetched(first, context)[0])) == outputs[first]
        port = urlsplit(first).port
        assert port is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.slow
def test_cpu_work_is_measured_here_and_written_into_every_url() -> None:
    amounts = {}
    for name in ("cpu-5ms", "mixed"):
        with preset_workload(name) as workload:
            texts = {url.rpartition(f"{REPETITIONS}=")[2] for url in workload.items}
            assert len(texts) == 1
            amounts[name] = int(texts.pop())
            assert f"({amounts[name]} repetitions here)" in workload.about
    assert amounts["cpu-5ms"] > amounts["mixed"] >= 1
