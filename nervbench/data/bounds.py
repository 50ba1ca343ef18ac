"""How large a clip may be before it is taken for a mistake or an attack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nervbench.errors import ClipError

MAX_PIXELS = 8192 * 8192  # a larger frame is refused before it is decoded
MOST_PIXELS = 1 << 27  # what that bound can be raised to; Pillow opens no image of more than about as many
MAX_FRAMES = 100_000  # over an hour; more are refused when they have been counted that far

RAISED = "max_{0} under [clip] in bench.toml, --max-{0} of eval"
"""Where a bound can be raised."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a clip may be before it is taken for a mistake or an attack."""

    pixels: int = MAX_PIXELS
    frames: int = MAX_FRAMES

    def check_pixels(self, path: Path, width: int, height: int) -> None:
        """Refuse frames that are larger, or empty."""
        if not 0 < width * height <= self.pixels:
            msg = (
                f"clip {path}: frames of {width}x{height}; the bound is {self.pixels} pixels "
                f"(make them smaller, or raise it: {RAISED.format('pixels')})"
            )
            raise ClipError(msg)

    def check_frames(self, path: Path, found: int) -> None:
        """Refuse more frames; ``found`` may be how many were counted so far."""
        if found > self.frames:
            msg = (
                f"clip {path}: {found} frames or more; the bound is {self.frames} "
                f"(cut the clip, or raise it: {RAISED.format('frames')})"
            )
            raise ClipError(msg)
