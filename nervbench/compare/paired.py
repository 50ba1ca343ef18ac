"""Is B slower than A, from turns that they took one after the other in warm processes, renewed several times?

Single samples on a shared machine scatter by 5 to 20 %, and what disturbs them (a neighbour, heat, the clock) lasts for
seconds. So A and B take turns, A B B A or B A A B, and every two turns of different sides that are at most three apart
count by the logarithm of the ratio of their times: what is slow for a while is slow for both, and a steady drift has
either sign as often. What is left has heavy tails, for a disturbance begins and ends within some turn. So the ratios of
a pair of processes are summed up by their median. Over 80 turns of 15 to 25 ms on two shared cores the medians of pairs
of equals scatter by 0.63 % in a usual hour and 0.98 % in a bad one (1.48 times the median deviation, of 224 and 80
pairs); with each turn used once, and the mean of the middle fifth, by 0.68 and 1.46 %, of the middle three fifths by
0.88 and 1.71 %.

Two processes of the same program differ too, by where their memory lies, and no number of turns shows it. So the pair
is renewed, and the pairs' means are the sample: an interval over them counts both kinds of variation, and asks nothing
of the turns within a pair (they may be correlated, drift, or have heavy tails). About one pair in thirty is out of line
by 2 or 3 %. So where there are ten or more, a tenth is trimmed at either end, and the interval is that of Tukey and
McLaughlin (1963): Student's t of what is left, with the winsorised variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median, stdev

from nervbench.compare.verdict import Verdict, verdict
from nervbench.stats import student

TRIM_PAIRS = 0.1
"""Share of the pairs that is cut off at either end."""
MIN_PAIRS = 3


def trimmed_mean(values: Sequence[float], trim: float) -> float:
    """The mean of what lies between the lowest and the highest ``trim`` share of the values.

    >>> trimmed_mean([1, 2, 3, 4, 100], 0.2)
    3.0
    """
    cut = int(trim * len(values))
    return fmean(sorted(values)[cut : len(values) - cut])


def paired(pairs: Sequence[Sequence[float]], level: float, bound: float) -> Verdict:
    """The verdict on B against A; one sequence of log(time of B / time of A) for each pair of processes.

    ``level`` is the probability of saying faster or slower of two equals, ``bound`` the difference that is none (see
    :func:`nervbench.compare.verdict.verdict`). Raises ValueError under three pairs: fewer say nothing about how pairs
    differ.
    """
    if len(pairs) < MIN_PAIRS:
        msg = f"a paired comparison needs {MIN_PAIRS} pairs of processes or more, found {len(pairs)}"
        raise ValueError(msg)
    means = sorted(median(ratios) for ratios in pairs)
    count, cut = len(means), int(TRIM_PAIRS * len(means))
    centre = trimmed_mean(means, TRIM_PAIRS)
    winsorised = [min(max(mean, means[cut]), means[-1 - cut]) for mean in means]
    error = stdev(winsorised) / ((1 - 2 * cut / count) * math.sqrt(count))
    half = student(level, count - 2 * cut - 1) * error
    return verdict(math.exp(centre), math.exp(centre - half), math.exp(centre + half), level, bound)
