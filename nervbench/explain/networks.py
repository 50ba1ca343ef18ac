"""A few small networks of one form whose mean is the prediction: fitted elsewhere, read from a packaged file.

They are kept in half precision; what is read are floats again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nervbench.explain.trees import AT_ONCE, Floats

FARTHEST = 6.0
"""Standard deviations from the mean of the fitted rows; what is farther is taken to be there."""
LAYER = ("weight", "bias")


@dataclass(frozen=True, slots=True)
class Networks:
    """Layers with SiLU between them, each ``weights[i]`` of shape (members, inputs, outputs).

    Inputs are less ``mean`` and over ``scale``; ``biases[i]`` are of shape (members, 1, outputs).
    """

    mean: Floats
    scale: Floats
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def __call__(self, x: Floats) -> Floats:
        """The mean of the members, for each row (inputs) all outputs; a few rows at a time, for the memory."""
        return np.concatenate([self._mean(x[at : at + AT_ONCE]) for at in range(0, max(1, len(x)), AT_ONCE)])

    def _mean(self, x: Floats) -> Floats:
        value = np.clip((x - self.mean) / self.scale, -FARTHEST, FARTHEST)
        for at, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            value = value / (1 + np.exp(-value)) if at else value
            value = value @ weight + bias
        found: Floats = value.mean(0)
        return found

    def arrays(self, name: str) -> dict[str, Any]:
        """As arrays with names, to be kept in a file."""
        kept = {f"{name}/mean": self.mean.astype(np.float32), f"{name}/scale": self.scale.astype(np.float32)}
        for part, arrays, kind in zip(LAYER, (self.weights, self.biases), (np.float16, np.float32), strict=True):
            kept |= {f"{name}/{part}{at}": array.astype(kind) for at, array in enumerate(arrays)}
        return kept


def from_arrays(file: Mapping[str, Any], name: str) -> Networks:
    """What :meth:`Networks.arrays` gave."""
    count = sum(key.startswith(f"{name}/{LAYER[0]}") for key in file)
    mean, scale = (file[f"{name}/{part}"].astype(float) for part in ("mean", "scale"))
    weights, biases = (tuple(file[f"{name}/{part}{at}"].astype(float) for at in range(count)) for part in LAYER)
    return Networks(mean, scale, weights, biases)
