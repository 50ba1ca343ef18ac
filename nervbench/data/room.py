"""Room for the frames of a clip."""

from __future__ import annotations

import math
import os
import tempfile

import numpy as np
import numpy.typing as npt

IN_MEMORY_BYTES = 2 << 30
ON_DISK = "/var/tmp"  # where systems keep large temporary files


def room(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """An array to write frames into: in memory up to ``IN_MEMORY_BYTES``, else mapped from a temporary file."""
    if math.prod(shape) <= IN_MEMORY_BYTES:
        return np.empty(shape, np.uint8)
    # Not in /tmp, which may itself be memory; the mapping keeps the file alive after its name is gone.
    with tempfile.TemporaryFile(dir=ON_DISK if os.access(ON_DISK, os.W_OK) else None) as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)
