"""Whether every run of every alternative gave the same output for the same item.

Decides by digests, first come first: whoever did an item first is what the others are held against. The rule: one
item that differs anywhere, in a check or in a timed run, is enough.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

from penstock.errors import Bug
from penstock.perf.compare.model import Refusal
from penstock.perf.measure.model import RunResult
from penstock.perf.workload.agree import disagreement, unstable
from penstock.perf.workload.model import Workload


class _Seen(NamedTuple):
    name: str
    digest: str
    sample: str | None


class Outputs:
    """The outputs seen so far: one digest for each item of the workload."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._seen: dict[int, _Seen] = {}

    def differ(self, name: str, result: RunResult) -> Refusal | None:
        """Add a run of `name`; a refusal when one of its outputs is not what was seen before. 0.05 µs for each item."""
        for index, digest in result.digests.items():
            seen = self._seen.get(index)
            if seen is None:
                self._seen[index] = _Seen(name, digest, result.samples.get(index))
            elif seen.digest != digest:
                return self._refusal(seen, name, index, result)
        return None

    def _refusal(self, seen: _Seen, name: str, index: int, result: RunResult) -> Refusal:
        before = _one_item(index, seen.digest, seen.sample)
        now = _one_item(index, result.digests[index], result.samples.get(index))
        if seen.name == name:
            refusal = unstable(self._workload, before, now, name=name)
        else:
            refusal = disagreement(self._workload, {seen.name: before, name: now})
        if refusal is None:
            raise Bug(f"outputs of item {index} differ and agree: {seen.name}, {name}")
        return refusal


def _one_item(index: int, digest: str, sample: str | None) -> RunResult:
    """A run that did one item, for the sentence that tells of it."""
    no_times = array("d")
    return RunResult(
        "closed",
        1,
        0.0,
        0.0,
        0,
        no_times,
        no_times,
        no_times,
        digests={index: digest},
        samples={} if sample is None else {index: sample},
    )
