"""The learning-rate schedule of NeRV's code, as a factor of the base rate."""

from __future__ import annotations

import math


def factor(epoch: float, epochs: int, warmup_share: float) -> float:
    """The factor at a fractional ``epoch``: linear from 0.1 to 1 over the warm-up, then a half cosine to 0.

    >>> factor(0, 300, 0.2), factor(60, 300, 0.2), round(factor(180, 300, 0.2), 6)
    (0.1, 1.0, 0.5)
    """
    warmup = warmup_share * epochs
    if epoch < warmup:
        return 0.1 + 0.9 * epoch / warmup
    return 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup)))
