"""Where a handful of noisy logarithms lie, robustly: the one estimator behind every interval and verdict here.

Pure. The rule: one run out of ten that the machine disturbed must neither move the answer nor hide it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import fsum, inf, sqrt
from statistics import median

from penstock.errors import ConfigError

_TRIMMED = 0.2
_TRIMMED_FROM = 8


@dataclass(frozen=True, slots=True)
class Location:
    """`centre` of n values, the `error` (standard error) of it, and the degrees of freedom the error has.

    One value has an infinite error: nothing is known of its noise.
    """

    centre: float
    error: float
    freedom: float
    n: int

    def half_width(self, level: float) -> float:
        """Half of the two-sided interval of `level` (0.95) by Student's t. inf when nothing is known of the noise."""
        if self.freedom <= 0:
            return inf
        return t_quantile(1 - (1 - level) / 2, self.freedom) * self.error


def locate(values: Sequence[float]) -> Location:
    """The Hodges-Lehmann centre (median of all pairwise means) with the error of Yuen's trimmed mean.

    The error: standard deviation of the values after one in five at each end is drawn in to its neighbour
    (winsorised), s·√((n-1)/(h(h-1))) with h values untouched and h - 1 degrees of freedom (Yuen, "The two-sample
    trimmed t for unequal population variances", Biometrika 61, 1974). Below 8 values nothing is drawn in, which is the
    plain t: two values left of five say nothing. Centre: Hodges and Lehmann, "Estimates of location based on rank
    tests", Ann. Math. Statist. 34, 1963. On normal values the 95 % interval covers 94.4 to 94.8 % for 5 to 12 of them
    (40,000 simulations each). At least one value; about 20 µs for 12.
    """
    n = len(values)
    centre = median([(a + b) / 2 for a, b in combinations_with_replacement(values, 2)])
    if n < 2:
        return Location(centre, inf, 0, n)
    cut = int(n * _TRIMMED) if n >= _TRIMMED_FROM else 0
    ordered = sorted(values)
    low, high = ordered[cut], ordered[n - cut - 1]
    drawn_in = [min(max(value, low), high) for value in ordered]
    left = n - 2 * cut
    middle = fsum(drawn_in) / n
    # Not statistics.variance: it reckons in fractions, ten times slower.
    error = sqrt(fsum((value - middle) ** 2 for value in drawn_in) / (left * (left - 1)))
    return Location(centre, error, left - 1, n)


def t_quantile(share: float, freedom: float) -> float:
    """The value that Student's t with `freedom` degrees of freedom does not exceed with probability `share`.

    Raises ConfigError when scipy (extra `perf`) is not installed. Imported on first use: 0.2 s.
    """
    try:
        from scipy.special import stdtrit
    except ImportError:
        raise ConfigError(
            "compare: expected scipy to be installed, found no such package", hint="pip install 'penstock[perf]'"
        ) from None
    return float(stdtrit(freedom, share))
