"""Shares that do not depend on an order."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from nervbench.explain.shapley import split

FACTORS = ("a", "b", "c", "d")


def value(changed: frozenset[str]) -> float:
    """A number for each set of factors, with every interaction."""
    return float(np.random.default_rng(sorted(map(ord, changed))).normal())


def test_mean_over_all_orders() -> None:
    """Each share is what its factor adds, in the mean over every order in which they can change."""
    found = split(value, FACTORS)

    for factor in FACTORS:
        gains = []
        for order in permutations(FACTORS):
            before = frozenset(order[: order.index(factor)])
            gains.append(value(before | {factor}) - value(before))
        assert found[factor] == pytest.approx(sum(gains) / math.factorial(len(FACTORS)))
    assert sum(found.values()) == pytest.approx(value(frozenset(FACTORS)) - value(frozenset()))


def test_what_changes_nothing_gets_nothing() -> None:
    """A factor without effect has no share, and asks for no more than one value a set."""
    asked = []

    def of_two(changed: frozenset[str]) -> float:
        asked.append(changed)
        return 3.0 * ("a" in changed) + 2.0 * ({"a", "b"} <= changed)

    assert split(of_two, ("a", "b", "idle")) == {"a": 4.0, "b": 1.0, "idle": 0.0}
    assert len(asked) == len(set(asked)) == 8


def test_no_factor() -> None:
    """Nothing can be split among none."""
    assert split(lambda _: 1.0, ()) == {}
