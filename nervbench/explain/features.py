"""The physics of a convolution on a GPU, as few quantities of which the fitted trees then choose.

A kernel of cuDNN cuts its output into tiles and gives each multiprocessor one tile at a time: the last wave and the
edges of the output are paid in full. So the time by one algorithm is about

    ceil(tiles / SMs) · FLOP of a tile / (peak / SMs)

and cuDNN takes the fastest of: the implicit matrix product (tiles of 128×32, 128×64, 128×128 pixels × channels), the
fused Winograd convolution F(2×2, 3×3) with 16 multiplications for 36, and the one that goes through memory, F(4×4, 3×3)
with 36 for 144, which writes and reads its transformed input and output. The fused one, ``winograd_128x128…tile148``,
cuts each picture into pieces of 8×16 pixels, that is 4×8 tiles of 2×2, so it wastes much of a small picture. Below all
of them is the memory roof. A factor whose figure the card lacks is left out: without bandwidth no memory roof, without
the number of SMs no waves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nervbench.cards import Peaks
from nervbench.errors import ConfigError
from nervbench.shapes import FP32_BYTES, Convolution

Floats = NDArray[np.float64]
DIRECT = ((128, 64), (64, 128), (128, 32), (32, 128), (128, 128))
PRODUCTS = ((64, 64), (32, 128), (128, 32), (128, 64), (64, 128), (128, 128))
PIECE = (8, 16, 32)
"""Rows, columns and channels of the output that a block of the fused Winograd convolution computes."""
DEPTH = 8
"""Channels of the input that it takes at a time."""
NEEDS = {"memory_bytes_per_s": "memory roof", "sms": "waves"}
"""What a card may lack, and the factor that is then left out."""


def left_out(card: Peaks) -> tuple[str, ...]:
    """The factors that cannot be had of a card, in words."""
    return tuple(f"{NEEDS[figure]} ({card.key} has no {figure})" for figure in card.lacks(*NEEDS))


def peak_of(card: Peaks) -> float:
    """FLOP/s in fp32, at the clock that the card holds if that is known. Raises ConfigError without such a figure."""
    if card.fp32_flop_per_s is None:
        msg = f"the card of {card.key} has no fp32_flop_per_s, so nothing is predicted on it; add it with its source"
        raise ConfigError([msg])
    if card.held_hz and card.boost_hz:
        return card.fp32_flop_per_s * card.held_hz / card.boost_hz
    return card.fp32_flop_per_s


def roof(kernels: Sequence[Convolution], card: Peaks) -> Floats:
    """Log seconds at the peak by the direct algorithm."""
    found: Floats = np.log(np.array([kernel.flop for kernel in kernels], float) / peak_of(card))
    return found


def shape(kernels: Sequence[Convolution]) -> Floats:
    """What of the shape alone decides which algorithm is taken, one row a kernel."""
    found = [
        (k.batch, k.in_channels, k.out_channels, k.height * k.width, k.flop, k.flop / k.bytes, k.pixels)
        for k in kernels
    ]
    odd = [(k.height % 2, k.height % 4) for k in kernels]
    return np.hstack([np.log(np.array(found, float)), np.array(odd, float)])


def estimates(kernels: Sequence[Convolution], card: Peaks) -> Floats:
    """Log seconds by each algorithm at its best, one row a kernel; -inf where the factor is left out."""
    peak = peak_of(card)
    batch, inputs, outputs, height, width, kernel = np.array(
        [(k.batch, k.in_channels, k.out_channels, k.height, k.width, k.kernel) for k in kernels], float
    ).T
    taps, pixels = kernel**2, batch * height * width

    def waves(tiles: Floats, at_once: int = 1) -> Floats:
        """Seconds of one FLOP in every tile, of which a multiprocessor has so many at once."""
        sms = (card.sms or 0) * at_once
        return np.ceil(tiles / sms) * (sms / peak) if sms else tiles / peak

    def memory(moved: Floats) -> Floats:
        """Seconds of the memory roof."""
        return FP32_BYTES * moved / card.memory_bytes_per_s if card.memory_bytes_per_s else np.zeros_like(moved)

    def tiles_of(rows: Floats, columns: Floats, tile: tuple[int, int]) -> Floats:
        return np.ceil(rows / tile[0]) * np.ceil(columns / tile[1])

    direct = [waves(tiles_of(pixels, outputs, tile)) * tile[0] * tile[1] * inputs * taps * 2 for tile in DIRECT]
    small = batch * np.ceil(height / 2) * np.ceil(width / 2)
    fused = [
        waves(tiles_of(small, outputs, tile) * times) * tile[0] * tile[1] * 16 / times * inputs * 2
        for tile, times in (((32, 32), 1), ((32, 64), 1), ((128, 128), 16))
    ]
    pieces = batch * np.ceil(height / PIECE[0]) * np.ceil(width / PIECE[1]) * np.ceil(outputs / PIECE[2])
    depth = DEPTH * np.ceil(inputs / DEPTH) + 2 * DEPTH  # filling and emptying the pipeline takes about two steps
    pieced = [waves(pieces, at_once) * 16 * 32 * PIECE[2] * depth * 2 for at_once in (1, 2)]
    large = batch * np.ceil(height / 4) * np.ceil(width / 4)
    moved = memory(72 * large * (inputs + outputs))
    through = [waves(36 * tiles_of(large, outputs, tile)) * tile[0] * tile[1] * inputs * 2 + moved for tile in PRODUCTS]
    bytes_s = memory(np.array([k.bytes for k in kernels], float) / FP32_BYTES)
    weights = memory(36 * inputs * outputs)
    best = [np.minimum.reduce(direct + fused), np.minimum.reduce(through)]
    with np.errstate(divide="ignore"):
        found: Floats = np.log(np.stack([*direct, *fused, *pieced, *through, *best, moved, bytes_s, weights], 1))
    return found


def alone(kernels: Sequence[Convolution], card: Peaks) -> Floats:
    """What the time over the roof is predicted from, with nothing measured."""
    base = roof(kernels, card)[:, None]
    return np.hstack([shape(kernels), estimates(kernels, card) - base, base])


def beside(kernels: Sequence[Convolution], times_s: Floats, source: Peaks, targets: Sequence[Peaks]) -> Floats:
    """What the ratios of the times on several devices to the one on ``source`` are predicted from, one row a kernel."""
    log = np.log(times_s)[:, None]
    attained = roof(kernels, source)[:, None] - log
    found = np.hstack([shape(kernels), attained, log, *(estimates(kernels, target) - log for target in targets)])
    return np.where(np.isfinite(found), found, 0.0)
