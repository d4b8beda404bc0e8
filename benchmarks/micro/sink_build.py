"""CPU cost per record of the sink: columns, sha256, Parquet with zstd, commit protocol and ledger. Prints a table.

    python benchmarks/micro/sink_build.py [--body-bytes 1024] [--records 40000] [--rounds 7]

Batches of 2,000 as the engine hands them over, shards of 8,192 rows, `power` durability. CPU is the whole process's
(user + system), per record; the median and range over the rounds, which alternate between the cases.
"""

from __future__ import annotations

import argparse
import platform
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from penstock.engine.rundir import RunDir
from penstock.engine.store import Store
from penstock.engine.storeoptions import ShardOptions
from penstock.model import Failed, Failure, Item, Outcome, Response, Written

BATCH = 2000
WORDS = b"the quick brown fox jumps over a lazy dog while penstock counts every record twice ".split()


def bodies(body_bytes: int, rng: random.Random) -> list[bytes]:
    """Texts that compress about like HTML does; 256 different ones are enough."""
    made = []
    for _ in range(256):
        text = b" ".join(rng.choice(WORDS) + b"%d" % rng.randrange(1000) for _ in range(body_bytes // 7 + 8))
        made.append(text[:body_bytes])
    return made


def outcomes(records: int, body_bytes: int, case: str) -> list[list[Outcome]]:
    rng = random.Random(7)
    texts = bodies(body_bytes, rng)
    added = {"title": "A title of a page", "links": 12, "text_length": 845} if case == "process" else {}
    made: list[Outcome] = []
    for number in range(records):
        url = f"http://127.0.0.{number % 20 + 2}:8080/page/{number}"
        item = Item(number, url, f"http://127.0.0.{number % 20 + 2}:8080", row=(url, number))
        if case == "failed":
            made.append(Failed(item, Failure("timeout_first_byte", "no byte of the answer within 30.0 s")))
            continue
        answer = Response(
            number,
            url,
            url,
            200,
            texts[number % 256],
            "text/html; charset=utf-8",
            1_750_000_000_000_000 + number,
            ttfb_s=rng.lognormvariate(-3, 1),
            total_s=rng.lognormvariate(-2.9, 1),
            connect_s=0.001 if number % 50 == 0 else 0.0,
        )
        made.append(Written(item, answer, (added,)))
    return [made[start : start + BATCH] for start in range(0, records, BATCH)]


def cpu_us_per_record(batches: Sequence[Sequence[Outcome]], options: ShardOptions, folder: Path) -> float:
    import pyarrow as pa

    shutil.rmtree(folder, ignore_errors=True)
    schema = pa.schema([("url", pa.string()), ("n", pa.int64())])
    store = Store.open(RunDir(folder), options, ["url", "n"], schema)
    started = time.process_time()
    for batch in batches:
        store.write(batch)
    store.commit()
    spent_s = time.process_time() - started
    store.close()
    return spent_s * 1e6 / sum(map(len, batches))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--body-bytes", type=int, default=1024)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    cases = {
        "parquet, no process function": ("plain", ShardOptions()),
        "parquet, 3 added columns": ("process", ShardOptions()),
        "parquet, --no-body": ("plain", ShardOptions(include_body=False)),
        "parquet, process durability": ("plain", ShardOptions(durability="process")),
        "jsonl.zst": ("plain", ShardOptions(format="jsonl.zst")),
        "dead letters": ("failed", ShardOptions()),
    }
    made = {case: outcomes(args.records, args.body_bytes, case) for case in {case for case, _ in cases.values()}}
    measured: dict[str, list[float]] = {name: [] for name in cases}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(args.rounds):
            for name in list(cases)[:: 1 if turn % 2 == 0 else -1]:
                case, options = cases[name]
                measured[name].append(cpu_us_per_record(made[case], options, Path(folder) / "out"))
    print(f"{args.records} records of {args.body_bytes} bytes, {args.rounds} rounds, {platform.machine()},", end=" ")
    print(f"Python {platform.python_version()}; µs of CPU per record")
    for name, values in measured.items():
        print(f"{name:32s} median {statistics.median(values):6.2f}   range {min(values):.2f} to {max(values):.2f}")


if __name__ == "__main__":
    main()
