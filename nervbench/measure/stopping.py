"""When to stop taking samples. The rule that fired is part of the result."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, pstdev

from nervbench import stats
from nervbench.settings import Stopping

NOISE, SETTLED, SAMPLES, BUDGET = "noise", "settled", "samples", "budget"
CLIP = "clip"
"""What ends that which goes through the clip once."""
MIN_WALL_SHARE = 0.25
"""Noise may end a case only after this share of the budget: a short quiet stretch on a busy machine says little."""
LOOKS, STRIDE = 5, 16
"""Noise has settled when this many looks at it, so many samples apart, agree; the first look needs one stride too."""
SETTLED_SHARE = 0.05
"""They agree when their standard deviation is at most this share of their mean."""


def stopped_by(samples_s: Sequence[float], elapsed_s: float, rule: Stopping) -> str | None:
    """The rule that ends the case now, or None to go on.

    ``noise``: at least ``min_samples``, a quarter of the budget spent, and the relative interquartile range at most
    ``noise``. ``settled``: the same, but that the noise is over ``noise`` and no longer changes, so that more samples
    would not bring it down. ``samples``: ``max_samples`` taken. ``budget``: the time is over, and there are
    ``min_samples``.
    """
    count = len(samples_s)
    if count >= rule.max_samples:
        return SAMPLES
    if elapsed_s >= rule.budget_s and count >= rule.min_samples:
        return BUDGET
    if count < rule.min_samples or elapsed_s < MIN_WALL_SHARE * rule.budget_s:
        return None
    spread = stats.noise(samples_s)
    if spread is not None and spread <= rule.noise:
        return NOISE
    return SETTLED if _settled(samples_s) else None


def _settled(samples_s: Sequence[float]) -> bool:
    """Whether the noise of the first n, n - 16, … and n - 64 samples is nearly the same, as nvbench asks.

    Looked at where n is a multiple of 16, from 80 on. The samples looked at overlap: what settles is the noise of all
    of them, in which a change counts for less the later it comes.
    """
    count = len(samples_s)
    if count % STRIDE or count < LOOKS * STRIDE:
        return False
    looks = (stats.noise(samples_s[: count - STRIDE * back]) for back in range(LOOKS))
    known = [spread for spread in looks if spread is not None]
    return len(known) == LOOKS and pstdev(known) <= SETTLED_SHARE * fmean(known)
