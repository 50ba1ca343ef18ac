"""Is B slower than A, from turns that they took one after the other in warm processes, renewed several times?

Single samples on a shared machine scatter by 5 to 20 %, and what disturbs them (a neighbour, heat, the clock) lasts for
seconds. So A and B take turns, A B B A or B A A B, and every two turns of different sides that are near each other
count by the logarithm of the ratio of their times: what is slow for a while is slow for both, and a steady drift has
either sign as often. What is left is sharply peaked, with heavy tails: most neighbours agree within 1 %, and where a
disturbance begins or ends between two turns they differ by 10 to 50. So the ratios of a pair of processes are summed up
by Tukey's biweight, which leaves out what is far from the peak.

Two processes of the same program differ too, by where their memory lies, and no number of turns shows it. So the pair
is renewed, and the pairs' locations are the sample: an interval over them counts both kinds of variation, and asks
nothing of the turns within a pair (they may be correlated, drift, or have heavy tails). Pairs that met a bad moment
count less, by the inverse of their variance, to which that of a usual pair is added: what differs between processes is
in none of them. About one pair in thirty is out of line by 2 or 3 %. So where there are ten or more, a tenth is trimmed
at either end. The interval is Student's t of what is left, by the winsorised squares as in Tukey and McLaughlin (1963),
each divided by what its weight leaves of it, with Kish's effective number of pairs.

Chosen on recordings of 568 pairs of equals on two shared cores, 20 to 84 turns of 15 to 30 ms each: of made-up
comparisons of 8 of these pairs a difference of 2 % would have been found in 95 %, by the median of each pair and equal
weights in 87 %; of 24 pairs 1 % in 97 instead of 91 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nervbench.compare.verdict import Verdict, verdict
from nervbench.stats import Floats, student

CORE, REACH = 0.3, 3.0
"""The biweight ends at three times the distance from the median within which 30 % of the ratios lie."""
STEPS = 20
TRIM_PAIRS = 0.1
"""Share of the pairs that is cut off at either end."""
MIN_PAIRS = 3


def location(ratios: Sequence[float]) -> tuple[float, float]:
    """Tukey's biweight and its standard error, as if the ratios were independent: that ranks pairs, it is no interval.

    >>> [round(value, 3) for value in location([0.01, 0.012, 0.008, 0.011, 0.009, 0.5, -0.3])]
    [0.01, 0.001]
    """
    values = np.asarray(ratios)
    centre = float(np.median(values))
    end = REACH * float(np.quantile(np.abs(values - centre), CORE))
    if not end:  # a third of them or more are the same number
        return centre, 0.0
    for _ in range(STEPS):
        weights = np.clip(1 - ((values - centre) / end) ** 2, 0, None) ** 2
        centre = float(np.average(values, weights=weights))
    u = (values - centre) / end
    u = u[np.abs(u) < 1]
    slope = float(np.sum((1 - u**2) * (1 - 5 * u**2)))
    return centre, end * math.sqrt(np.sum((u * (1 - u**2) ** 2) ** 2)) / max(slope, 1.0)


def paired(pairs: Sequence[Sequence[float]], level: float, bound: float) -> Verdict:
    """The verdict on B against A; one sequence of log(time of B / time of A) for each pair of processes.

    ``level`` is the probability of saying faster or slower of two equals, ``bound`` the difference that is none (see
    :func:`nervbench.compare.verdict.verdict`). Raises ValueError under three pairs: fewer say nothing about how pairs
    differ.
    """
    if len(pairs) < MIN_PAIRS:
        msg = f"a paired comparison needs {MIN_PAIRS} pairs of processes or more, found {len(pairs)}"
        raise ValueError(msg)
    found = np.array(sorted(map(location, pairs)))
    centre, half = _interval(found[:, 0], _weights(found[:, 1] ** 2), level)
    return verdict(math.exp(centre), math.exp(centre - half), math.exp(centre + half), level, bound)


def _weights(variances: Floats) -> Floats:
    usual = np.median(variances)
    return 1 / (variances + usual) if usual else np.ones_like(variances)


def _interval(locations: Floats, weights: Floats, level: float) -> tuple[float, float]:
    """The trimmed mean of sorted locations and half of its interval."""
    count = len(locations)
    cut = int(TRIM_PAIRS * count)
    left = slice(cut, count - cut)
    centre = float(np.average(locations[left], weights=weights[left]))
    winsorised = np.clip(locations, locations[cut], locations[-1 - cut])
    shares = weights / weights.sum()
    error = math.sqrt(np.sum(shares**2 * (winsorised - centre) ** 2 / (1 - shares))) / (1 - 2 * cut / count)
    effective = weights[left].sum() ** 2 / np.sum(weights[left] ** 2)
    return centre, student(level, max(effective - 1, 1.0)) * error
