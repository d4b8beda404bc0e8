"""`penstock status`: what a run has done so far. Reads only; works while the run is going on."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command()
@click.argument("out", metavar="OUT")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@click.option("--failures", metavar="KIND", help="Show dead letters of this kind ('all' for every kind) instead.")
@click.option("-n", "--limit", type=int, default=10, show_default=True, metavar="N", help="Dead letters to show.")
def status(out: str, as_json: bool, failures: str | None, limit: int) -> None:
    """Show what the run in OUT has written, what failed, and whether it is still running."""
    from penstock.engine.rundir import RunDir
    from penstock.engine.snapshot import take_snapshot
    from penstock.errors import ConfigError

    run_dir = RunDir(out)
    if not run_dir.is_run():
        raise ConfigError(f"{out}: expected the output folder of a run, found none", hint="penstock fetch … -o OUT")
    if failures is not None:
        _show_failures(run_dir, failures, limit, as_json=as_json)
        return
    snapshot, run = take_snapshot(run_dir), run_dir.read_run()
    counts = snapshot.accounts.counts()
    is_running = run_dir.is_locked()
    state = "running" if is_running else str(run.get("state", "unknown"))
    found: dict[str, Any] = {
        "out": out,
        "state": "killed" if state == "running" and not is_running else state,
        "items": {"written": counts.written, "failed": counts.failed, "skipped": counts.skipped},
        "failed_kinds": counts.failed_kinds,
        "items_total": run.get("items_total") or None,
        "shards": sum(shard.stream == "data" for shard in snapshot.shards),
        "records": sum(shard.rows for shard in snapshot.shards if shard.stream == "data"),
        "bytes": sum(shard.bytes for shard in snapshot.shards),
        "inputs": run.get("inputs"),
        "process": run.get("process"),
        "created": run.get("created"),
        "ended": run.get("ended"),
        "ledger_trouble": snapshot.ledger_trouble or None,
    }
    click.echo(json.dumps(found, indent=2) if as_json else _text(found))


def _text(found: dict[str, Any]) -> str:
    from penstock.telemetry.format import bytes_text, count_text

    items = found["items"]
    total = f" of {count_text(found['items_total'])}" if found["items_total"] else ""
    lines = [
        f"{found['out']}: {found['state']}",
        f"durable  written {count_text(items['written'])} + failed {count_text(items['failed'])}"
        f" + skipped {count_text(items['skipped'])} = {count_text(sum(items.values()))}{total}",
        f"output   {count_text(found['records'])} records in {count_text(found['shards'])} shards,"
        f" {bytes_text(found['bytes'])}",
    ]
    lines += [f"failed   {kind}: {count_text(count)}" for kind, count in found["failed_kinds"].items()]
    if found["failed_kinds"]:
        lines.append(f"hint: penstock status {found['out']} --failures {next(iter(found['failed_kinds']))}")
    if found["state"] in ("killed", "interrupted", "stopped", "incomplete"):
        lines.append("hint: give the same fetch command again to go on")
    if found["ledger_trouble"]:
        lines.append(f"ledger: {found['ledger_trouble']}")
    return "\n".join(lines)


def _show_failures(run_dir: Any, word: str, limit: int, *, as_json: bool) -> None:
    from itertools import islice

    from penstock.engine.snapshot import take_snapshot
    from penstock.errors import ConfigError
    from penstock.model import FAILURE_KINDS, kinds_matching
    from penstock.telemetry.format import printable

    kinds = FAILURE_KINDS if word == "all" else kinds_matching(word)
    if not kinds:
        raise ConfigError(
            f"--failures: expected a failure kind or 'all', got {word!r}",
            hint=f"the kinds are {', '.join(FAILURE_KINDS)}",
        )
    for failed in islice(take_snapshot(run_dir).dead_letters(kinds), max(0, limit)):
        item, failure = failed.item, failed.failure
        if as_json:
            row = {"item_id": item.id, "url": item.url, "kind": failure.kind, "message": failure.message}
            click.echo(json.dumps(row))
        else:
            click.echo(f"{item.id}\t{failure.kind}\t{printable(item.url, 200)}\t{printable(failure.message, 300)}")
