"""What to do about a verdict: one step, what twice the concurrency would do, and one experiment against it.

Pure text from numbers; it decides nothing. The rule: every flag it names exists in `penstock fetch`.
"""

from __future__ import annotations

import math
from typing import assert_never

from penstock.telemetry.verdict_rules import LIMITS, Label, is_untold, loop_busy
from penstock.telemetry.verdict_sums import STEADY_S_MIN, Means
from penstock.telemetry.verdict_wording import Case, is_pushed_back
from penstock.telemetry.window import RunShape


def twice(label: Label, case: Case) -> str:
    """What twice the concurrency would do, with a number where there is one."""
    run, rate = case.means, case.means.answers_per_s
    match label:
        case "concurrency":
            return _twice_concurrency(case)
        case "server":
            return f"nothing: about {rate:.0f} answers/s still, each taking about {2 * run.answer_s:.2f} s"
        case "network":
            return f"nothing: {_bytes(run.bytes_per_s)}/s still, each answer taking about {2 * run.answer_s:.2f} s"
        case "dns" | "connect":
            return "more answers/s if the resolver or the servers bear it; the share of time lost stays the same"
        case "mixed":
            if case.elasticity is None:
                return "cannot tell without a probe: between nothing and twice the answers/s"
            return f"about {rate * 2 ** max(0.0, min(1.0, case.elasticity.e)):.0f} answers/s, now {rate:.0f}"
        case "event_loop" | "machine_contention" | "cpu" | "sink" | "rate_limit" | "client_pool" | "input":
            return f"nothing: about {rate:.0f} answers/s still, more items would only wait"
        case _:
            assert_never(label)


def step(label: Label, case: Case) -> str:
    """One concrete thing to do."""
    run, shape = case.means, case.shape
    match label:
        case "event_loop":
            if run.loop_late > (loop_busy(run) or 0.0):
                return "find the line that blocks the loop, and await it instead: penstock profile loop -- fetch …"
            return "see what the loop does: penstock profile cpu -- fetch …; or split the list over two runs"
        case "machine_contention":
            return "stop what else runs here, or give this run a core of its own: taskset -c 2 penstock fetch …"
        case "sink":
            return _sink_step(run)
        case "cpu":
            return _cpu_step(shape)
        case "server":
            return f"{_half(case)} gives the same answers/s and spares the server; more only with more servers"
        case "rate_limit":
            return _rate_step(run, shape)
        case "network":
            return f"fetch fewer bytes (smaller, compressed answers) or get more bandwidth; {_half(case)} costs nothing"
        case "dns":
            return "run a caching resolver on this machine, or name the addresses: --resolve HOST:PORT:ADDR"
        case "connect":
            return "keep connections: sort the list by host, have the servers keep alive, or offer --http 2"
        case "client_pool":
            return f"raise --max-per-host, now {shape.concurrency_per_host}, if the hosts allow it; or mix more hosts"
        case "concurrency":
            return f"-j {2 * shape.concurrency} --max-per-host {2 * shape.concurrency}"
        case "input":
            return "make the input faster: a file in place of a pipe or generator, no work per row in between"
        case "mixed":
            return _mixed_step(case)
        case _:
            assert_never(label)


def experiment(label: Label, case: Case) -> str:
    """One experiment, and the outcome that would prove the verdict wrong."""
    run, shape = case.means, case.shape
    half = max(1, shape.concurrency // 2)
    match label:
        case "event_loop":
            return f"-j {half}: wrong if the throughput falls by a quarter or more"
        case "machine_contention":
            return "run it while nothing else runs: wrong if the throughput stays"
        case "sink":
            return "--no-body --durability process, nearly no sink: wrong if the throughput stays"
        case "cpu":
            return "without --process: wrong if the throughput stays"
        case "server":
            return f"{_half(case)}: wrong if the throughput falls by a quarter or more, or answers come no sooner"
        case "rate_limit":
            if is_pushed_back(run):
                return f"--rate {max(1.0, run.answers_per_s / 2):.0f}/s: wrong if the server still answers 429 or 503"
            return "twice the rate: wrong if the throughput stays"
        case "network":
            return f"{_half(case)}: wrong if bytes/s fall by a quarter or more"
        case "dns":
            return "--resolve for the hosts of a part of the list: wrong if it is no faster"
        case "connect":
            return "the same pages from a server that keeps connections: wrong if it is no faster"
        case "client_pool":
            return f"--max-per-host {2 * shape.concurrency_per_host}: wrong if the throughput stays"
        case "concurrency":
            return f"-j {2 * shape.concurrency}: wrong if the throughput rises by less than a quarter"
        case "input":
            return "the same input written to a file first: wrong if the throughput stays"
        case "mixed":
            return f"-j {half}: throughput halved speaks for CONCURRENCY TOO LOW, unchanged for anything else"
        case _:
            assert_never(label)


def _half(case: Case) -> str:
    """The flag that halves what is in flight: that of the hosts where their limits are what is felt."""
    shape = case.shape
    if case.means.host > LIMITS.empty:
        return f"--max-per-host {max(1, shape.concurrency_per_host // 2)}"
    return f"-j {max(1, shape.concurrency // 2)}"


def _twice_concurrency(case: Case) -> str:
    run, elasticity = case.means, case.elasticity
    e = 1.0 if elasticity is None else max(0.0, min(1.0, elasticity.e))
    rate = run.answers_per_s * 2**e
    busy = loop_busy(run)
    if busy and busy * 2**e > LIMITS.loop:
        rate = min(rate, run.answers_per_s * LIMITS.loop / busy)
        return f"about {rate:.0f} answers/s, now {run.answers_per_s:.0f}; then the event loop is full"
    return f"about {rate:.0f} answers/s, now {run.answers_per_s:.0f}, if the far side bears it"


def _sink_step(run: Means) -> str:
    if run.sink_busy < 0.5:
        return "the credits end before the sink has much to do: raise --window, or --memory for large bodies"
    if run.sink_commit > run.sink_busy / 2:
        return "commit less often: larger --shard-rows and --window; or --durability process, which leaves out fsync"
    return "write less or faster: --no-body, --format parquet, a faster disk"


def _cpu_step(shape: RunShape) -> str:
    if shape.process_mode in ("inline", "async"):
        return "--process-mode process takes the function off the event loop" + (
            f", on {shape.cores} cores" if shape.cores > 1 else ""
        )
    if shape.process_mode == "thread":
        return "--process-mode process if it computes in Python; --process-workers higher if it waits"
    if shape.process_workers < shape.cores:
        return f"--process-workers {shape.cores}, now {shape.process_workers}"
    return "make the function cheaper: penstock profile cpu -- fetch … shows where its time goes"


def _rate_step(run: Means, shape: RunShape) -> str:
    if is_pushed_back(run):
        per_host = max(0.1, run.answers_per_s / max(1, shape.hosts))
        return f"stay just below what the server allows: --rate-per-host {per_host:.3g}/s; or ask its owner for more"
    if shape.rate_per_s is not None:
        return f"raise --rate, now {shape.rate_per_s:g}/s, if the servers allow it"
    if shape.rate_per_host_per_s is not None:
        return f"raise --rate-per-host, now {shape.rate_per_host_per_s:g}/s, if the servers allow it, or mix more hosts"
    return "see why items wait: the failures and their kinds in penstock status OUT"


def _mixed_step(case: Case) -> str:
    if case.stretch.span_s < STEADY_S_MIN:
        return "run it for 15 s or longer"
    if is_untold("mixed", case.means, case.elasticity):
        if case.shape.concurrency < 4:
            return f"-j {2 * case.shape.concurrency} tells whether the limit holds it"
        return "run it for 30 s or longer, or with --probe early, so that the limit can be probed"
    return f"change one thing at a time, -j {max(1, 2 * case.shape.concurrency)} first"


def _bytes(count: float) -> str:
    units = ("B", "kB", "MB", "GB", "TB")
    power = min(len(units) - 1, int(math.log10(count) // 3)) if count >= 1.0 else 0
    return f"{count / 1000**power:.3g} {units[power]}"
