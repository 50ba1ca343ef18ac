"""Winograd's convolution against PyTorch's, values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from nervbench.train.winograd import convolved, fits


@pytest.mark.parametrize("size", [(4, 4), (1, 1), (3, 9), (6, 13), (18, 7)])
@pytest.mark.parametrize(("batch", "channels", "outputs"), [(1, 3, 5), (2, 8, 4)])
def test_values_and_gradients(size: tuple[int, int], batch: int, channels: int, outputs: int) -> None:
    """For sizes that are multiples of a tile and others, all is as of a direct convolution to 1e-5 of its size."""
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(batch, *size, channels, generator=generator, requires_grad=True)
    weight = torch.randn(outputs, channels, 3, 3, generator=generator, requires_grad=True)
    bias = torch.randn(outputs, generator=generator, requires_grad=True)
    found = convolved(x, weight, bias)
    expected = functional.conv2d(x.permute(0, 3, 1, 2), weight, bias, padding=1).permute(0, 2, 3, 1)
    by_y = torch.randn(expected.shape, generator=generator)
    pairs = zip(
        (found, *torch.autograd.grad(found, [x, weight, bias], by_y)),
        (expected, *torch.autograd.grad(expected, [x, weight, bias], by_y)),
        strict=True,
    )
    for ours, direct in pairs:
        torch.testing.assert_close(ours, direct, atol=1e-5 * direct.abs().max().item(), rtol=0)
    assert found.is_contiguous()


@pytest.mark.parametrize(
    ("shape", "outputs", "dtype", "expected"),
    [
        ((1, 90, 160, 48), 192, torch.float32, True),  # nerv-xs
        ((1, 90, 160, 48), 192, torch.bfloat16, False),
        ((1, 90, 160, 20), 192, torch.float32, False),
        ((1, 9, 16, 48), 192, torch.float32, False),
        ((1, 360, 640, 96), 384, torch.float32, False),  # nerv-s
    ],
)
def test_where_it_is_used(shape: tuple[int, ...], outputs: int, dtype: torch.dtype, expected: bool) -> None:
    """It takes float32 pictures with enough channels and pixels whose products stay within bounds."""
    x, weight = torch.empty(shape, dtype=dtype), torch.empty(outputs, shape[3], 3, 3)
    assert fits(x, weight) == expected


def test_not_under_autocast() -> None:
    """Where the network is to run in bfloat16, it does."""
    x, weight = torch.empty(1, 90, 160, 48), torch.empty(192, 48, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert not fits(x, weight)
