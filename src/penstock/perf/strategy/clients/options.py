"""Penstock's fetch options for a workload: its defaults, but no time-out shorter than the workload's limit for an item.

So a server that never answers is that item's failure, with a message, before it is the end of the comparison.
"""

from __future__ import annotations

from penstock.fetch.options import FetchOptions
from penstock.perf.workload.model import Workload


def fetch_options(workload: Workload) -> FetchOptions:
    limit_s = workload.item_s_max
    return FetchOptions(
        connect_timeout_s=limit_s,
        first_byte_timeout_s=limit_s,
        idle_timeout_s=limit_s,
        total_timeout_s=limit_s,
        ca_file=workload.ca_file,
    )
