"""What a job says of itself at its end: facts for the summary, its settings without secrets, and stats.json.

Called once, when everything has ended. The rule: no header value, cookie, or password of a URL leaves through here.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from penstock.engine.rundir import RunDir
from penstock.errors import SinkError
from penstock.fetch.classify import redact
from penstock.process.options import Runner
from penstock.telemetry.observed import Observed
from penstock.telemetry.snapshot import Snapshot
from penstock.telemetry.stats import RunFacts, summary_dict

if TYPE_CHECKING:
    from penstock.engine.job import Job
    from penstock.engine.pipeline import RunResult


def run_facts(suffix: str, run_dir: RunDir, runner: Runner, run: RunResult, held: int) -> RunFacts:
    """What only the job knows of its end. `suffix`: of the data files; `held`: items the engine counts as open."""
    out = str(run_dir.root)
    stop_reason = ""
    if run.state == "stopped":
        stop_reason = str(run.error) if run.error is not None else "stopped"
    elif run.state == "interrupted":
        stop_reason = f"interrupted by {run.signal.name}" if run.signal is not None else "interrupted"
    read_with = f"""import glob, pyarrow.dataset as ds; ds.dataset(glob.glob("{out}/*.parquet"))"""
    return RunFacts(
        data=f"{out}/*.{suffix}",
        read_with=f'pandas.read_json("{out}/00000.{suffix}", lines=True)' if suffix != "parquet" else read_with,
        failures_command=f"penstock status {out} --failures all",
        retry_command=f"penstock retry {out}",
        held=held,
        stop_reason=stop_reason,
        process_mode=runner.decision.mode,
        process_reason=runner.decision.reason,
        cpu_s=_cpu_s(),
        memory_bytes_max=_memory_bytes_max(),
    )


def settings_shown(job: Job) -> dict[str, object]:
    """What the run was told, by the names of the command line's flags. Of headers only the names."""
    engine, fetch, shards, process = job.engine, job.fetch, job.shards, job.process
    return {
        "inputs": [redact(name) for name in job.inputs],
        "out": str(job.out),
        "concurrency": engine.concurrency,
        "max_per_host": engine.concurrency_per_host,
        "rate": None if engine.rate is None else f"{engine.rate.per_s:g}/s",
        "rate_per_host": None if engine.rate_per_host is None else f"{engine.rate_per_host.per_s:g}/s",
        "window": engine.items_max,
        "memory": engine.bytes_max,
        "retries": engine.retry.attempts_max - 1,
        "drain_timeout": engine.drain_s,
        "seed": engine.seed,
        "telemetry": engine.telemetry,
        "probe": engine.probe,
        "timeout": fetch.total_timeout_s,
        "connect_timeout": fetch.connect_timeout_s,
        "first_byte_timeout": fetch.first_byte_timeout_s,
        "read_timeout": fetch.idle_timeout_s,
        "max_filesize": fetch.body_bytes_max,
        "max_redirs": fetch.redirects_max,
        "http": fetch.http_version,
        "user_agent": fetch.user_agent,
        "header": [name for name, _ in fetch.headers],
        "proxy": None if fetch.proxy is None else redact(fetch.proxy),
        "cookie": fetch.cookies is not None,
        "insecure": fetch.insecure,
        "resolve": list(fetch.resolve),
        "process": function_name(process.function),
        "process_mode": process.mode,
        "process_workers": process.workers,
        "process_timeout": process.timeout_s,
        "format": shards.format,
        "body": shards.include_body,
        "durability": shards.durability,
        "shard_rows": shards.rows_max,
        "shard_bytes": shards.bytes_max,
        "shard_seconds": engine.shard_seconds_max,
    }


def write_stats(run_dir: RunDir, snapshot: Snapshot, facts: RunFacts, observed: Observed | None) -> None:
    """Put stats.json in its place. On a full disk it stays away: the run's own error says so already."""
    from penstock.sinks.disk import Disk

    content = json.dumps(summary_dict(snapshot, facts, observed), indent=1, default=str).encode() + b"\n"
    with suppress(SinkError):
        run_dir.replace_file(run_dir.internal / "stats.json", content, Disk("process"))


def function_name(function: object) -> str | None:
    """`module:function` of a process function, however it was given; None without one."""
    if function is None or isinstance(function, str):
        return function
    return f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', repr(function))}"


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _memory_bytes_max() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
