"""Statistics of samples. Computed when read; samples are never replaced by them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

CONFIDENCE = 0.99


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


def percentile(samples: Sequence[float], share: float) -> float | None:
    """The percentile, or None where there are too few samples to state it."""
    if len(samples) < samples_needed(share):
        return None
    return float(np.percentile(samples, 100 * share))


def median(samples: Sequence[float]) -> float | None:
    """The median, an estimate of the centre at any number of samples (``percentile(…, 0.5)`` is the guarded one)."""
    return float(np.median(samples)) if samples else None


def noise(samples: Sequence[float]) -> float | None:
    """Relative interquartile range: (p75 − p25) / median; None under four samples."""
    if len(samples) < 4:
        return None
    low, middle, high = np.percentile(samples, (25, 50, 75))
    return float((high - low) / middle) if middle > 0 else None


def median_interval(samples: Sequence[float], level: float = 0.95, rounds: int = 1000) -> tuple[float, float] | None:
    """Bootstrap interval of the median (percentile method, seeded so that the same samples give the same interval)."""
    if len(samples) < 4:
        return None
    values = np.asarray(samples)
    picks = np.random.default_rng(0).integers(0, len(values), (rounds, len(values)))
    medians = np.median(values[picks], axis=1)
    low, high = np.percentile(medians, (50 * (1 - level), 100 - 50 * (1 - level)))
    return float(low), float(high)
