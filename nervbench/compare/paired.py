"""Is B slower than A, from turns that they took one after the other in warm processes, renewed several times?

Single samples on a shared machine scatter by 5 to 20 %, and what disturbs them (a neighbour, heat, the clock) lasts for
seconds. So A and B take turns, A B B A or B A A B, and a round counts by the logarithm of the ratio of its two times:
what is slow for a while is slow for both, and a steady drift cancels within a round. The rounds of a pair of processes
are summed up by a trimmed mean, which a few disturbed rounds do not move.

Two processes of the same program differ too, by where their memory lies, and no number of rounds shows it. So the pair
is renewed, and the pairs' means are the sample: an interval by Student's t over them counts both kinds of variation,
and asks nothing of the rounds within a pair (they may be correlated, drift, or have heavy tails).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from nervbench.compare.verdict import Verdict, verdict

TRIM = 0.2
"""Share of the rounds cut off at either end: the usual robust choice (Wilcox, Introduction to Robust Estimation)."""
MIN_PAIRS = 3


def trimmed_mean(values: Sequence[float], trim: float = TRIM) -> float:
    """The mean of what lies between the lowest and the highest ``trim`` share of the values.

    >>> trimmed_mean([1, 2, 3, 4, 100])
    3.0
    """
    cut = int(trim * len(values))
    return fmean(sorted(values)[cut : len(values) - cut])


def t_probability(t: float, freedom: int) -> float:
    """Probability that |T| ≤ t for Student's t with a whole number of degrees of freedom.

    Closed form: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range((freedom - 1 if odd else freedom) // 2):
        if k:
            term *= square * (2 * k / (2 * k + 1) if odd else (2 * k - 1) / (2 * k))
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def t_quantile(level: float, freedom: int) -> float:
    """The t that |T| exceeds with probability ``level``.

    >>> [round(t_quantile(0.01, freedom), 3) for freedom in (1, 2, 5, 30)]
    [63.657, 9.925, 4.032, 2.75]
    """
    low, high = 0.0, 1.0
    while t_probability(high, freedom) < 1 - level:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_probability(middle, freedom) < 1 - level else (low, middle)
    return high


def paired(pairs: Sequence[Sequence[float]], level: float, bound: float) -> Verdict:
    """The verdict on B against A; one sequence of log(time of B / time of A) for each pair of processes.

    ``level`` is the probability of saying faster or slower of two equals, ``bound`` the difference that is none (see
    :func:`nervbench.compare.verdict.verdict`). Raises ValueError under three pairs: fewer say nothing about how pairs
    differ.
    """
    if len(pairs) < MIN_PAIRS:
        msg = f"a paired comparison needs {MIN_PAIRS} pairs of processes or more, found {len(pairs)}"
        raise ValueError(msg)
    means = [trimmed_mean(rounds) for rounds in pairs]
    half = t_quantile(level, len(means) - 1) * stdev(means) / math.sqrt(len(means))
    centre = fmean(means)
    return verdict(math.exp(centre), math.exp(centre - half), math.exp(centre + half), level, bound)
