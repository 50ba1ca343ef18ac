"""When to stop taking samples. The rule that fired is part of the result."""

from __future__ import annotations

from collections.abc import Sequence

from nervbench import stats
from nervbench.config import Stopping

NOISE, SAMPLES, BUDGET = "noise", "samples", "budget"
MIN_WALL_SHARE = 0.25
"""Noise may end a case only after this share of the budget: a short quiet stretch on a busy machine says little."""


def stopped_by(samples_s: Sequence[float], elapsed_s: float, rule: Stopping) -> str | None:
    """The rule that ends the case now, or None to go on.

    ``noise``: at least ``min_samples``, a quarter of the budget spent, and the relative interquartile range at most
    ``noise``. ``samples``: ``max_samples`` taken. ``budget``: the time is over, and there are
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
    return NOISE if spread is not None and spread <= rule.noise else None
