"""The floor for anything that keeps the bodies: SHA-256 and Parquet of the same rows, with no HTTP at all.

Reads the 1,000 files that the server serves, then writes a row for each URL of the list as the other scripts do.
"""

from __future__ import annotations

import sys
from pathlib import Path

from arguments import urls_of
from parquet_batches import ParquetBatches


def main(list_file: str, output: str, folder: str) -> None:
    bodies = [Path(folder, str(number)).read_bytes() for number in range(1000)]
    with ParquetBatches(output) as batches:
        for number, url in enumerate(urls_of(list_file)):
            batches.add(url, 200, bodies[number % len(bodies)])


main(*sys.argv[1:])
