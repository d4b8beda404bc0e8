"""Scenarios in which this side limits: sink, process stage, event loop, machine, per-host limits, input."""

from __future__ import annotations

from benchmarks.verdict.scenario import Scenario

_FUNCTIONS = "benchmarks.verdict.functions"
SINK = (
    Scenario(
        "sink-slow-fsync",
        "sink",
        "a shard of 16 rows needs several fsyncs of 100 ms: under 60 rows/s; the server would give 640/s",
        path="/bytes/1000?latency=0.05",
        fsync_s=0.1,
        settings={"concurrency": 32, "shard_rows": 16, "window": 128},
    ),
    Scenario(
        "sink-slow-disk",
        "sink",
        "a shard of 32 rows needs several fsyncs of 250 ms: under 50 rows/s; the server would give 320/s",
        "hold-out",
        path="/page/{n}?latency=0.05",
        fsync_s=0.25,
        settings={"concurrency": 16, "shard_rows": 32, "window": 128},
    ),
    Scenario(
        "sink-of-ones-own",
        "sink",
        "a sink that sleeps 10 ms for each item takes 100/s; the server would give 640/s",
        path="/bytes/1000?latency=0.05",
        parts="sleeping_sink",
        settings={"concurrency": 32},
    ),
    Scenario(
        "sink-awaited",
        "sink",
        "an async sink that awaits a database for 20 ms an item takes 50/s; the server would give 320/s",
        "hold-out",
        path="/bytes/1000?latency=0.05",
        parts="awaiting_sink",
        settings={"concurrency": 16},
    ),
)
CPU = (
    Scenario(
        "cpu-inline",
        "cpu",
        "10 ms of computing on the loop for each answer are 100/s at most; the server would give 1,600/s",
        path="/bytes/1000?latency=0.02",
        settings={"concurrency": 32, "process": f"{_FUNCTIONS}:compute_10ms", "process_mode": "inline"},
        is_heavy=True,
    ),
    Scenario(
        "cpu-inline-waits",
        "cpu",
        "the function sleeps 15 ms on the loop for each answer: 66/s at most; the server would give 800/s",
        "hold-out",
        path="/bytes/1000?latency=0.02",
        settings={"concurrency": 16, "process": f"{_FUNCTIONS}:sleep_15ms", "process_mode": "inline"},
    ),
    Scenario(
        "cpu-threads",
        "cpu",
        "20 ms of Python for each answer in threads, which share one interpreter: 50/s; the server would give 320/s",
        path="/bytes/1000?latency=0.05",
        settings={
            "concurrency": 16,
            "process": f"{_FUNCTIONS}:compute_20ms",
            "process_mode": "thread",
            "process_workers": 2,
        },
        is_heavy=True,
    ),
    Scenario(
        "cpu-processes",
        "cpu",
        "50 ms of computing for each answer in 2 processes: 40/s at most; the server would give 480/s",
        path="/bytes/1000?latency=0.05",
        settings={
            "concurrency": 24,
            "process": f"{_FUNCTIONS}:compute_50ms",
            "process_mode": "process",
            "process_workers": 2,
        },
        is_heavy=True,
    ),
    Scenario(
        "process-threads-wait",
        "cpu",
        "the function waits 100 ms, in 4 threads: 40/s; the server would give 320/s",
        "hold-out",
        path="/bytes/1000?latency=0.05",
        settings={
            "concurrency": 16,
            "process": f"{_FUNCTIONS}:sleep_100ms",
            "process_mode": "thread",
            "process_workers": 4,
        },
    ),
    Scenario(
        "process-processes-wait",
        "cpu",
        "the function waits 100 ms, in 2 processes: 20/s; the server would give 320/s",
        "hold-out",
        path="/page/{n}?latency=0.05",
        settings={
            "concurrency": 16,
            "process": f"{_FUNCTIONS}:sleep_100ms",
            "process_mode": "process",
            "process_workers": 2,
        },
    ),
)
LOOP = (
    Scenario(
        "loop-blocked-async-function",
        "event_loop",
        "an async function calls time.sleep(0.02), so the loop stands still: 50/s; the server would give 640/s",
        path="/bytes/1000?latency=0.05",
        settings={"concurrency": 32, "process": f"{_FUNCTIONS}:blocking_async_20ms"},
    ),
    Scenario(
        "loop-computing-async-function",
        "event_loop",
        "an async function computes 10 ms between awaits: 100/s; the server would give 640/s",
        "hold-out",
        path="/bytes/1000?latency=0.05",
        settings={"concurrency": 32, "process": f"{_FUNCTIONS}:computing_async_10ms"},
        is_heavy=True,
    ),
    Scenario(
        "loop-blocking-client",
        "event_loop",
        "the fetch function calls time.sleep(0.01) on the loop: 100/s, whatever is in flight",
        parts="blocking_client",
        settings={"concurrency": 32},
    ),
    Scenario(
        "loop-rogue-callback",
        "event_loop",
        "something else on the loop sleeps 80 ms in every 90: the loop has a ninth of the time left for 16 × 20 ms",
        path="/bytes/1000?latency=0.02",
        parts="rogue_callback",
        settings={"concurrency": 16},
    ),
    Scenario(
        "loop-computing-client",
        "event_loop",
        "the fetch function computes 2 ms on the loop for each attempt: 500/s at most, of the 3,200/s of 32 in flight",
        parts="computing_client",
        settings={"concurrency": 32},
        is_heavy=True,
    ),
)
CONTENTION = (
    Scenario(
        "neighbour-full-loop",
        "machine_contention",
        "2 ms of computing an attempt would fill the loop's core, and a process that computes has half of it",
        parts="computing_client",
        settings={"concurrency": 32},
        neighbours=1,
        is_heavy=True,
    ),
    Scenario(
        "neighbour-computing-function",
        "machine_contention",
        "an async function computes 10 ms for each answer on a core of which others have half",
        "hold-out",
        path="/bytes/1000?latency=0.02",
        settings={"concurrency": 32, "process": f"{_FUNCTIONS}:computing_async_10ms"},
        neighbours=1,
        is_heavy=True,
    ),
    Scenario(
        "three-neighbours",
        "machine_contention",
        "2 ms of computing an attempt would fill the loop's core, and three processes that compute have most of it",
        parts="computing_client",
        settings={"concurrency": 16},
        neighbours=3,
        is_heavy=True,
    ),
)
POOL = (
    Scenario(
        "per-host-2",
        "client_pool",
        "--max-per-host 2 at one host of 50 ms: 2 of 32 places can be used",
        path="/bytes/1000?latency=0.05",
        settings={"concurrency": 32, "max_per_host": 2},
    ),
    Scenario(
        "per-host-three-hosts",
        "client_pool",
        "--max-per-host 2 at 3 hosts of 100 ms: 6 of 32 places can be used",
        "hold-out",
        path="/bytes/1000?latency=0.1",
        hosts=3,
        settings={"concurrency": 32, "max_per_host": 2},
    ),
    Scenario(
        "per-host-default",
        "client_pool",
        "16 for each host where 64 are allowed, and there is one host, of 200 ms",
        "hold-out",
        path="/page/{n}?latency=0.2",
        settings={},
    ),
)
INPUT = (
    Scenario(
        "input-pipe-40",
        "input",
        "URLs come through a pipe at 40/s; the server would give 640/s",
        path="/bytes/1000?latency=0.05",
        input_per_s=40.0,
        settings={"concurrency": 32},
    ),
    Scenario(
        "input-pipe-bursts",
        "input",
        "URLs come through a pipe, 60 every 2 s; the server would give 640/s",
        "hold-out",
        path="/bytes/1000?latency=0.05",
        input_per_s=30.0,
        input_burst=60,
        settings={"concurrency": 32},
    ),
    Scenario(
        "input-generator",
        "input",
        "a generator sleeps 20 ms for each URL: 50/s; the server would give 320/s",
        path="/bytes/1000?latency=0.05",
        parts="slow_generator",
        settings={"concurrency": 16},
    ),
    Scenario(
        "input-async",
        "input",
        "an async iterable awaits 30 ms for each URL: 33/s; the server would give 320/s",
        "hold-out",
        path="/bytes/1000?latency=0.05",
        parts="slow_async_iterable",
        settings={"concurrency": 16},
    ),
)
NEAR = (*SINK, *CPU, *LOOP, *CONTENTION, *POOL, *INPUT)
