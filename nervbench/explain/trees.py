"""Small regression trees as flat arrays: fitted elsewhere, read from a packaged file, summed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Trees:
    """All nodes of all trees, one after the other; ``roots`` are the first of each, their sum begins at ``start``.

    A number of the ``feature`` up to ``value`` goes ``left``, others ``right``, both counted from the node itself. A
    leaf has ``left`` 0, and ``value`` is what it adds.
    """

    feature: NDArray[np.uint8]
    value: NDArray[np.float32]
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    roots: NDArray[np.uint16]
    start: float

    def __call__(self, x: Floats) -> Floats:
        """The sum over the trees, for each row; a few rows at a time, for the memory."""
        return np.concatenate([self._sum(x[at : at + AT_ONCE]) for at in range(0, max(1, len(x)), AT_ONCE)])

    def _sum(self, x: Floats) -> Floats:
        node = np.tile(self.roots.astype(np.intp), (len(x), 1))
        rows = np.arange(len(x))[:, None]
        while (inner := self.left[node] > 0).any():
            low = x[rows, self.feature[node]] <= self.value[node]
            node = node + np.where(inner, np.where(low, self.left[node], self.right[node]), 0)
        found: Floats = self.start + self.value[node].sum(1, dtype=np.float64)
        return found

    def arrays(self, name: str) -> dict[str, Any]:
        """As arrays with names, to be kept in a file."""
        parts = {part: getattr(self, part) for part in ("feature", "value", "left", "right", "roots")}
        return {f"{name}/{part}": array for part, array in {**parts, "start": np.float64(self.start)}.items()}


def from_arrays(file: Mapping[str, Any], name: str) -> Trees:
    """What :meth:`Trees.arrays` gave."""
    feature, value, left, right, roots = (
        file[f"{name}/{part}"] for part in ("feature", "value", "left", "right", "roots")
    )
    return Trees(feature, value, left, right, roots, float(file[f"{name}/start"]))
