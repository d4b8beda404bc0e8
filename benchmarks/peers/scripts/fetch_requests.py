"""requests in 64 threads with one session and a pool of 64 connections; the main thread writes as results arrive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import requests
from arguments import arguments, urls_of
from parquet_batches import ParquetBatches
from requests.adapters import HTTPAdapter


def main() -> None:
    args = arguments()
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=args.concurrency, pool_block=True)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.trust_env = False  # else the proxy variables are read again for every request
    if args.cacert:
        session.verify = args.cacert

    def fetch(url: str) -> tuple[str, int, bytes]:
        response = session.get(url, timeout=60)
        response.raise_for_status()
        return url, response.status_code, response.content

    with ParquetBatches(args.output) as batches, ThreadPoolExecutor(args.concurrency) as pool:
        for row in pool.map(fetch, urls_of(args.input)):
            batches.add(*row)


main()
