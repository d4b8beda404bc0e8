"""Results and requests come out of the pipe as they went in, to the last bit."""

from __future__ import annotations

import json
from array import array

from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.measure.model import RunRequest, RunResult
from penstock.perf.measure.wire import request_from_json, request_to_json, result_from_json, result_to_json

_finite = st.floats(allow_nan=False, allow_infinity=False)
_times = st.lists(_finite).map(lambda values: array("d", values))
_count = st.integers(0, 10**12)
_by_number = st.dictionaries(_count, st.text())

_results = st.builds(
    RunResult,
    loop=st.sampled_from(["closed", "open"]),
    concurrency=_count,
    wall_s=_finite,
    cpu_s=_finite,
    rss_bytes=_count,
    intended_s=_times,
    start_s=_times,
    end_s=_times,
    rate_per_s=st.none() | _finite,
    switches_voluntary=_count,
    switches_involuntary=_count,
    digests=_by_number,
    samples=_by_number,
    failures=st.lists(st.tuples(_count, st.text())),
    failed=_count,
    pushbacks=_count,
    phases=st.dictionaries(st.text(), _finite),
)
_requests = st.builds(
    RunRequest,
    loop=st.sampled_from(["closed", "open"]),
    concurrency=_count,
    run_s=_finite,
    rate_per_s=st.none() | _finite,
    items=st.none() | _count,
    first=_count,
    is_checked=st.booleans(),
)


@given(_results)
def test_a_result_travels_exactly(result: RunResult) -> None:
    assert result_from_json(json.loads(json.dumps(result_to_json(result)))) == result


@given(_requests)
def test_a_request_travels_exactly(request: RunRequest) -> None:
    assert request_from_json(json.loads(json.dumps(request_to_json(request)))) == request
