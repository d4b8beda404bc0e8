"""Distributions of latencies and sizes: written as text, sampled by inverting the distribution function.

Pure: the caller brings the uniform number, so that a sample is as repeatable as the number is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, assert_never

_STANDARD_NORMAL = NormalDist()
_SIZE_FACTORS = {"K": 1024, "M": 1024**2, "G": 1024**3}


@dataclass(frozen=True, slots=True)
class Distribution:
    """`fixed`: always `a`. `uniform`: between `a` and `b`. `lognormal`: median `a`, sigma `b` of the logarithm."""

    kind: Literal["fixed", "uniform", "lognormal"]
    a: float
    b: float = 0.0

    def sample(self, uniform: float) -> float:
        """The value whose share of smaller values is `uniform`, a number in (0, 1). Never negative."""
        match self.kind:
            case "fixed":
                return self.a
            case "uniform":
                return self.a + (self.b - self.a) * uniform
            case "lognormal":
                return self.a * math.exp(self.b * _STANDARD_NORMAL.inv_cdf(uniform))
            case _:
                assert_never(self.kind)


def parse_distribution(text: str, number: Callable[[str], float]) -> Distribution:
    """Read `0.02`, `fixed:0.02`, `uniform:0.01,0.05` or `lognormal:0.02,0.5` (median, sigma).

    `number` reads the values that carry the unit; sigma is always a plain number. Raises ValueError.
    """
    kind, colon, rest = text.partition(":")
    if not colon:
        return Distribution("fixed", number(text))
    if kind == "fixed":
        return Distribution("fixed", number(rest))
    first, comma, second = rest.partition(",")
    if kind == "uniform" and comma:
        low, high = number(first), number(second)
        if low > high:
            raise ValueError(f"expected uniform:LOW,HIGH with LOW <= HIGH, got {text!r}")
        return Distribution("uniform", low, high)
    if kind == "lognormal" and comma:
        median, sigma = number(first), parse_number(second)
        if sigma > 5:
            raise ValueError(f"expected a sigma of at most 5, got {second!r}")
        return Distribution("lognormal", median, sigma)
    raise ValueError(f"expected NUMBER, fixed:NUMBER, uniform:LOW,HIGH or lognormal:MEDIAN,SIGMA, got {text!r}")


def parse_number(text: str) -> float:
    """A finite number that is not negative. Raises ValueError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"expected a number >= 0, got {text!r}")
    return value


def parse_size(text: str) -> float:
    """Bytes: `1024`, `20K`, `1.5M`, `1G` (powers of 1024). Raises ValueError."""
    factor = _SIZE_FACTORS.get(text[-1:].upper(), 1)
    try:
        return parse_number(text[:-1] if factor > 1 else text) * factor
    except ValueError:
        raise ValueError(f"expected bytes, as in 1024, 20K or 1M, got {text!r}") from None
