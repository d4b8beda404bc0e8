"""Runs one scenario in this process and writes what the verdict said: `one.py NAME WORK RESULT`.

A process of its own for each, so that nothing of one run reaches the next. It judges nothing itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.verdict.corpus import BY_NAME
from benchmarks.verdict.parts import PARTS
from benchmarks.verdict.scenario import Scenario
from benchmarks.verdict.surroundings import neighbours, paced_stdin, slow_disk, urls_of

from penstock.config import build_job
from penstock.engine.job import Watcher, run_job
from penstock.engine.loop import run_blocking
from penstock.engine.pipeline import Pipeline
from penstock.telemetry.observed import Observed
from penstock.telemetry.window import columnar


def main() -> int:
    """Exit code 0 when the run ended as told and there is a verdict."""
    name, work, result = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    scenario = BY_NAME[name]
    if scenario.is_heavy:
        before_others()
    with urls_of(scenario) as (urls, settings), neighbours(scenario.neighbours), slow_disk(scenario.fsync_s):
        observed = run_parts(scenario, urls) if scenario.parts else run_whole_job(scenario, urls, settings, work)
    document = {
        "name": name,
        "verdict": observed.verdict.to_json(),
        "shape": asdict(observed.shape),
        "probes": [asdict(probe) for probe in observed.probes],
        "series": columnar(observed.windows),
    }
    result.write_text(json.dumps(document))
    return 0


def before_others() -> None:
    """Put this session, the server and neighbours included, before the machine's other work (sched(7), autogroup).

    What others compute would else be a competing process in a scenario that has none by construction.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("-10")


class Stopper(Watcher):
    """Drains the run `load_s` after it began."""

    def __init__(self, load_s: float) -> None:
        self._load_s = load_s
        self._began_s: float | None = None
        self._pipeline: Pipeline | None = None

    def started(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def on_round(self, now_s: float) -> None:
        self._began_s = now_s if self._began_s is None else self._began_s
        if now_s - self._began_s >= self._load_s and self._pipeline is not None:
            self._pipeline.request_drain()


def run_whole_job(scenario: Scenario, urls: list[str], more: dict[str, object], work: Path) -> Observed:
    """As `penstock fetch` runs it."""
    settings: Any = {"probe": "early", **scenario.settings, **more, "allow_private": ["all"], "drain_timeout": 5}
    name = "-"
    if scenario.input_per_s is None:
        path = work / "urls.txt"
        path.write_text("".join(f"{url}\n" for url in urls))
        name = str(path)
    with contextlib.ExitStack() as stack:
        if scenario.input_per_s is not None:
            stack.enter_context(paced_stdin(urls, scenario.input_per_s, scenario.input_burst))
        job = build_job([name], work / "out", settings)
        result = run_blocking(run_job(job, watcher=Stopper(scenario.load_s)))
    assert result.observed is not None
    return result.observed


def run_parts(scenario: Scenario, urls: list[str]) -> Observed:
    """A pipeline of the scenario's own parts."""

    async def run() -> Observed:
        assert scenario.parts is not None
        made = await PARTS[scenario.parts](scenario, urls)
        loop = asyncio.get_running_loop()
        loop.call_later(scenario.load_s, made.pipeline.request_drain)
        try:
            await made.pipeline.run()
        finally:
            if made.extra is not None:
                made.extra.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await made.extra
            await made.transport.aclose()
        assert made.pipeline.observer is not None
        observed: Observed = made.pipeline.observer.observed()
        return observed

    return run_blocking(run())


if __name__ == "__main__":
    raise SystemExit(main())
