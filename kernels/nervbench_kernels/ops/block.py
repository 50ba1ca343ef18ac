"""What a block of a NeRV decoder means: Conv2d 3×3 → PixelShuffle → activation, and the head after the last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Head:
    """The 1×1 convolution to RGB, weight (3, channels) and bias (3); its result z becomes sigmoid(steep · z)."""

    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    steep: float


def reference(
    x_CHW: Tensor, weight: Tensor, bias: Tensor, stride: int, activation: nn.Module, head: Head | None = None
) -> Tensor:
    """An image (in, H, W) → (out, H · stride, W · stride), or → (H · stride, W · stride, 3) uint8 with a head."""
    y_CHW: Tensor = activation(
        functional.pixel_shuffle(functional.conv2d(x_CHW[None], weight, bias, padding=1), stride)
    )[0]
    if head is None:
        return y_CHW
    z_HW3 = torch.einsum("kc,chw->hwk", torch.from_numpy(head.weight), y_CHW) + torch.from_numpy(head.bias)
    return (255 * torch.sigmoid(head.steep * z_HW3)).round().to(torch.uint8)
