"""The command line that every script here has, and how it reads its list of URLs."""

from __future__ import annotations

import argparse


def arguments() -> argparse.Namespace:
    """`input` (a file with a URL a line), `output`, `--cacert`, `--concurrency`, `--shape`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--cacert")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--shape", choices=["semaphore", "workers"], default="workers")
    return parser.parse_args()


def urls_of(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]
