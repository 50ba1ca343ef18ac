"""Activations as scalar float32 functions that LLVM vectorises when a kernel inlines them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numba import njit

F32 = np.float32

# e^x = 2^n · e^r with n = round(x / ln 2) and |r| ≤ ln 2 / 2. ln 2 is taken away in two parts, so that r keeps bits.
_LOG2_E = F32(1.4426950408889634)
_LN2_HIGH = F32(0.693359375)
_LN2_LOW = F32(-2.12194440e-4)
_ROUND = F32(1.5 * 2**23)
"""Added and taken away again, it rounds to a whole number, which until then stands in the low bits."""
_LIMIT = F32(87.0)
_MANTISSA_BITS = np.int32(23)

_inline = njit(forceinline=True, error_model="numpy")


@_inline
def exp(x: F32) -> F32:
    """e^x in float32 for |x| ≤ 87, and the nearest of these beyond.

    Taylor's polynomial of degree 7 on |r| ≤ 0.35 leaves 1e-8, under half a unit in the last place of float32.
    """
    x = x if x < _LIMIT else _LIMIT
    x = x if x > -_LIMIT else -_LIMIT
    shifted = x * _LOG2_E + _ROUND
    n = shifted - _ROUND
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = F32(1 / 5040)
    p = p * r + F32(1 / 720)
    p = p * r + F32(1 / 120)
    p = p * r + F32(1 / 24)
    p = p * r + F32(1 / 6)
    p = p * r + F32(1 / 2)
    p = p * r + F32(1)
    p = p * r + F32(1)
    exponent = np.float32(shifted).view(np.int32) << _MANTISSA_BITS
    return np.int32(np.float32(p).view(np.int32) + exponent).view(np.float32)


@_inline
def sigmoid(x: F32) -> F32:
    """1 / (1 + e^-x)."""
    return F32(1) / (F32(1) + exp(-x))


@_inline
def swish(x: F32) -> F32:
    """Also called SiLU: x · sigmoid(x)."""
    return x / (F32(1) + exp(-x))


@_inline
def relu(x: F32) -> F32:
    """max(x, 0)."""
    return x if x > F32(0) else F32(0)


@_inline
def relu6(x: F32) -> F32:
    """Held between 0 and 6."""
    return relu(x) - relu(x - F32(6))


@_inline
def leaky(x: F32) -> F32:
    """LeakyReLU of slope 0.01."""
    return x if x > F32(0) else F32(0.01) * x


@_inline
def leaky01(x: F32) -> F32:
    """LeakyReLU of slope 0.1."""
    return x if x > F32(0) else F32(0.1) * x


@_inline
def hardswish(x: F32) -> F32:
    """ReLU6(x + 3) · x / 6."""
    return x * relu6(x + F32(3)) * F32(1 / 6)


@_inline
def gelu(x: F32) -> F32:
    """GELU, x · Φ(x), by the error function (not its tanh approximation).

    erf(z) = 1 − (a₁t + … + a₅t⁵) e^(−z²) with t = 1 / (1 + pz), z ≥ 0, within 1.5e-7 (Abramowitz and Stegun, Handbook
    of Mathematical Functions, 7.1.26).
    """
    z = abs(x) * F32(math.sqrt(0.5))
    t = F32(1) / (F32(1) + F32(0.3275911) * z)
    p = F32(1.061405429)
    p = p * t + F32(-1.453152027)
    p = p * t + F32(1.421413741)
    p = p * t + F32(-0.284496736)
    p = p * t + F32(0.254829592)
    tail = F32(0.5) * p * t * exp(-z * z)
    return x * (F32(1) - tail if x > F32(0) else tail)


@_inline
def softplus(x: F32) -> F32:
    """ln(1 + e^x), and x itself above 20, as PyTorch has it."""
    return x if x > F32(20) else F32(math.log1p(exp(x)))


ACTIVATIONS: dict[str, Callable[[F32], F32]] = {
    "relu": relu,
    "leaky": leaky,
    "leaky01": leaky01,
    "relu6": relu6,
    "gelu": gelu,
    "swish": swish,
    "softplus": softplus,
    "hardswish": hardswish,
}
