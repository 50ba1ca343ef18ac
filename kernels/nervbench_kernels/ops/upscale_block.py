"""A block of a NeRV decoder on a CPU, by the kernels of :mod:`nervbench_kernels.ops.winograd`.

:func:`nervbench_kernels.ops.block.reference` is the meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nervbench_kernels.ops import winograd
from nervbench_kernels.ops.block import Head
from nervbench_kernels.ops.winograd import Array

TILES = 40
"""Tiles a strip: 96 channels of their 36 points take 553 kB, so that what is read twice stays in a cache of 1 MB."""


class Block:
    """A block on one size of image. ``image`` is its input, padded: fill what lies inside the border, then compute.

    weight (out · stride², in, 3, 3) and bias as PyTorch's Conv2d has them. Several threads may compute strips of one
    block at a time, each with its own scratch.
    """

    def __init__(
        self, weight: Array, bias: Array, stride: int, size: tuple[int, int], activation: str, head: Head | None = None
    ) -> None:
        self.stride = stride
        self.height, self.width = size
        self.channels = weight.shape[1], weight.shape[0] // stride**2
        u, self._bias = winograd.transformed(weight, bias, stride)
        self._u = torch.from_numpy(u)
        self.across = winograd.tiles_across(self.width)
        self.tiles = self.across * winograd.tiles_across(self.height)
        self.image = winograd.padded(self.height, self.width, self.channels[0])
        self.inside = self.image[1 : 1 + self.height, 1 : 1 + self.width]
        self._before = winograd.patches_to_points(TILES, self.channels[0])
        after = winograd.points_to_picture if head else winograd.points_to_image
        self._after = after(TILES, self.channels[1], activation)
        self._head: tuple[Any, ...] = (head.weight, head.bias, np.float32(head.steep)) if head else ()

    @property
    def strips(self) -> range:
        """The first tile of each strip."""
        return range(0, self.tiles, TILES)

    @property
    def flop(self) -> int:
        """FLOP of its matrix products for one image, 2 a multiply-add."""
        return 2 * self._u.numel() * self.tiles

    def scratch(self) -> tuple[Tensor, Tensor]:
        """What a thread needs between input and output: points before and after the products."""
        inputs, outputs = self.channels
        return torch.zeros(winograd.POINTS, TILES, inputs), torch.empty(winograd.POINTS, TILES, outputs)

    def compute(
        self, strips: Iterable[int], scratch: tuple[Tensor, Tensor], target: Array | npt.NDArray[np.uint8]
    ) -> None:
        """Compute these strips into the next block's padded image, or into the picture (H, W, 3) uint8 with a head."""
        v, m = scratch
        flat_v, flat_m = v.numpy().reshape(-1), m.numpy().reshape(-1)
        with torch.inference_mode():
            for first in strips:
                place = (self.across, first, min(TILES, self.tiles - first))
                self._before(self.image, *place, flat_v)
                for part in range(self.stride**2):
                    torch.bmm(v, self._u[part], out=m)
                    sub = divmod(part, self.stride)
                    size = (self.height, self.width, self.stride)
                    self._after(flat_m, self._bias[part], *place, *size, *sub, target, *self._head)
