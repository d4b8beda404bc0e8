"""The data's path as one line for the live view: what each stage is mostly doing, so that one sees who pushes back.

Pure. `source blocked 97 % → fetch blocked 62 % → process 3 % → sink busy 99 % · limited by SINK (98 %)`.
"""

from __future__ import annotations

from penstock.telemetry.format import percent_text
from penstock.telemetry.styled import Line, Style
from penstock.telemetry.window import Window

_SOURCE = {"source_busy": "reading", "source_blocked": "blocked", "source_ended": "ended"}
_FETCH = {
    "fetch_busy": "busy",
    "fetch_process": "at process",
    "fetch_blocked": "blocked",
    "fetch_input": "waits for input",
    "fetch_rate": "waits (rate, pause)",
    "fetch_host": "waits for hosts",
    "fetch_ended": "ended",
}
_BAD_FROM = 0.25


def flow_facts(window: Window, limited_by: str) -> list[Line]:
    """One fact for each stage, and the verdict so far. Shares are of the last second."""
    source, source_share = _most(window, _SOURCE)
    fetch, fetch_share = _most(window, _FETCH)
    facts: list[Line] = [
        [("source ", "dim"), (f"{source} {percent_text(source_share)}", _style(source, source_share))],
        [("fetch ", "dim"), (f"{fetch} {percent_text(fetch_share)}", _style(fetch, fetch_share))],
    ]
    if window.process_busy > 0:
        facts.append([("process ", "dim"), (f"busy {percent_text(window.process_busy)}", _load(window.process_busy))])
    facts.append([("sink ", "dim"), (f"busy {percent_text(window.sink_busy)}", _load(window.sink_busy))])
    if window.loop_run is not None:
        loop = window.loop_run + (window.loop_runqueue or 0.0)
        facts.append([("event loop ", "dim"), (f"busy {percent_text(loop)}", _load(loop))])
    if limited_by:
        facts.append([("limited by ", "dim"), (limited_by, "accent")])
    return facts


def _most(window: Window, names: dict[str, str]) -> tuple[str, float]:
    name = max(names, key=lambda each: getattr(window, each))
    return names[name], getattr(window, name)


def _style(word: str, share: float) -> Style:
    return "warn" if word == "blocked" and share >= _BAD_FROM else ""


def _load(share: float) -> Style:
    return "warn" if share > 0.85 else ""
