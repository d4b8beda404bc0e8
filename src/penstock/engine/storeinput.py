"""What a store has to know about its input and its data format when it opens: columns, types, names.

The columns are kept in `_penstock/input.json`, so that `retry` can rebuild items when the input itself is gone.
"""

from __future__ import annotations

import base64
import errno
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.engine.rundir import RunDir
from penstock.engine.storeoptions import ShardOptions
from penstock.errors import ConfigError, LedgerError, SinkError
from penstock.sinks.disk import Disk
from penstock.sinks.encoder import DataFormat
from penstock.sinks.jsonl import JsonlFormat
from penstock.sinks.layout import make_layout
from penstock.sinks.manifest import Manifest
from penstock.sinks.parquet import ParquetFormat, read_schema

if TYPE_CHECKING:
    import pyarrow as pa


_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def keep_input(run_dir: RunDir, disk: Disk, columns: Sequence[str], schema: pa.Schema | None) -> None:
    """Write `input.json` on the first start. Raises ConfigError when an earlier start had other columns."""
    earlier = run_dir.read_input().get("columns")
    if earlier is not None:
        if earlier != list(columns):
            raise ConfigError(
                f"output {run_dir.root}: expected the columns it was started with, {earlier}, got {list(columns)}",
                hint="choose another folder with -o, or start again with --overwrite",
            )
        return
    content = {
        "format": 1,
        "columns": list(columns),
        "schema": None if schema is None else base64.b64encode(schema.serialize().to_pybytes()).decode("ascii"),
    }
    run_dir.replace_file(run_dir.input_path, json.dumps(content).encode(), disk)


def load_input(run_dir: RunDir) -> tuple[tuple[str, ...], pa.Schema | None]:
    """Columns and types of the input that this output was made from. Raises LedgerError when they are not recorded."""
    content = run_dir.read_input()
    columns, schema = content.get("columns"), content.get("schema")
    if not isinstance(columns, list):
        raise LedgerError(
            f"{run_dir.input_path}: expected the input's columns, got none", hint="is this a run's output?"
        )
    if schema is None:
        return tuple(columns), None
    import pyarrow as pa

    try:
        return tuple(columns), pa.ipc.read_schema(pa.py_buffer(base64.b64decode(str(schema))))
    except (ValueError, OSError, pa.ArrowException) as error:
        raise LedgerError(f"{run_dir.input_path}: expected an Arrow schema, got: {error}") from error


def data_format(
    run_dir: RunDir, options: ShardOptions, columns: Sequence[str], schema: pa.Schema | None, shards: Sequence[Manifest]
) -> DataFormat:
    """The encoder for the data stream, knowing the types of the newest Parquet shard there is."""
    layout = make_layout(columns, url_column=options.url_column, include_body=options.include_body)
    if options.format != "parquet":
        return JsonlFormat(layout, options.format, options.compression_level)
    earlier = [shard for shard in shards if shard.stream == "data" and shard.name.endswith(".parquet")]
    known = None
    if earlier:
        newest = max(earlier, key=lambda shard: shard.order)
        try:
            known = read_schema(str(run_dir.root / newest.name))
        except (OSError, ValueError):
            known = None  # damaged in a way that kept its size: `verify` will say so; types are found anew
    return ParquetFormat(layout, schema, known, options.compression_level)


def sink_error(error: OSError, root: Path) -> SinkError:
    """A failed system call as the exception that stops the run, with what to do about it."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in _DISK_FULL:
        hint = "free some space, then run the same command again: it resumes"
    elif error.errno == errno.EROFS:
        hint = "the file system became read-only; check the disk, then run the same command again"
    elif error.errno == errno.EIO:
        hint = "the device reports an error; check it (dmesg), then run the same command again"
    else:
        hint = "then run the same command again: it resumes"
    return SinkError(f"cannot write to {root}{where}: {error.strerror or error}", hint=hint)
