"""`--metrics`, `--otel` and `--log-format json` as a user runs them: scraped, exported and read while a run goes on."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from penstock.perf.origin.process import OriginProcess

pytestmark = pytest.mark.slow

COUNT = 120
WAIT_S = 60.0


def write_list(penstock: Any, origin: OriginProcess, query: str = "") -> None:
    penstock.write("list.txt", "".join(f"{origin.url}/page/{number}{query}\n" for number in range(COUNT)))


def scrape(url: str, **headers: str) -> str:
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        content: bytes = answer.read()
    return content.decode()


def attempts(text: str) -> float:
    found = {family.name: family.samples for family in text_string_to_metric_families(text)}
    return float(found["penstock_attempts"][0].value) if "penstock_attempts" in found else 0.0


def first_url(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        match = re.search(r"metrics on (http://\S+/metrics)", line)
        if match:
            return match[1]
    raise AssertionError("the run has not said where its metrics are")


def test_a_run_can_be_scraped_while_it_goes_on_and_its_port_ends_with_it(penstock: Any, fresh: OriginProcess) -> None:
    write_list(penstock, fresh, "?latency=0.1")
    arguments = ["fetch", "list.txt", "-o", "out", "-j", "4", "--metrics=127.0.0.1:0", "--metrics-hosts", "3"]
    with penstock.start(*arguments) as process:
        url = first_url(process)
        seen = [0.0]
        text = ""
        # The first window closes after a second. Bounded: the run ends after three, and its port with it.
        while seen[-1] < 30 or "penstock_stage_ratio" not in text:
            seen.append(attempts(text := scrape(url)))
        openmetrics = scrape(url, Accept="application/openmetrics-text; version=1.0.0")
        process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
    assert seen == sorted(seen)
    assert openmetrics.endswith("# EOF\n")
    assert seen[-1] <= COUNT
    assert f'penstock_host_answers_total{{host="{fresh.url}"}}' in text
    assert 'penstock_stage_ratio{stage="fetch",state="busy"}' in text
    with pytest.raises(urllib.error.URLError):
        scrape(url)


def test_a_page_of_another_site_cannot_read_the_metrics(penstock: Any, fresh: OriginProcess) -> None:
    write_list(penstock, fresh, "?latency=0.1")
    with penstock.start("fetch", "list.txt", "-o", "out", "-j", "4", "--metrics=127.0.0.1:0") as process:
        url = first_url(process)
        with pytest.raises(urllib.error.HTTPError) as rebound:
            scrape(url, Host="evil.test")
        rebound.value.close()
        with pytest.raises(urllib.error.HTTPError) as elsewhere:
            scrape(url.replace("/metrics", "/control"))
        elsewhere.value.close()
        process.communicate(timeout=WAIT_S)
    assert rebound.value.code == 421
    assert elsewhere.value.code == 404


def test_a_port_in_use_costs_the_metrics_and_not_the_run(penstock: Any, fresh: OriginProcess) -> None:
    write_list(penstock, fresh)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = penstock("fetch", "list.txt", "-o", "out", "-q", f"--metrics=127.0.0.1:{port}")
    assert len(penstock.rows()) == COUNT
    assert f"no metrics: 127.0.0.1:{port} cannot be had" in done.stderr


# --- OpenTelemetry

CONSOLE = {"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "console"}


def documents(text: str) -> Iterator[dict[str, Any]]:
    """What the console exporters have printed: JSON objects, one after the other."""
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text):
        document, position = decoder.raw_decode(text, position)
        yield document
        position += len(text[position:]) - len(text[position:].lstrip())


def test_every_attempt_is_a_span_linked_to_the_runs_and_metrics_are_exported(
    penstock: Any, fresh: OriginProcess
) -> None:
    write_list(penstock, fresh, "?sequence=503,ok&retry_after=0")
    done = penstock("fetch", "list.txt", "-o", "out", "--otel", "--otel-ratio", "1", env=CONSOLE)
    found = list(documents(done.stdout))
    spans = [document for document in found if "context" in document]
    (run,) = [span for span in spans if span["name"] == "penstock fetch"]
    attempted = [span for span in spans if span["name"] == "GET"]
    statuses = [span["attributes"]["http.response.status_code"] for span in attempted]
    assert (statuses.count(503), statuses.count(200), len(statuses)) == (COUNT, COUNT, 2 * COUNT)
    assert len({span["context"]["trace_id"] for span in attempted}) == COUNT
    assert {link["context"]["span_id"] for span in attempted for link in span["links"]} == {run["context"]["span_id"]}
    assert run["attributes"]["penstock.items.written"] == COUNT
    assert run["attributes"]["penstock.exit_code"] == 0
    exported = [document for document in found if "resource_metrics" in document][-1]
    metrics = {
        metric["name"]: metric
        for resource in exported["resource_metrics"]
        for scope in resource["scope_metrics"]
        for metric in scope["metrics"]
        if metric["name"].startswith("penstock.")
    }
    assert metrics["penstock.attempts"]["data"]["data_points"][0]["value"] == 2 * COUNT


def test_an_exporter_that_is_not_installed_is_told_before_anything_starts(penstock: Any, fresh: OriginProcess) -> None:
    write_list(penstock, fresh)
    done = penstock("fetch", "list.txt", "-o", "out", "--otel", exit_code=2, env={"OTEL_TRACES_EXPORTER": "absent"})
    assert "OTEL_TRACES_EXPORTER, got 'absent'" in done.stderr
    assert not (penstock.folder / "out").exists()


# --- JSON lines


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_stderr_holds_json_lines_and_nothing_else(penstock: Any, fresh: OriginProcess) -> None:
    write_list(penstock, fresh, "?_token=S3CR3T&fault=404:0.5")
    done = penstock("fetch", "list.txt", "-o", "out", "--log-format", "json", "--metrics=127.0.0.1:0", exit_code=1)
    events = lines(done.stderr)
    assert [event["event"] for event in events] == ["notice", "run_started", "run_finished"]
    assert all(event["time"].endswith("Z") and event["level"] == "info" for event in events)
    last = events[-1]
    assert (last["exit_code"], last["items"]["admitted"]) == (1, COUNT)
    assert last["failures"]["http_4xx"] == last["items"]["failed"]
    assert last["verdict"]["label"]
    assert "S3CR3T" not in done.stderr


def test_an_interrupted_run_says_so_in_its_lines(penstock: Any, fresh: OriginProcess) -> None:
    write_list(penstock, fresh, "?latency=0.2")
    with penstock.start("fetch", "list.txt", "-o", "out", "-j", "4", "--log-format", "json") as process:
        assert process.stderr is not None
        started = json.loads(process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=WAIT_S)
    events = lines(rest)
    assert started["event"] == "run_started"
    assert process.returncode == 143
    assert [event["event"] for event in events] == ["drain_started", "run_finished"]
    assert events[-1]["exit_code"] == 143
