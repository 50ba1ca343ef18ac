"""Source, decoded and difference pictures of a few frames, for the report."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from nervbench.files import write_atomically
from nervbench.quality import Frames

AMPLIFIED = 4


def write_pictures(folder: Path, model: str, indices: tuple[int, ...], source: Frames, decoded: Frames) -> None:
    """Write ``MODEL-INDEX-{source,decoded,difference}.png``; ``source`` is the clip, ``decoded`` the frames chosen.

    A difference is the absolute one, amplified 4 times.
    """
    for frame, index in zip(decoded, indices, strict=True):
        apart = np.abs(frame.astype(np.int16) - source[index].astype(np.int16))
        difference = np.minimum(AMPLIFIED * apart, 255).astype(np.uint8)
        for kind, picture in (("source", source[index]), ("decoded", frame), ("difference", difference)):
            buffer = io.BytesIO()
            Image.fromarray(np.asarray(picture)).save(buffer, "PNG", optimize=True)
            write_atomically(folder / f"{model}-{index:04d}-{kind}.png", buffer.getvalue())
