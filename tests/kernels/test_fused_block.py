"""A block by its Triton kernel is the block by PyTorch: here by Triton's interpreter, on a GPU where there is one."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from nervbench.model.network import activation
from nervbench_kernels.ops.block import Head, reference
from tests import interpreted
from tests.interpreted import PLACE

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
EIGHT_BITS, LARGEST = torch.float8_e4m3fn, 448.0


@pytest.fixture(scope="module")
def fused() -> Any:
    """The kernels."""
    return interpreted.fused_block()


def data(inputs: int, outputs: int, stride: int, size: tuple[int, int], dtype: torch.dtype, batch: int) -> Any:
    """Seeded numbers of about unit power that ``dtype`` has: images, weight, bias, head."""
    torch.manual_seed(inputs + outputs + stride)
    weight = torch.randn(outputs * stride**2, inputs, 3, 3) / math.sqrt(9 * inputs)
    head = Head((torch.randn(3, outputs) / math.sqrt(outputs)).to(dtype).float().numpy(), torch.randn(3).numpy(), 2.0)
    images = torch.randn(batch, inputs, *size)
    return images.to(dtype), weight.to(dtype), (torch.randn(outputs * stride**2) / 4).to(dtype), head


def filled(fused: Any, images: Tensor, weight: Tensor, bias: Tensor, stride: int, name: str, head: Any = None) -> Any:
    """The block with its images in place."""
    size = (images.shape[2], images.shape[3])
    block = fused.FusedBlock(weight.to(PLACE), bias.to(PLACE), stride, size, name, len(images), head)
    block.inside.copy_(images.permute(0, 2, 3, 1))
    return block


SHAPES = [
    (5, 7, 1, (1, 1)),
    (3, 4, 2, (3, 5)),
    (10, 6, 5, (2, 3)),
    (16, 12, 2, (9, 16)),
    (32, 8, 3, (4, 4)),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_image(fused: Any, shape: tuple[int, int, int, tuple[int, int]], dtype: torch.dtype) -> None:
    """Features land in the next block's padded images, whose borders stay zero; nothing else is written."""
    inputs, outputs, stride, (height, width) = shape
    images, weight, bias, _ = data(inputs, outputs, stride, (height, width), dtype, batch=2)
    block = filled(fused, images, weight, bias, stride, "swish")
    following = torch.zeros(2, height * stride + 2, width * stride + 2, outputs, dtype=dtype, device=PLACE)
    following[:, 1:-1, 1:-1] = math.nan
    block(following)

    bound = {torch.float32: 2e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}[dtype]
    for image, found in zip(images, following[:, 1:-1, 1:-1].cpu(), strict=True):
        meant = reference(image.float(), weight.float(), bias.float(), stride, activation("swish")).permute(1, 2, 0)
        assert (found.float() - meant).abs().max() < bound
    following[:, 1:-1, 1:-1] = 0
    assert not following.any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("stride", "size"), [(2, (3, 5)), (1, (4, 4)), (5, (2, 3))], ids=str)
def test_picture(fused: Any, stride: int, size: tuple[int, int], dtype: torch.dtype) -> None:
    """The last block ends in bytes: within what its type rounds, and on the same level almost everywhere."""
    images, weight, bias, head = data(12, 20, stride, size, dtype, batch=2)
    block = filled(fused, images, weight, bias, stride, "swish", head)
    pictures = torch.zeros(2, size[0] * stride, size[1] * stride, 3, dtype=torch.uint8, device=PLACE)
    block(pictures)

    for image, found in zip(images, pictures.cpu(), strict=True):
        meant = reference(image.float(), weight.float(), bias.float(), stride, activation("swish"), head)
        off = (found.int() - meant.int()).abs()
        assert off.max() <= {torch.float32: 1, torch.float16: 1, torch.bfloat16: 3}[dtype]
        assert (off > 0).float().mean() < {torch.float32: 0.005, torch.float16: 0.05, torch.bfloat16: 0.4}[dtype]


def in_eight_bits(fused: Any, shape: tuple[int, int, int, tuple[int, int]]) -> Any:
    """A block of two images in float8, what these and its weights are there, as float32, bias and head."""
    inputs, outputs, stride, size = shape
    images, weight, bias, head = data(inputs, outputs, stride, size, torch.float16, batch=2)
    weight[0] = 0  # a column without a range
    peak = float(images.abs().max())

    def make(head: Head | None) -> Any:
        block = fused.FusedBlock(weight.to(PLACE), bias.to(PLACE), stride, size, "swish", 2, head, peak)
        block.inside.copy_((images.permute(0, 2, 3, 1).float() * block.scale).to(EIGHT_BITS))
        assert block.image.dtype == block._weight.dtype == EIGHT_BITS
        return block

    scale = LARGEST / peak
    step = (weight.float().abs().amax((1, 2, 3), keepdim=True) / LARGEST).clamp(min=1e-30)
    rounded = (images.float() * scale).to(EIGHT_BITS).float() / scale
    return make, rounded, (weight / step).to(EIGHT_BITS).float() * step, bias.float(), head


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_float8(fused: Any, shape: tuple[int, int, int, tuple[int, int]]) -> None:
    """Products are of what float8 has of images and weights; what goes on is rounded to the nearest, or saturates."""
    _, outputs, stride, (height, width) = shape
    make, images, weight, bias, _ = in_eight_bits(fused, shape)
    meant = torch.stack([reference(image, weight, bias, stride, activation("swish")) for image in images])
    meant = meant.permute(0, 2, 3, 1)
    block = make(None)
    place = (2, height * stride + 2, width * stride + 2, outputs)

    halves = torch.zeros(place, dtype=torch.float16, device=PLACE)
    block(halves)
    assert (halves[:, 1:-1, 1:-1].cpu().float() - meant).abs().max() < 4e-3

    scale = LARGEST / (0.9 * float(meant.abs().max()))
    bytes_ = torch.zeros(place, dtype=EIGHT_BITS, device=PLACE)
    block(bytes_, scale)
    found = bytes_[:, 1:-1, 1:-1].cpu().float()
    scaled = (meant * scale).clamp(-LARGEST, LARGEST)
    assert (found.abs() == LARGEST).any()
    assert ((found - scaled).abs() <= scaled.abs() / 15 + 2**-9).all()
    assert (found == scaled.to(EIGHT_BITS).float()).float().mean() > 0.98  # sums in another order, at a half
    assert not bytes_.float()[:, 0].any()


@pytest.mark.parametrize(("stride", "size"), [(2, (3, 5)), (5, (2, 3))], ids=str)
def test_float8_picture(fused: Any, stride: int, size: tuple[int, int]) -> None:
    """After sums of float8 products the head is in 16 bits."""
    make, images, weight, bias, head = in_eight_bits(fused, (12, 20, stride, size))
    pictures = torch.zeros(2, size[0] * stride, size[1] * stride, 3, dtype=torch.uint8, device=PLACE)
    make(head)(pictures)

    for image, found in zip(images, pictures.cpu(), strict=True):
        off = (found.int() - reference(image, weight, bias, stride, activation("swish"), head).int()).abs()
        assert off.max() <= 1
        assert (off > 0).float().mean() < 0.05


@pytest.mark.parametrize("name", ["relu", "leaky", "leaky01", "relu6", "gelu", "swish", "softplus", "hardswish"])
def test_activations(fused: Any, name: str) -> None:
    """All of NeRV's, far from zero too, where an exponential would overflow."""
    images, weight, bias, _ = data(4, 3, 2, (2, 3), torch.float32, batch=1)
    bias[::2] += 40
    bias[1::2] -= 40
    block = filled(fused, images, weight, bias, 2, name)
    following = torch.zeros(1, 6, 8, 3, device=PLACE)
    block(following)

    meant = reference(images[0], weight, bias, 2, activation(name)).permute(1, 2, 0)
    assert torch.allclose(following[0, 1:-1, 1:-1].cpu(), meant, atol=1e-4, rtol=1e-5)
    assert name in fused.ACTIVATIONS


def test_refusals(fused: Any) -> None:
    """An activation without a kernel, and images whose offsets would not fit 32 bits."""
    weight, bias = torch.zeros(4, 1, 3, 3), torch.zeros(4)
    with pytest.raises(ValueError, match="no kernel for the activation 'sine'; there are: relu, leaky"):
        fused.FusedBlock(weight, bias, 2, (2, 2), "sine", 1)
    with pytest.raises(ValueError, match="a batch of 40000 is too large here"):
        fused.FusedBlock(weight, bias, 2, (500, 500), "relu", 40000)
