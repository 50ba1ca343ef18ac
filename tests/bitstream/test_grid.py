"""Uniform grids with zero as a level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nervbench.bitstream.grid import MAX_BITS, MIN_BITS, Floats, Quantised, dequantise, quantise

BITS = st.integers(MIN_BITS, MAX_BITS)
LARGEST = 2.0**120
VALUES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 6)),
    elements=st.floats(-LARGEST, LARGEST, width=32) | st.just(0.0) | st.floats(-1, 1, width=32),
)


@settings(deadline=None)
@given(values=VALUES, bits=BITS)
def test_error_levels_and_zero(values: Floats, bits: int) -> None:
    """No value is off by more than half a step, no channel has more levels than bits allow, and zero stays zero."""
    made = quantise(values, bits)
    found = dequantise(made)
    step_C1 = np.ldexp(made.steps_C.astype(np.float64), made.exponent)[:, None]

    assert (np.abs(found.astype(np.float64) - values) <= step_C1 * (0.5 + 1e-6) + 1e-44).all()
    assert (np.ptp(made.symbols, axis=1) < 2**bits).all()
    assert (found[values == 0] == 0).all()


@settings(deadline=None)
@given(values=VALUES, bits=BITS)
def test_sign(values: Floats, bits: int) -> None:
    """The sign of a level is that of its value."""
    found = dequantise(quantise(values, bits))

    assert (found * np.sign(values) >= 0).all()


def test_channels_are_apart() -> None:
    """A channel's step follows its own range, over all its levels; one of zeros has none."""
    values = np.array([[-1, 0, 3], [-0.001, 0, 0.003], [0, 0, 0]], np.float32)
    made = quantise(values, 8)
    steps = np.ldexp(made.steps_C.astype(np.float64), made.exponent)

    assert steps == pytest.approx([4 / 254, 0.004 / 254, 0], rel=1e-3)
    assert (np.ptp(made.symbols, axis=1) >= [253, 253, 0]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(value: float) -> None:
    """Values without a nearest level are refused."""
    with pytest.raises(ValueError, match="NaN or infinite"):
        quantise(np.array([[1, value]], np.float32), 8)


def test_beyond_float32() -> None:
    """What a file may hold and float32 cannot comes back as not finite, without a warning."""
    made = Quantised(np.array([[1, 0]], np.int32), np.array([np.inf], np.float16), 200)

    assert not np.isfinite(dequantise(made)).any()
