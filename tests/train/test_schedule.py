"""The schedule against the recipe's own formula."""

from __future__ import annotations

import itertools
import math

import pytest

from nervbench.train.schedule import factor


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0, 0.1),
        (15, 0.1 + 0.9 * 0.25),
        (59.5, 0.1 + 0.9 * 59.5 / 60),
        (60, 1.0),
        (120, 0.5 * (1 + math.cos(math.pi / 4))),
        (180, 0.5),
        (299.99, 0.5 * (1 + math.cos(math.pi * 239.99 / 240))),
    ],
)
def test_300_epochs(epoch: float, expected: float) -> None:
    """Of 300 epochs the first 60 rise from 0.1 to 1, and the rest is half a cosine."""
    assert factor(epoch, 300, 0.2) == pytest.approx(expected)


def test_without_warm_up() -> None:
    """Without warm-up the cosine begins at once."""
    assert factor(0, 10, 0) == 1
    assert factor(5, 10, 0) == pytest.approx(0.5)


def test_it_rises_then_falls() -> None:
    """The factor rises through the warm-up, falls after it, and never leaves (0, 1]."""
    steps = [factor(step / 10, 20, 0.2) for step in range(200)]
    assert all(a < b for a, b in itertools.pairwise(steps[:41]))
    assert all(a > b for a, b in itertools.pairwise(steps[40:]))
    assert all(0 < step <= 1 for step in steps)
