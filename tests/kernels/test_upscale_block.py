"""A block by Winograd's kernels is the block by PyTorch, whatever its size, stride, width and activation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from nervbench.model.network import activation
from nervbench_kernels.ops import winograd
from nervbench_kernels.ops.block import Head, reference
from nervbench_kernels.ops.upscale_block import TILES, Block

# Few channel counts: each is compiled for itself.
NARROW, WIDE = 5, 20


@dataclass(frozen=True)
class Given:
    """Random weights and an image, of about unit power."""

    x_CHW: Tensor
    weight: Tensor
    bias: Tensor
    head: Head


def given(inputs: int, outputs: int, stride: int, height: int, width: int, seed: int = 0) -> Given:
    """Seeded numbers of these shapes."""
    torch.manual_seed(seed)
    weight = torch.randn(outputs * stride**2, inputs, 3, 3) / np.sqrt(9 * inputs)
    head = Head((torch.randn(3, outputs) / np.sqrt(outputs)).numpy(), torch.randn(3).numpy(), 2.0)
    return Given(torch.randn(inputs, height, width), weight, torch.randn(outputs * stride**2) / 4, head)


def block_of(data: Given, stride: int, name: str, head: Head | None = None) -> Block:
    """The block, its input filled in."""
    size = (data.x_CHW.shape[1], data.x_CHW.shape[2])
    block = Block(data.weight.numpy(), data.bias.numpy(), stride, size, name, head)
    block.inside[...] = data.x_CHW.permute(1, 2, 0).numpy()
    return block


SIZES = [(1, 1), (3, 4), (4, 8), (9, 16), (17, 41), (40, 36)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("channels", "stride"), [((NARROW, WIDE), 1), ((WIDE, NARROW), 2), ((NARROW, NARROW), 5)])
def test_image(channels: tuple[int, int], stride: int, size: tuple[int, int]) -> None:
    """Features land in the next block's padded image, whose border stays zero."""
    data = given(*channels, stride, *size)
    block = block_of(data, stride, "swish")
    following = winograd.padded(size[0] * stride, size[1] * stride, channels[1])
    block.compute(block.strips, block.scratch(), following)
    meant = reference(data.x_CHW, data.weight, data.bias, stride, activation("swish")).permute(1, 2, 0).numpy()

    inside = following[1 : 1 + meant.shape[0], 1 : 1 + meant.shape[1]]
    assert np.max(np.abs(inside - meant)) < 5e-5
    inside[...] = 0
    assert not following.any()


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_picture(size: tuple[int, int]) -> None:
    """The last block ends in bytes: at most one level from PyTorch's, and that rarely (rounding at a half)."""
    data = given(NARROW, WIDE, 2, *size)
    block = block_of(data, 2, "swish", data.head)
    picture = np.zeros((size[0] * 2, size[1] * 2, 3), np.uint8)
    block.compute(block.strips, block.scratch(), picture)
    meant = reference(data.x_CHW, data.weight, data.bias, 2, activation("swish"), data.head).numpy()

    away = np.abs(picture.astype(int) - meant)
    assert away.max() <= 1
    assert np.mean(away > 0) < 0.01
    assert meant.std() > 20


@pytest.mark.parametrize("name", ["gelu"])
def test_activation(name: str) -> None:
    """The activation of the model is the one that is applied."""
    data = given(NARROW, NARROW, 2, 9, 16)
    block = block_of(data, 2, name)
    following = winograd.padded(18, 32, NARROW)
    block.compute(block.strips, block.scratch(), following)
    meant = reference(data.x_CHW, data.weight, data.bias, 2, activation(name)).permute(1, 2, 0).numpy()

    assert np.max(np.abs(following[1:19, 1:33] - meant)) < 5e-5


def test_strips_are_independent() -> None:
    """Strips in another order, by scratch that was used before, give the same bits; together they cover all tiles."""
    data = given(NARROW, WIDE, 2, 40, 36)
    block = block_of(data, 2, "swish")
    images = [winograd.padded(80, 72, WIDE) for _ in range(2)]
    scratch = block.scratch()
    block.compute(block.strips, scratch, images[0])
    block.compute(reversed(block.strips), scratch, images[1])

    assert len(block.strips) == -(-block.tiles // TILES) > 1
    assert np.array_equal(images[0], images[1])


def test_flop() -> None:
    """36 / 16 instead of 9 multiplications an output where the tiles fit, and whole tiles where they do not."""
    data = given(NARROW, WIDE, 2, 40, 36)
    direct = 2 * 9 * NARROW * WIDE * 4 * 40 * 36

    assert block_of(data, 2, "swish").flop == direct // 4
    assert block_of(given(NARROW, WIDE, 2, 1, 1), 2, "swish").flop == 2 * 36 * NARROW * WIDE * 4
