"""What `penstock tune` measures by default: the embedded origin as a server with a known capacity, and so a known knee.

It starts and stops a process and measures nothing. The rule: the capacity comes from the slots, far below what the
origin's own process can do, so that the curve is the scripted server's and not Python's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.perf.workload.model import Workload

NAME = "slots"
SLOTS = 16
_LATENCY_S = 0.02
_SIGMA = 0.3
_ITEMS = 256
ABOUT = (
    f"an origin on this machine that serves {SLOTS} requests at once, {_LATENCY_S * 1000:g} ms each (lognormal), and "
    "lets the others queue"
)


@contextmanager
def slots_workload() -> Iterator[Workload]:
    """Start the origin, give the workload, stop the origin.

    By the asymptotic bounds of a closed network, throughput is N over 21 ms (the mean of that lognormal distribution)
    up to 16 at once and 16 over 21 ms, 765/s, from there on; what is more only waits.
    """
    from penstock.perf.origin.process import OriginProcess

    rule = {"path": "/page/*", "latency": f"lognormal:{_LATENCY_S},{_SIGMA}", "slots": SLOTS, "queue": 100_000}
    with OriginProcess({"seed": 16, "rule": [{**rule, "bytes": "2K"}]}, is_logging=False) as origin:
        yield Workload(
            name=NAME, about=ABOUT, items=tuple(f"{origin.url}/page/{number}" for number in range(_ITEMS)), run_s=0.6
        )
