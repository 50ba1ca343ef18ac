"""The reference frames of a model, fp32 eager: one file a frame, so that a run makes only those that it compares."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nervbench.files import write_atomically

Frames = npt.NDArray[np.uint8]


def path_of(folder: Path, index: int) -> Path:
    """Where a frame of the reference lies."""
    return folder / f"{index:06d}.npy"


def read(folder: Path, indices: Iterable[int]) -> Frames:
    """Frames of the reference: (N, H, W, 3) uint8."""
    return np.stack([np.load(path_of(folder, index)) for index in indices])


def whole(path: Path, shape: tuple[int, ...]) -> bool:
    """Whether a kept array is there, of this shape, uint8, and as long as it says; a damaged one is made anew."""
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return False
    return bool(array.shape == shape and array.dtype == np.uint8)


def save_array(path: Path, array: Frames) -> None:
    """Write an array atomically in NumPy's format."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_atomically(path, buffer.getvalue())
