"""Published decoding speeds in a sentence, with their source. Another device: never compared by a ratio."""

from __future__ import annotations

from collections.abc import Iterable

from nervbench import published
from nervbench.units import significant

PAPER = ("nerv-s", "nerv-m", "nerv-l")


def beside(models: Iterable[str]) -> str:
    """The published speeds in a sentence, where one of the models is in the paper; otherwise empty."""
    if not set(PAPER) & set(models):
        return ""
    rows = [row for name in PAPER if (row := published.decoding(name))]
    speeds = ", ".join(f"{row.model} {significant(row.fps)} FPS" for row in rows)
    where = f"{rows[0].source}; {rows[0].conditions}"
    return f"{speeds} ({where}). That is another device: the numbers stand beside ours, not against them."
