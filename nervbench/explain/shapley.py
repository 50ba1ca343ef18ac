"""A difference split over the factors that made it, whatever their order.

Each factor gets the mean of what its change adds, over all orders in which the factors can change (Shapley, A Value
for n-Person Games, 1953). The shares add up to the whole difference, and a factor that changes nothing gets nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb


def split(value: Callable[[frozenset[str]], float], factors: Sequence[str]) -> dict[str, float]:
    """The share of each factor in ``value(all factors) - value(none)``.

    ``value`` is asked once for each of the 2^n sets of factors that have changed.

    >>> split(lambda changed: len(changed) ** 2, ["one", "other"])
    {'one': 2.0, 'other': 2.0}
    """
    values = {
        frozenset(changed): value(frozenset(changed))
        for size in range(len(factors) + 1)
        for changed in combinations(factors, size)
    }
    shares = {}
    for factor in factors:
        without = [changed for changed in values if factor not in changed]
        gains = (
            (values[changed | {factor}] - values[changed]) / comb(len(factors) - 1, len(changed)) for changed in without
        )
        shares[factor] = sum(gains) / len(factors)
    return shares
