"""The pictures of a folder: which there are, and how near a decoded one is to its source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from nervbench.report.markdown import image, table
from nervbench.units import fixed

SOURCE, DECODED, DIFFERENCE = KINDS = ("source", "decoded", "difference")
AMPLIFIED = 4
"""How many times the difference pictures are amplified when they are made."""
HEAD = ("frame", "PSNR, dB", SOURCE, f"{DECODED} (fp32 eager)", f"{DIFFERENCE}, {AMPLIFIED} times amplified")
MOST_PIXELS = 1 << 26
_NAME = re.compile(rf"(?P<model>.+)-(?P<index>\d{{4,}})-(?P<kind>{'|'.join(KINDS)})\.png")

Frames = Mapping[int, Mapping[str, str]]
"""Of a model, by the number of a frame: the path of each kind of picture."""


def found(folder: Path, below: str) -> dict[str, dict[int, dict[str, str]]]:
    """The frame pictures in ``folder / below`` by model, frame and kind, with their paths from ``folder``."""
    models: dict[str, dict[int, dict[str, str]]] = {}
    for path in sorted((folder / below).glob("*.png")):
        name = _NAME.fullmatch(path.name)
        if name:
            frame = models.setdefault(name["model"], {}).setdefault(int(name["index"]), {})
            frame[name["kind"]] = f"{below}/{path.name}"
    return models


def psnr_db(source: Path, decoded: Path) -> float | None:
    """PSNR of one picture against another, over all samples; None where they cannot be compared, or are the same."""
    try:
        with Image.open(source) as true, Image.open(decoded) as shown:
            if true.size != shown.size or true.width * true.height > MOST_PIXELS:
                return None
            apart = np.asarray(true.convert("RGB"), np.int16) - np.asarray(shown.convert("RGB"), np.int16)
    except (
        OSError,
        UnidentifiedImageError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
    ):  # Pillow raises all
        return None
    error = float(np.mean(np.square(apart, dtype=np.int32)))
    return 10 * float(np.log10(255**2 / error)) if error else None


def listed(frames: Frames, psnrs_db: Mapping[int, float | None]) -> list[str]:
    """A table of source, decoded and difference of each frame that has pictures; empty without any."""
    if not frames:
        return []
    lines = []
    for index in sorted(frames):
        cells = (
            image(f"frame {index}, {kind}", frames[index][kind]) if kind in frames[index] else "–" for kind in KINDS
        )
        lines.append([str(index), fixed(psnrs_db.get(index), 2), *cells])
    return [table(HEAD, lines, right=[1])]
