"""3×3 convolution with a quarter of the multiplications, forwards and backwards, in a few products of matrices.

Winograd's F(4×4, 3×3) (Lavin and Gray, arXiv 1509.09308): a tile of 6×6 inputs d and a kernel g give 4×4 outputs
Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A; summed over channels, ⊙ is 36 products of matrices, one for each place of a tile. 36
multiplications a tile and pair of channels instead of 144. Aᵀ·A as one matrix of 16×36 acts on all tiles at once, and
so with B and G. All of it is linear in d and in g, so the gradients are the transposes of the same steps: no other
algorithm, and the same quarter. Differs from a direct convolution by some 1e-6 of its size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

Matrix = list[list[float]]
MIN_CHANNELS, MIN_PIXELS = 32, 4096
MAX_BYTES = 2**26
"""Of all products. Below and above nothing was gained or nothing was measured."""

_BT: Matrix = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
       [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]  # fmt: skip
_G: Matrix = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
      [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]  # fmt: skip
_AT: Matrix = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


def fits(x_BHWC: Tensor, weight_OC33: Tensor) -> bool:
    """Whether it is the faster way for this input: float32 on the CPU, channels and pixels enough, memory in bounds."""
    if x_BHWC.device.type != "cpu":
        return False
    batch, height, width, channels = x_BHWC.shape
    products = 36 * batch * -(-height // 4) * -(-width // 4) * len(weight_OC33)
    large = channels >= MIN_CHANNELS and height * width >= MIN_PIXELS and 4 * products <= MAX_BYTES
    return large and x_BHWC.dtype == weight_OC33.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def convolved(x_BHWC: Tensor, weight_OC33: Tensor, bias_O: Tensor) -> Tensor:
    """Padding 1 and stride 1: (B, H, W, C) → (B, H, W, O), contiguous."""
    y_BHWO: Tensor = _Convolved.apply(x_BHWC, weight_OC33, bias_O)  # type: ignore[no-untyped-call]
    return y_BHWO


def _twice(rows: Matrix) -> Tensor:
    """The matrix that does to the columns and to the rows of a tile what ``rows`` does to a vector."""
    return torch.from_numpy(np.kron(rows, rows).astype(np.float32))


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_BHWC: Tensor, weight_OC33: Tensor, bias_O: Tensor) -> Tensor:
        batch, height, width, channels = x_BHWC.shape
        outputs = len(weight_OC33)
        down, across = -(-height // 4), -(-width // 4)
        padded = functional.pad(x_BHWC, (0, 0, 1, 4 * across - width + 1, 1, 4 * down - height + 1))
        tiles_66BhwC = padded.unfold(1, 6, 4).unfold(2, 6, 4).permute(4, 5, 0, 1, 2, 3)
        v_36TC = (_twice(_BT) @ tiles_66BhwC.reshape(36, -1)).view(36, -1, channels)
        u_36CO = (_twice(_G) @ weight_OC33.permute(2, 3, 1, 0).reshape(9, -1)).view(36, channels, outputs)
        m_36TO = torch.bmm(v_36TC, u_36CO)
        y_44BhwO = (_twice(_AT) @ m_36TO.view(36, -1)).view(4, 4, batch, down, across, outputs)
        y_BHWO = y_44BhwO.permute(2, 3, 0, 4, 1, 5).reshape(batch, 4 * down, 4 * across, outputs)
        ctx.save_for_backward(v_36TC, u_36CO)
        ctx.sizes = (batch, height, width, down, across)
        return (y_BHWO[:, :height, :width] + bias_O).contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_y_BHWO: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        v_36TC, u_36CO = ctx.saved_tensors
        batch, height, width, down, across = ctx.sizes
        channels, outputs = u_36CO.shape[1:]
        padded = functional.pad(by_y_BHWO, (0, 0, 0, 4 * across - width, 0, 4 * down - height))
        by_y_44 = padded.view(batch, down, 4, across, 4, outputs).permute(2, 4, 0, 1, 3, 5).reshape(16, -1)
        by_m_36TO = (_twice(_AT).t() @ by_y_44).view(36, -1, outputs)
        by_u_36CO = torch.bmm(v_36TC.transpose(1, 2), by_m_36TO)
        by_weight = (_twice(_G).t() @ by_u_36CO.view(36, -1)).view(3, 3, channels, outputs).permute(3, 2, 0, 1)
        by_v_36TC = torch.bmm(by_m_36TO, u_36CO.transpose(1, 2))
        by_tiles = (_twice(_BT).t() @ by_v_36TC.view(36, -1)).view(6, 6, batch, down, across, channels)
        by_x_BHWC = _overlapped(by_tiles.permute(2, 3, 0, 4, 1, 5))[:, 1 : height + 1, 1 : width + 1]
        return by_x_BHWC, by_weight, by_y_BHWO.sum(dim=(0, 1, 2))


def _overlapped(tiles_Bh6w6C: Tensor) -> Tensor:
    """Tiles of 6×6, four apart, added up where they overlap."""
    batch, down, _, across, _, channels = tiles_Bh6w6C.shape
    sums = tiles_Bh6w6C.new_zeros(batch, down + 1, 4, across + 1, 4, channels)
    # The first four rows of a tile are a tile's place of its own; the last two are the first two of the next place.
    halves = ((slice(None, -1), slice(0, 4), slice(0, 4)), (slice(1, None), slice(0, 2), slice(4, 6)))
    for place_y, to_y, from_y in halves:
        for place_x, to_x, from_x in halves:
            sums[:, place_y, to_y, place_x, to_x] += tiles_Bh6w6C[:, :, from_y, :, from_x]
    return sums.view(batch, 4 * (down + 1), 4 * (across + 1), channels)
