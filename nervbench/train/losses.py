"""The losses of NeRV's code. Published runs use ``fusion6``: 0.7 · L1 + 0.3 · (1 − SSIM)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytorch_msssim import ssim
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]


def l1(predicted_B3HW: Tensor, target_B3HW: Tensor) -> Tensor:
    """Mean absolute error."""
    return functional.l1_loss(predicted_B3HW, target_B3HW)


def l2(predicted_B3HW: Tensor, target_B3HW: Tensor) -> Tensor:
    """Mean squared error."""
    return functional.mse_loss(predicted_B3HW, target_B3HW)


def one_minus_ssim(predicted_B3HW: Tensor, target_B3HW: Tensor) -> Tensor:
    """1 − SSIM by pytorch-msssim (11-tap Gaussian window), values in [0, 1]."""
    similarity: Tensor = ssim(predicted_B3HW, target_B3HW, data_range=1, size_average=True)
    return 1 - similarity


def fusion6(predicted_B3HW: Tensor, target_B3HW: Tensor) -> Tensor:
    """0.7 · L1 + 0.3 · (1 − SSIM), the loss of the published runs."""
    return 0.7 * l1(predicted_B3HW, target_B3HW) + 0.3 * one_minus_ssim(predicted_B3HW, target_B3HW)


LOSSES: dict[str, Loss] = {"l1": l1, "l2": l2, "ssim": one_minus_ssim, "fusion6": fusion6}


def mean_psnr(predicted_B3HW: Tensor, target_B3HW: Tensor) -> Tensor:
    """PSNR in dB of each frame, averaged; values in [0, 1]. For progress: an exact frame counts as 100 dB."""
    mse_B = (predicted_B3HW.detach() - target_B3HW).square().mean(dim=(1, 2, 3))
    return (-10 * torch.log10(mse_B.clamp(min=1e-10))).mean()
