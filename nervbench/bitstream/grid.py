"""Uniform grids with zero as a level, one for each output channel.

The step of a channel spreads its smallest to its largest value over 2^bits levels. The grid is where multiples of the
step are, not where the smallest value is: so what was pruned stays exactly zero, at the price of one level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Symbols = npt.NDArray[np.int32]
Steps = npt.NDArray[np.float16]
MIN_BITS, MAX_BITS = 4, 8
MAX_EXPONENT = 200
"""Bound of a tensor's power of two; those of float32 weights lie between -158 and 128."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """Integers (C, …) whose value is symbol · step[c] · 2^exponent."""

    symbols: Symbols
    steps_C: Steps
    exponent: int


def quantise(values: Floats, bits: int) -> Quantised:
    """The nearest levels of values (C, …). Raises ValueError where they are not finite, or too near the largest float.

    The steps are rounded up, so that a channel never has more than 2^bits levels.
    """
    rows_CK = values.reshape(len(values), -1).astype(np.float64)
    if not np.isfinite(rows_CK).all():
        msg = "weights that are NaN or infinite"
        raise ValueError(msg)
    span_C = rows_CK.max(axis=1).clip(min=0) - rows_CK.min(axis=1).clip(max=0)
    wanted_C = span_C / (2**bits - 2)
    exponent = int(np.frexp(wanted_C.max())[1])
    scaled_C = np.ldexp(wanted_C, -exponent)
    steps_C = scaled_C.astype(np.float16)
    steps_C = np.where(steps_C < scaled_C, np.nextafter(steps_C, np.float16(np.inf)), steps_C)
    step_C1 = np.ldexp(steps_C.astype(np.float64), exponent)[:, None]
    symbols = np.rint(rows_CK / np.where(step_C1 > 0, step_C1, 1)).astype(np.int32)
    made = Quantised(symbols.reshape(values.shape), steps_C, exponent)
    if not np.isfinite(dequantise(made)).all():
        msg = "weights so large that their nearest levels are beyond float32"
        raise ValueError(msg)
    return made


def dequantise(quantised: Quantised) -> Floats:
    """The values, float32, by one multiplication each: the same everywhere. Beyond float32 they are not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        step_C = np.ldexp(quantised.steps_C.astype(np.float64), quantised.exponent).astype(np.float32)
        rows_CK = quantised.symbols.reshape(len(step_C), -1).astype(np.float32) * step_C[:, None]
    values: Floats = rows_CK.reshape(quantised.symbols.shape)
    return values
