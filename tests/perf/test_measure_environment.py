"""Which hosts a measured process reaches without the environment's proxy."""

from __future__ import annotations

import pytest
from measured_kit import workload_of

from penstock.perf.measure.environment import environment_for


def test_a_proxy_is_not_used_for_this_machine() -> None:
    items = (
        "http://127.0.0.2:80/a",
        "http://LOCALHOST/",
        "http://[::1]:8/",
        "http://example.com/",
        "no URL",
        "http://[",
    )
    environ = {"http_proxy": "http://proxy:1", "NO_PROXY": "example.org", "HOME": "/somewhere"}
    environment = environment_for(workload_of(*items), environ)
    assert environment["no_proxy"] == environment["NO_PROXY"] == "example.org,127.0.0.2,::1,localhost"
    assert environment["http_proxy"] == "http://proxy:1"
    assert environment["HOME"] == "/somewhere"


@pytest.mark.parametrize("items", [("http://example.com/",), ("just text",), ("127.0.0.1",)])
def test_without_items_on_this_machine_nothing_changes(items: tuple[str, ...]) -> None:
    assert environment_for(workload_of(*items), {"no_proxy": "a", "b": "c"}) == {"no_proxy": "a", "b": "c"}
