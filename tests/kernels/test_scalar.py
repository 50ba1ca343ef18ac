"""Activations are PyTorch's to float32's rounding, over all that a network may hand them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numba import njit

from nervbench.model.network import ACTIVATIONS as MODULES
from nervbench.model.network import activation
from nervbench_kernels.ops import scalar

X = np.unique(
    np.concatenate([np.linspace(-90, 90, 20_001), np.geomspace(1e-30, 80, 999), -np.geomspace(1e-30, 80, 999)])
)


def over(function: object, x: np.ndarray) -> np.ndarray:
    """A scalar function over an array, compiled as a kernel compiles it."""

    @njit(error_model="numpy", fastmath={"nnan", "ninf", "nsz", "contract"})
    def kernel(x: np.ndarray, y: np.ndarray) -> None:
        for i in range(x.size):
            y[i] = function(x[i])  # type: ignore[operator]

    y = np.empty_like(x)
    kernel(x, y)
    return y


def test_exp() -> None:
    """Within two units in the last place where it has an answer, and held at the ends."""
    x = X.astype(np.float32)
    held = np.clip(x.astype(np.float64), -87, 87)

    assert np.max(np.abs(over(scalar.exp, x) / np.exp(held) - 1)) < 2.5e-7


def test_every_activation_of_the_models() -> None:
    """What a model may ask for is here."""
    assert set(scalar.ACTIVATIONS) == {*MODULES, "leaky01"}


@pytest.mark.parametrize("name", scalar.ACTIVATIONS)
def test_activation(name: str) -> None:
    """As PyTorch has it in float64, within 3e-7 of the input (gelu's error function is good to 1.5e-7)."""
    x = X.astype(np.float32)
    meant = activation(name)(torch.from_numpy(x.astype(np.float64))).numpy()

    assert np.all(np.abs(over(scalar.ACTIVATIONS[name], x) - meant) <= 3e-7 * np.maximum(1, np.abs(x)))
