"""Requests and results as lines of JSON, for the pipe between the measured process and its parent.

The rule: what comes out is exactly what went in, so the times travel as the base64 of their eight-byte floats.

| line, from the parent | answer, from the child |
| --- | --- |
| `{"alternative", "workload", "path"}`, first | `{"ready": true, "pid", "workers"}` or an error |
| `{"run": RunRequest}` | `{"result": RunResult, "workers"}` or an error |
| `{"ask": n}`, at any time | `{"asked": n, "progress": items told so far, "at": line of the user's code or null}` |

An error is `{"error", "hint", "trouble"}`. `workers`: ids of the child's own worker processes. `path`: `sys.path`.
"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from penstock.perf.measure.model import RunRequest, RunResult

_TIMES = ("intended_s", "start_s", "end_s")
_BY_NUMBER = ("digests", "samples")


def request_to_json(request: RunRequest) -> dict[str, Any]:
    return asdict(request)


def request_from_json(document: Mapping[str, Any]) -> RunRequest:
    """Raises TypeError for fields that are not a request's."""
    return RunRequest(**document)


def result_to_json(result: RunResult) -> dict[str, Any]:
    document = {field.name: getattr(result, field.name) for field in fields(result)}
    for name in _TIMES:
        document[name] = base64.b64encode(document[name].tobytes()).decode("ascii")
    return document


def result_from_json(document: Mapping[str, Any]) -> RunResult:
    """Both processes run on one machine, so floats need no byte order."""
    values = dict(document)
    for name in _TIMES:
        values[name] = array("d", base64.b64decode(values[name]))
    for name in _BY_NUMBER:
        values[name] = {int(number): text for number, text in values[name].items()}
    values["failures"] = [(number, message) for number, message in values["failures"]]
    return RunResult(**values)
