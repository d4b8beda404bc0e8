"""START READING HERE: everything the output folder of a run says about it, gathered for the report.

It takes no lock, changes nothing and works while a run is going on. The rule: what is missing, damaged or of another
format becomes a sentence in `troubles`; only a folder that holds no run is an error.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from penstock.engine.rundir import RunDir
from penstock.engine.seriesfile import SERIES_NAME
from penstock.engine.snapshot import Snapshot, take_snapshot
from penstock.errors import PenstockError
from penstock.perf.profile.model import Profile
from penstock.perf.report.accounting import Accounting, from_ledger, from_stats
from penstock.perf.report.failures import FailureGroup, group_failures
from penstock.perf.report.lookup import count, found, text
from penstock.perf.report.series import Epoch, read_series, thinned, windows_from
from penstock.perf.report.verdict import VerdictCard, verdict_card
from penstock.telemetry.format import printable
from penstock.telemetry.stats import STATS_FORMAT
from penstock.telemetry.verdict import judge

State: TypeAlias = Literal["complete", "incomplete", "interrupted", "stopped", "running", "killed", "unknown"]
_STATES: tuple[State, ...] = get_args(State)
_PROFILES_MAX = 12
_PROFILE_BYTES_MAX = 32_000_000
_JUDGED_MAX = 300
_KINDS = ("cpu", "await", "loop", "memory")


@dataclass(frozen=True, slots=True)
class RunReport:
    """What is known. `out` as the user wrote it; `run` is run.json, `stats` the stats.json of the last epoch (None
    when there is none, or it is an earlier epoch's). `epochs` are thinned for drawing. `shards`, `records` and
    `bytes_written` are of the whole output, as the ledger has it. `profiles`: file name and profile."""

    out: str
    state: State
    run: Mapping[str, object]
    stats: Mapping[str, object] | None
    accounting: Accounting
    verdict: VerdictCard | None
    epochs: list[Epoch]
    failures: list[FailureGroup]
    profiles: list[tuple[str, Profile]]
    shards: int
    records: int
    bytes_written: int
    troubles: tuple[str, ...] = ()


def read_report(out: Path | str) -> RunReport:
    """Gather it. Raises ConfigError when `out` is not the output folder of a run."""
    run_dir = RunDir(out)
    snapshot = take_snapshot(run_dir)
    troubles: list[str] = []
    run = _read_run(run_dir, troubles)
    state = _state(run_dir, run)
    stats = _read_stats(run_dir, run, state, troubles)
    epochs = _read_epochs(run_dir, run, stats, troubles)
    if snapshot.ledger_trouble:
        troubles.append(f"Ledger: {snapshot.ledger_trouble}. Durable items are counted from the manifests instead.")
    data = [shard for shard in snapshot.shards if shard.stream == "data"]
    return RunReport(
        out=str(out),
        state=state,
        run=run,
        stats=stats,
        accounting=_accounting(snapshot, run, stats),
        verdict=verdict_card(found(stats, "verdict")) or _judged(state, epochs),
        epochs=thinned(epochs),
        failures=_failures(snapshot, stats, troubles),
        profiles=_read_profiles(run_dir, troubles),
        shards=len(data),
        records=sum(shard.rows for shard in data),
        bytes_written=sum(shard.bytes for shard in snapshot.shards),
        troubles=tuple(troubles),
    )


def _read_run(run_dir: RunDir, troubles: list[str]) -> Mapping[str, object]:
    try:
        return run_dir.read_run()
    except PenstockError as error:
        troubles.append(f"{error}. Inputs, times and versions of the run are left out.")
        return {}


def _state(run_dir: RunDir, run: Mapping[str, object]) -> State:
    # A lock that we may not open for writing cannot be tried: a read-only copy, where nobody is writing.
    if os.access(run_dir.lock_path, os.W_OK) and run_dir.is_locked():
        return "running"
    said = text(run, "state")
    if said == "running":
        return "killed"
    return next((state for state in _STATES if state == said), "unknown")


def _read_stats(
    run_dir: RunDir, run: Mapping[str, object], state: State, troubles: list[str]
) -> Mapping[str, object] | None:
    path = run_dir.internal / "stats.json"
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        troubles.append(_without_stats(state, ""))
        return None
    except (OSError, ValueError, RecursionError) as error:
        troubles.append(f"{path}: expected the JSON object that a run writes at its end, got: {error}.")
        return None
    if not isinstance(content, dict):
        troubles.append(f"{path}: expected a JSON object, got {type(content).__name__}.")
        return None
    if _is_older(path, run, state):
        troubles.append(_without_stats(state, " (the stats.json that is there is of an earlier part of the run)"))
        return None
    if found(content, "format") != STATS_FORMAT:
        troubles.append(
            f"{path}: expected format {STATS_FORMAT}, got {found(content, 'format')!r}; parts may be missing below."
        )
    return content


def _without_stats(state: State, remark: str) -> str:
    """Why percentiles, hosts and verdict are not there."""
    why = {
        "running": "The run is still going on",
        "killed": "The run was killed before it could write its statistics",
    }.get(state, "There is no stats.json of this run")
    return (
        f"{why}{remark}. Items are counted from the ledger and charts drawn from the series; "
        "percentiles, hosts and settings are missing."
    )


def _is_older(path: Path, run: Mapping[str, object], state: State) -> bool:
    """Whether stats.json was written before the last epoch began: its own is written when that ends."""
    if state in ("running", "killed"):
        return True
    with suppress(ValueError, OSError):
        started = dt.datetime.fromisoformat(text(run, "started"))
        return started.tzinfo is not None and path.stat().st_mtime < started.timestamp() - 2
    return False


def _read_epochs(
    run_dir: RunDir, run: Mapping[str, object], stats: Mapping[str, object] | None, troubles: list[str]
) -> list[Epoch]:
    """All epochs of series.jsonl; the last one from stats.json when that file does not hold it."""
    path = run_dir.internal / SERIES_NAME
    epochs: list[Epoch] = []
    try:
        file = read_series(path)
    except OSError as error:
        troubles.append(f"{path}: cannot be read: {error}.")
    else:
        epochs = file.epochs
        if file.lines_bad:
            troubles.append(f"{path}: {file.lines_bad:,} lines could not be read and are left out of the charts.")
    started = text(run, "started")
    series = found(stats, "series")
    if isinstance(series, Mapping) and not (epochs and epochs[-1].started[:16] >= started[:16]):
        try:
            windows = windows_from(series)
        except ValueError:
            troubles.append("The series in stats.json cannot be read; its charts are left out.")
        else:
            epochs = [*epochs, Epoch(started, windows)] if windows else epochs
    return epochs


def _judged(state: State, epochs: list[Epoch]) -> VerdictCard | None:
    """The verdict on a run that gave none: on its last epoch's windows, without what its probes told."""
    last = epochs[-1] if epochs else None
    if last is None or last.shape is None or state not in ("running", "killed"):
        return None
    try:
        card = verdict_card(judge(last.windows[-_JUDGED_MAX:], last.shape).to_json())
    except (ArithmeticError, ValueError):  # numbers that no run writes: the file was altered
        return None
    if card is None:
        return None
    return replace(card, note="Judged by this report from the series, up to where it goes and without probes.")


def _accounting(snapshot: Snapshot, run: Mapping[str, object], stats: Mapping[str, object] | None) -> Accounting:
    counts = snapshot.accounts.counts()
    is_readable = bool(snapshot.shards) or not snapshot.ledger_trouble
    told = from_stats(stats, counts if is_readable else None)
    if told is not None:
        return told
    first_unread = snapshot.checkpoint[0] if snapshot.checkpoint else 0
    return from_ledger(counts, max(snapshot.accounts.end_id(), first_unread, count(run, "items_total") or 0))


def _failures(snapshot: Snapshot, stats: Mapping[str, object] | None, troubles: list[str]) -> list[FailureGroup]:
    counts: dict[str, int] = dict(snapshot.accounts.counts().failed_kinds)
    if not counts and not snapshot.shards:
        kinds = found(stats, "failures")
        names = kinds if isinstance(kinds, Mapping) else {}
        counts = {str(kind): number for kind in names if (number := count(stats, "failures", str(kind)))}
    try:
        return group_failures(counts, snapshot.dead_letters(), stats)
    except (PenstockError, OSError) as error:
        troubles.append(f"Dead letters: {error}. Examples are taken from stats.json only.")
        return group_failures(counts, (), stats)


def _read_profiles(run_dir: RunDir, troubles: list[str]) -> list[tuple[str, Profile]]:
    folder = run_dir.internal / "profiles"
    paths = [path for path in sorted(folder.glob("*.json")) if not path.name.endswith(".speedscope.json")]
    read: list[tuple[str, Profile]] = []
    for path in paths[:_PROFILES_MAX]:
        try:
            if path.stat().st_size > _PROFILE_BYTES_MAX:
                raise ValueError(f"larger than {_PROFILE_BYTES_MAX // 1_000_000} MB")
            profile = Profile.from_json(json.loads(path.read_bytes()))
            if profile.kind not in _KINDS:
                raise ValueError(f"expected one of {', '.join(_KINDS)}, got {profile.kind!r}")
            # A command line may hold a URL with a password.
            profile.title, profile.notes = printable(profile.title), list(map(printable, profile.notes))
            read.append((path.name, profile))
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            troubles.append(f"{path}: expected a profile, got: {error}.")
    if len(paths) > _PROFILES_MAX:
        troubles.append(f"{folder} holds {len(paths)} profiles; the first {_PROFILES_MAX} are shown.")
    return sorted(read, key=lambda pair: _KINDS.index(pair[1].kind))
