"""The kernels of a frame."""

from __future__ import annotations

import pytest

from nervbench.model.cost import cost_of
from nervbench.model.kernels import kernels_of
from nervbench.model.zoo import spec_of
from nervbench.shapes import Convolution


@pytest.mark.parametrize("model", ["nerv-s", "nerv-l"])
def test_arithmetic(model: str) -> None:
    """The convolutions of a NeRV have all of its FLOP but those of the stem, which is under 1 %."""
    flop = sum(kernel.flop for kernel in kernels_of(spec_of(model)) if isinstance(kernel, Convolution))

    assert 0.99 < flop / cost_of(spec_of(model), "fp32").flop_per_frame <= 1


def test_blocks() -> None:
    """Three quarters of NeRV-S are one convolution of 96 to 384 channels at half the size of the frame."""
    assert Convolution(1, 96, 384, 360, 640) in kernels_of(spec_of("nerv-s"))
