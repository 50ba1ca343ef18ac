"""Networks: what they compute, and how they are kept."""

from __future__ import annotations

import numpy as np
import pytest

from nervbench.explain import networks
from nervbench.explain.networks import FARTHEST, Networks

TWO = Networks(
    mean=np.array([1.0, 0.0]),
    scale=np.array([2.0, 1.0]),
    weights=(np.array([[[1.0], [2.0]], [[0.0], [0.5]]]), np.array([[[3.0, 0.0]], [[1.0, 1.0]]])),
    biases=(np.zeros((2, 1, 1)), np.array([[[0.0, 0.25]], [[0.0, 0.75]]])),
)


def silu(value: float) -> float:
    """The activation."""
    return value / (1 + float(np.exp(-value)))


def test_mean_of_members() -> None:
    """Inputs are brought to the fitted rows' scale, each member computes its layers, and the mean is what is said."""
    (found,) = TWO(np.array([[5.0, 1.0]]))

    assert found == pytest.approx([(3 * silu(4.0) + silu(0.5)) / 2, (0.25 + silu(0.5) + 0.75) / 2])


def test_far_away() -> None:
    """What lies farther than the fitted rows is taken to be at their edge: nothing is made up beyond it."""
    edge = 1 + 2 * FARTHEST

    assert TWO(np.array([[1e9, 0.0]])).tolist() == TWO(np.array([[edge, 0.0]])).tolist()


def test_kept() -> None:
    """What is kept is read again, weights in half precision; many rows and none give as many."""
    rng = np.random.default_rng(0)
    made = Networks(
        rng.normal(size=3),
        rng.uniform(0.5, 2, 3),
        (rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4, 4)), rng.normal(size=(2, 4, 2))),
        (rng.normal(size=(2, 1, 4)), rng.normal(size=(2, 1, 4)), rng.normal(size=(2, 1, 2))),
    )
    kept = made.arrays("from/x") | TWO.arrays("from/xy")
    again = networks.from_arrays(kept, "from/x")
    x = rng.normal(size=(5000, 3))

    assert kept["from/x/weight0"].dtype == np.float16
    assert len(again.weights) == 3
    assert np.abs(again(x) - made(x)).max() < 0.05
    assert again(x).shape == (5000, 2)
    assert again(x[:0]).shape == (0, 2)
