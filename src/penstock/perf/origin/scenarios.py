"""Scenarios that come with Penstock, as documents in the form of a scenario file. Data only."""

from __future__ import annotations

DEMO_HOSTS = 20


def demo_hosts() -> list[str]:
    """The virtual hosts of the demo: `host01.test` to `host20.test`. Reach them through `--resolve` or 127.0.0.2…21."""
    return [f"host{number:02}.test" for number in range(1, DEMO_HOSTS + 1)]


def demo_addresses() -> list[str]:
    """The addresses of the demo's hosts, in the same order: 127.0.0.2 to 127.0.0.21 (`--hosts 20`)."""
    return [f"127.0.0.{number + 1}" for number in range(1, DEMO_HOSTS + 1)]


def demo_scenario() -> dict[str, object]:
    """20 hosts with medians from 5 to 80 ms and about 5 % faults, most of which a later attempt survives.

    By share of paths: 1.5 % answer 503 twice, 0.5 % 429 with Retry-After 1 once, 0.4 % 404 and 0.2 % 500 for ever. By
    share of attempts: 1 % reset in the body, 0.5 % reset before the answer, 1 % truncated body. Each host is known by
    its name and by its address, with the same latencies.
    """
    rules: list[dict[str, object]] = []
    for index, (host, address) in enumerate(zip(demo_hosts(), demo_addresses(), strict=True)):
        median_s = round(0.005 * 16 ** (index / (DEMO_HOSTS - 1)), 4)
        rules += [{"host": name, "latency": f"lognormal:{median_s},0.4"} for name in (host, address)]
    faults = {
        "path": "/page/*",
        "fail": "2:503:0.015,1:429:0.005,always:404:0.004,always:500:0.002",
        "fault": "reset-body:0.01,reset-before:0.005,truncate:0.01",
    }
    return {"seed": 2026, "rule": [*rules, faults]}
