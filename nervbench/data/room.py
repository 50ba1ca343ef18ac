"""Room for the frames of a clip."""

from __future__ import annotations

import math
import tempfile

import numpy as np
import numpy.typing as npt

IN_MEMORY_BYTES = 2 << 30


def room(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """An array to write frames into: in memory up to ``IN_MEMORY_BYTES``, else mapped from a temporary file."""
    if math.prod(shape) <= IN_MEMORY_BYTES:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:  # the mapping keeps it alive after the name is gone
        return np.memmap(file, np.uint8, "w+", shape=shape)
