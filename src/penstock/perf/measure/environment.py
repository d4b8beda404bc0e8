"""The environment variables of a measured process: ours, but no proxy stands between it and this machine.

The rule holds for every client alike, since each reads `no_proxy`: a local origin is fetched from directly.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from penstock.perf.workload.model import Workload


def environment_for(workload: Workload, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with the loopback hosts of the workload's URLs added to `no_proxy`."""
    environment = dict(environ)
    local = sorted({host for item in workload.items if (host := _loopback_host(item)) is not None})
    if local:
        known = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
        environment["no_proxy"] = environment["NO_PROXY"] = ",".join(filter(None, [known, *local]))
    return environment


def _loopback_host(item: str) -> str | None:
    try:
        host = urlsplit(item).hostname if item[:4].lower() == "http" else None
        is_local = host is not None and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return None  # a name, or no URL at all
    return host if is_local else None
