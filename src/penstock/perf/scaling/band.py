"""The curve's 90 % band and everything else that wants an interval: whole runs are resampled, and all is fitted again.

Three things make the truth uncertain, and all three vary between replicates: the noise of runs, the choice of the law
(chosen anew each time) and what no law describes (`misfit.py`). Residuals of one fit alone cover 73 % where they should
cover 90. The rule: same runs and seed, same numbers.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from penstock.perf.scaling.fit import Fitted, loss_scale
from penstock.perf.scaling.laws import LAWS, Array, Places, log_throughput, usl_peak
from penstock.perf.scaling.many import aicc, fit_many
from penstock.perf.scaling.misfit import SIZES, corrections, size_weights
from penstock.perf.scaling.model import Law
from penstock.perf.scaling.sample import Sample

# A resampled run is its level's mean plus the deviation of a run drawn from all levels, in units of its level's
# moderated deviation: drawn within a level of three runs alone, a third of the variance is lost and the rest hardly
# known. The pool is stretched to variance 1 (Davison & Hinkley 1997, sections 2.3 and 3.2). Stretched by Student's t
# over z as well, the bands were too wide (94 %), because choosing the law anew adds some width already.
BAND = 0.90
REPLICATES = 400
_BETWEEN = 6  # points of the curve between two levels
_TINY = 1e-9


@dataclass(frozen=True)
class Band:
    """`grid` (g,): concurrencies, the levels among them at `at_levels` (k,). `curve` (g,): ln X of the chosen law,
    bent towards the level means as far as the misfit asks. `curves` (B, g): the replicates. `knees`, `slopes` and
    `peaks` (B,): the two-line law's κ and s and the USL's N* of each; infinite where there is none."""

    law: Law
    grid: Array
    at_levels: Places
    curve: Array
    curves: Array
    knees: Array
    slopes: Array
    peaks: Array

    @property
    def tops(self) -> Array:
        """How often each place of the grid is a replicate's highest, shape (g,), sum 1. `curve @ tops` is the maximum:
        the curve's own highest place is also its luckiest, 2 % too high on a plateau with 5 % noise."""
        counts = np.bincount(self.curves.argmax(axis=1), minlength=len(self.grid))
        return np.asarray(counts / counts.sum())

    def interval(self, share: float = BAND) -> tuple[Array, Array]:
        """Lowest and highest ln X at each point of the grid, with this share of the replicates between them."""
        tail = (1.0 - share) / 2.0
        low, high = np.quantile(self.curves, [tail, 1.0 - tail], axis=0)
        return np.minimum(low, self.curve), np.maximum(high, self.curve)


def band_of(sample: Sample, fits: tuple[Fitted, ...], *, seed: int, replicates: int = REPLICATES) -> Band:
    """Of a sample and its fits, best first. A quarter of a second for 8 levels of 3 runs."""
    rng = np.random.default_rng(seed)
    grid, at_levels = _grid(sample.levels)
    knee = next(one.fit.parameters["knee"] for one in fits if one.fit.law == "two_line")
    bends = corrections(sample, grid, knee)
    weights = {one.fit.law: size_weights(one.fit.law, one.theta, sample, knee) for one in fits}
    best = fits[0]
    law = best.fit.law
    pull = np.tensordot(weights[law], np.stack([bend.pull for bend in bends]), axes=1)
    missed_best = sample.means - log_throughput(law, best.theta[None, :], sample.levels)[0]
    curve = log_throughput(law, best.theta[None, :], grid)[0] + pull @ missed_best
    logs = _resampled(sample, rng, replicates)
    thetas, laws = _refitted(sample, logs)
    means = _level_means(sample, logs)
    curves = np.empty((replicates, len(grid)))
    draws = rng.standard_normal((replicates, len(grid)))
    places = rng.random(replicates)
    for index, law in enumerate(LAWS):
        sizes = np.minimum(np.searchsorted(weights[law].cumsum(), places), len(SIZES) - 1)
        for size, bend in enumerate(bends):
            rows = np.flatnonzero((laws == index) & (sizes == size))
            if len(rows):
                theta = thetas[law][rows]
                missed = means[rows] - log_throughput(law, theta, sample.levels)
                curves[rows] = log_throughput(law, theta, grid) + missed @ bend.pull.T + draws[rows] @ bend.spread.T
    return Band(
        law=best.fit.law,
        grid=grid,
        at_levels=at_levels,
        curve=curve,
        curves=curves,
        knees=np.exp(thetas["two_line"][:, 1]),
        slopes=thetas["two_line"][:, 2],
        peaks=usl_peak(thetas["usl"]),
    )


def _grid(levels: Array) -> tuple[Array, Places]:
    parts = [np.geomspace(low, high, _BETWEEN + 1, endpoint=False) for low, high in itertools.pairwise(levels)]
    grid = np.concatenate([*parts, levels[-1:]])
    return grid, np.arange(len(levels)) * (_BETWEEN + 1)


def _resampled(sample: Sample, rng: np.random.Generator, replicates: int) -> Array:
    units = (sample.logs - sample.means[sample.level_of]) / sample.deviations[sample.level_of]
    # moderated deviations are of the right size on average, their inverses are not
    units = units / max(float(np.sqrt((units**2).mean())), _TINY)
    drawn = units[rng.integers(0, len(units), size=(replicates, len(units)))]
    return np.asarray(sample.means[sample.level_of] + drawn * sample.deviations[sample.level_of])


def _refitted(sample: Sample, logs: Array) -> tuple[dict[Law, Array], Array]:
    """Parameters by law, and the index in `LAWS` of the law that each replicate would choose."""
    scale = loss_scale(sample)
    thetas: dict[Law, Array] = {}
    scores = []
    for law in LAWS:
        thetas[law], losses, free = fit_many(law, sample.run_levels, logs, scale)
        scores.append(aicc(losses, free, logs.shape[1]))
    return thetas, np.stack(scores).argmin(axis=0)


def _level_means(sample: Sample, logs: Array) -> Array:
    picks = np.zeros((len(sample.logs), len(sample.levels)))
    picks[np.arange(len(sample.logs)), sample.level_of] = 1.0 / sample.counts[sample.level_of]
    return np.asarray(logs @ picks)
