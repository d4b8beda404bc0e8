"""Daft: a column of URLs, downloaded by its Rust engine, written by its own Parquet writer. It has no SHA-256."""

from __future__ import annotations

import daft
from arguments import arguments, urls_of
from daft.functions import download


def main() -> None:
    args = arguments()
    frame = daft.from_pydict({"url": urls_of(args.input)})
    frame = frame.with_column("body", download(daft.col("url"), max_connections=args.concurrency))
    frame.write_parquet(args.output, compression="zstd")


main()
