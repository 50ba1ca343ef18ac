"""Published decoding speeds to put beside ours, with their source. Another device: never compared by a ratio."""

from __future__ import annotations

from collections.abc import Iterable

from nervbench.units import significant

SPEEDS = {"nerv-s": 54.5, "nerv-m": 53.8, "nerv-l": 52.9}
"""Decoding FPS by model, from the source below."""
SOURCE = "Chen et al., NeRV: Neural Representations for Videos, NeurIPS 2021, Table 2"
CONDITIONS = "RTX 2080 Ti, 1280×720, precision and batch not stated"


def beside(models: Iterable[str]) -> str:
    """The published speeds in a sentence, where one of the models is in the paper; otherwise empty."""
    if not SPEEDS.keys() & set(models):
        return ""
    speeds = ", ".join(f"{name} {significant(fps)} FPS" for name, fps in SPEEDS.items())
    return (
        f"{speeds} ({SOURCE}; {CONDITIONS}). That is another device: the numbers stand beside ours, not against them."
    )
