"""The reference frames of a model, fp32 eager: one file a frame, so that a run makes only those that it compares.

All that a case is compared with rests on them and on the source, so beside each kept array lies its SHA-256.
"""

from __future__ import annotations

import hashlib
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
    """Whether a kept array is there, of this shape, uint8, and what was written; a damaged one is made anew."""
    try:
        if _digest(path).read_text() != _sha256(path):  # before NumPy reads it, which may raise anything
            return False
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError):
        return False
    return bool(array.shape == shape and array.dtype == np.uint8)


def save_array(path: Path, array: Frames) -> None:
    """Write an array atomically in NumPy's format."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_atomically(path, buffer.getvalue())
    vouch(path)


def vouch(path: Path) -> None:
    """Note what an array is that has just been written."""
    write_atomically(_digest(path), _sha256(path))


def _digest(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
