"""Repeatable chance: a uniform number from a seed and a key, the same in every process and on every run.

Nothing here keeps state or reads a clock. One rule: a number drawn for one purpose is never used for another, so each
purpose has its own name in the key.
"""

from __future__ import annotations

import xxhash

_UNIT = 1.0 / 2**53


def draw(seed: int, purpose: str, key: str, number: int = 0) -> float:
    """A number in (0, 1), uniform and independent over the keys: the upper 53 bits of XXH3-64, never exactly 0 or 1.

    `purpose` keeps draws apart that share a key; `number` is usually the attempt. About 0.5 µs.
    """
    digest = xxhash.xxh3_64_intdigest(f"{purpose}\0{key}\0{number}".encode(), seed & 0xFFFFFFFFFFFFFFFF)
    return ((digest >> 11) + 0.5) * _UNIT


def draw_integer(seed: int, purpose: str, key: str, number: int = 0) -> int:
    """An integer in [0, 2**64), uniform over the keys."""
    return xxhash.xxh3_64_intdigest(f"{purpose}\0{key}\0{number}".encode(), seed & 0xFFFFFFFFFFFFFFFF)
