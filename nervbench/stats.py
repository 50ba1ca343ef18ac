"""Statistics of samples. Computed when read; samples are never replaced by them."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.99
ROOM = 1 << 21
"""Values that a bootstrap holds at once, whatever the number of samples."""
MODES_NEED = 50
BIMODAL = 0.85
"""A split explains 0.64 of the variance of a normal distribution and 0.75 of a uniform one, the widest without two
clumps; two normal clumps of equal size explain 0.86 when 5 of their standard deviations apart. Of 50 samples
(``MODES_NEED``) that are normal, uniform, exponential, log-normal or drifting, at most 1 draw in 200 exceeds 0.85."""
Floats = NDArray[np.float64]
Samples = Sequence[float] | Floats
Statistic = Callable[[Floats], Floats]
"""Maps an array to its statistic along the last axis."""


@functools.cache
def samples_needed(share: float) -> int:
    """Samples that a percentile needs (MLPerf LoadGen's early-stopping bound without tolerance, at 99 % confidence).

    A low percentile needs as many as the high one that mirrors it. Raises ValueError unless 0 < share < 1.
    The least n for which at most one sample above the true percentile has a probability of at most 1 %:
    ``share^n · (1 + n · (1 − share) / share) ≤ 0.01``.

    >>> [samples_needed(share) for share in (0.5, 0.9, 0.95, 0.99, 0.999)]
    [11, 64, 130, 662, 6636]
    """
    if not 0 < share < 1:
        msg = f"a percentile has a share between 0 and 1, found {share}"
        raise ValueError(msg)
    share = max(share, 1 - share)
    count = 2
    while share**count * (1 + count * (1 - share) / share) > 1 - CONFIDENCE:
        count += 1
    return count


def quantile(ordered: Floats, share: float) -> float:
    """The value below which this share of the sorted values lies, as ``np.quantile`` interpolates it.

    NumPy's own takes twenty times as long of a few hundred values, and a page has ten thousand rows of them.
    """
    place = (len(ordered) - 1) * share
    low, high = float(ordered[int(place)]), float(ordered[math.ceil(place)])
    further = place - int(place)
    return high - (high - low) * (1 - further) if further >= 0.5 else low + (high - low) * further


def percentile(samples: Samples, share: float) -> float | None:
    """The percentile, or None where there are too few samples to state it."""
    if len(samples) < samples_needed(share):
        return None
    return quantile(np.sort(samples), share)


def tail(samples: Sequence[float]) -> tuple[float, float] | None:
    """The highest of p99 and p90 that there are enough samples for, as (share, value); None if for neither."""
    for share in (0.99, 0.9):
        if (value := percentile(samples, share)) is not None:
            return share, value
    return None


def median(samples: Sequence[float]) -> float | None:
    """The median, an estimate of the centre at any number of samples (``percentile(…, 0.5)`` is the guarded one)."""
    return statistics.median(samples) if len(samples) else None


def mean(samples: Sequence[float]) -> float | None:
    """The arithmetic mean, which every outlier moves: for protocols that divide calls by the sum of their times."""
    return math.fsum(samples) / len(samples) if samples else None


def noise(samples: Samples) -> float | None:
    """Relative interquartile range: (p75 − p25) / median; None under four samples."""
    if len(samples) < 4:
        return None
    ordered = np.sort(samples)
    low, middle, high = (quantile(ordered, share) for share in (0.25, 0.5, 0.75))
    return (high - low) / middle if middle > 0 else None


def middle_mean(values: Floats) -> Floats:
    """Mean of the middle half along the last axis: a quarter of the values is cut at either end (rounded down).

    A spike moves it by a bounded amount, and unlike the median it does not jump when samples come in two clumps.
    """
    count = values.shape[-1]
    cut = count // 4
    kept: Floats = np.sort(values, axis=-1)[..., cut : count - cut].mean(axis=-1)
    return kept


@dataclass(frozen=True, slots=True)
class Autocorrelation:
    """How far samples depend on those before them.

    ``lag_1`` is the correlation of neighbours (None where all are equal); ``block`` the number of consecutive samples
    that a bootstrap has to keep together, and ``time`` of how many one independent sample is worth: both 1 where the
    samples are independent.
    """

    lag_1: float | None
    block: int
    time: float


def autocorrelation(samples: Samples) -> Autocorrelation | None:
    """Autocorrelation and automatic block length of samples in the order in which they were taken; None under four.

    Computed of the samples clipped to their quartiles: that is what moves a :func:`middle_mean`, and a few spikes
    would otherwise hide the dependence of the rest. The block is that of the circular block bootstrap after Politis
    and White (2004), corrected by Patton, Politis and White (2009), at most ``min(3 √n, n / 3)``. Samples that
    drift from first to last are worth two, and an interval of them is accordingly wide.
    """
    count = len(samples)
    if count < 4:
        return None
    ordered = np.sort(samples)
    low, high = quantile(ordered, 0.25), quantile(ordered, 0.75)
    values = np.clip(samples, low, high)
    values -= values.mean()
    settled = max(5, math.ceil(math.sqrt(math.log10(count))))
    longest = min(count - 1, math.ceil(math.sqrt(count)) + settled)
    covariances = np.array([values[: count - lag] @ values[lag:] / count for lag in range(longest + 1)])
    if covariances[0] <= (1e-12 * high) ** 2:  # equal but for rounding
        return Autocorrelation(None, 1, 1.0)
    correlations = covariances / covariances[0]
    width = min(longest, 2 * max(1, _last_significant(correlations, count, settled)))
    lags = np.arange(1, width + 1)
    tapered = np.minimum(1, 2 * (1 - lags / width)) * correlations[1 : width + 1]
    spectrum = 1 + 2 * tapered.sum()
    slope = 2 * (lags * tapered).sum()
    limit = max(1, math.floor(min(3 * math.sqrt(count), count / 3)))
    best = (1.5 * slope**2 / spectrum**2 * count) ** (1 / 3) if spectrum > 0 else 1.0
    lag_1 = float(correlations[1])
    block = min(limit, max(1, math.ceil(best)))
    return Autocorrelation(lag_1, block, _time(correlations, count))


def median_interval(samples: Samples, level: float = 0.05) -> tuple[float, float] | None:
    """Two of the samples between which the true median lies but with a probability of ``level``; None where none do.

    By ranks, so for samples of any distribution: as many of n fall below the median as heads in n tosses (Conover,
    Practical Nonparametric Statistics, 1999, chapter 3), by the normal approximation. Dependent samples are worth
    fewer (see :func:`autocorrelation`), and their ranks are accordingly further apart.

    >>> median_interval([8, 3, 6, 5, 15, 16, 2, 12, 0, 1, 13, 10, 19, 9, 14, 11, 4, 17, 18, 7])
    (5.0, 14.0)
    """
    found = autocorrelation(samples)
    if found is None:
        return None
    count = len(samples)
    independent = count / max(found.block, found.time)
    if 2 * 0.5**independent > level:  # with that chance not even the least and the largest have it between them
        return None
    share = statistics.NormalDist().inv_cdf(1 - level / 2) / (2 * math.sqrt(independent))
    low, high = (math.ceil(count * (0.5 + reach)) for reach in (-share, share))
    ordered = np.sort(samples)
    return float(ordered[max(low, 1) - 1]), float(ordered[min(high, count) - 1])


def bootstrap_error(statistic: Statistic, samples: Sequence[float], rounds: int = 500) -> tuple[float, float] | None:
    """Standard error of a statistic of dependent samples, and the degrees of freedom it is known by; None under four.

    By the circular block bootstrap with the block of :func:`autocorrelation`, seeded, so that the same samples give
    the same error. ``statistic`` maps an array to its values along the last axis. In few samples the blocks miss part
    of a strong dependence; the error is then that of independent samples times the root of their ``time``. The
    samples are worth ``m = n / max(block, time)`` independent ones: the degrees of freedom are ``m - 1``, and the
    variance, which a resample of ``m`` makes too small by ``(m - 1) / m``, is set right.
    """
    found = autocorrelation(samples)
    if found is None:
        return None
    values = np.asarray(samples, dtype=float)
    error, independent = _block_error(statistic, values, found.block, rounds), len(values) / found.block
    if found.time > 1:
        error = max(error, _block_error(statistic, values, 1, rounds) * math.sqrt(found.time))
        independent = min(independent, len(values) / found.time)
    return error * math.sqrt(independent / (independent - 1)), independent - 1


def bootstrap_interval(statistic: Statistic, samples: Sequence[float], level: float) -> tuple[float, float] | None:
    """Interval that misses the statistic's true value with a probability of ``level``; None under four samples.

    Estimate ± Student's t times the :func:`bootstrap_error` (Efron and Tibshirani, An Introduction to the Bootstrap,
    1993, chapter 12). The percentiles of a few resamples would be too narrow at a small ``level``.
    """
    found = bootstrap_error(statistic, samples)
    if found is None:
        return None
    error, freedom = found
    estimate = float(statistic(np.asarray(samples, dtype=float)))
    reach = student(level, freedom) * error
    return estimate - reach, estimate + reach


@functools.cache
def student(level: float, freedom: float) -> float:
    """What the absolute value of Student's t with so many degrees of freedom (1 or more) exceeds with chance ``level``.

    With ``t = √freedom · tan θ`` the density of θ is proportional to ``cos(θ)^(freedom - 1)``: integrated, inverted.

    >>> [round(student(0.01, freedom), 2) for freedom in (1, 2, 4.5, 10, 1e9)]
    [63.66, 9.92, 4.27, 3.17, 2.58]
    """
    freedom = min(max(freedom, 1.0), 1e4)
    angles = np.linspace(0, math.pi / 2, 100_001)
    heights = np.cos(angles) ** (freedom - 1)
    areas = np.concatenate(([0.0], np.cumsum(heights[1:] + heights[:-1])))
    return math.sqrt(freedom) * math.tan(float(np.interp((1 - level) * areas[-1], areas, angles)))


def bimodality(samples: Sequence[float]) -> float | None:
    """Share of the variance that a split into two clumps explains, 0 to 1; None under ``MODES_NEED`` samples.

    The best split of the sorted samples (Otsu, 1979), without the 5 % at either end, where the spikes are, and with a
    tenth at least on either side. Above ``BIMODAL`` they come in two clumps. 0 where all samples are equal.
    """
    if len(samples) < MODES_NEED:
        return None
    values = np.sort(np.asarray(samples, dtype=float))
    cut = len(values) // 20
    values = values[cut : len(values) - cut]
    count, least = len(values), -(-len(values) // 10)
    values = values - values.mean()
    total = float(values @ values)
    if total <= count * (1e-12 * float(np.abs(samples).max())) ** 2:  # equal but for rounding
        return 0.0
    sizes = np.arange(1, count)
    between = np.cumsum(values)[:-1] ** 2 * (1 / sizes + 1 / (count - sizes))
    return float(between[least - 1 : count - least].max() / total)


def _block_error(statistic: Statistic, values: Floats, block: int, rounds: int) -> float:
    """Standard deviation of a statistic over resamples of consecutive values, taken in a circle."""
    random, count = np.random.default_rng(0), len(values)
    draws = []
    for start in range(0, rounds, at_once := max(1, ROOM // count)):
        starts = random.integers(0, count, (min(at_once, rounds - start), -(-count // block), 1))
        picks = (starts + np.arange(block)).reshape(len(starts), -1)[:, :count] % count
        draws.append(statistic(values[picks]))
    return float(np.std(np.concatenate(draws), ddof=1))


def _time(correlations: Floats, count: int) -> float:
    """Samples that are worth one independent sample, if the dependence decays geometrically; half of all at most.

    ``(1 + φ) / (1 - φ)``, with φ from the first lag or, where noise on top of a slow process hides it there, from the
    second (that of φ² then); both corrected for their bias of ``(1 + 3 φ) / n`` (Kendall, 1954), and only where they
    are larger than chance. Blocks alone are too short for this in few samples.
    """
    first, second = (
        found + (1 + 3 * found) / count if found > bound / math.sqrt(count) else 0.0
        for found, bound in zip(correlations[1:3].tolist(), (1, 2), strict=True)
    )
    persistence = max(first, math.sqrt(second))
    return min(count / 2, (1 + persistence) / (1 - persistence)) if persistence < 1 else count / 2


def _last_significant(correlations: Floats, count: int, settled: int) -> int:
    """The lag after which so many correlations in a row are no larger than chance; the last lag where none is."""
    chance = 2 * math.sqrt(math.log10(count) / count)
    small = np.abs(correlations[1:]) < chance
    for lag in range(len(small)):
        if small[lag : lag + settled].all():
            return lag
    return len(small)
