"""The losses of NeRV's code, as weights of four terms. Published runs use ``fusion6``: 0.7 · L1 + 0.3 · (1 − SSIM)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from pytorch_msssim import ms_ssim
from torch import Tensor
from torch.nn import functional

from nervbench.errors import ConfigError, unknown
from nervbench.train.ssim import TAPS, one_minus_ssim

MS_SSIM_MIN_SIDE = 161
"""Four halvings of an 11-tap window."""


def l1(predicted_B3HW: Tensor, target_B3HW: Tensor) -> Tensor:
    """Mean absolute error."""
    return functional.l1_loss(predicted_B3HW, target_B3HW)


def l2(predicted_B3HW: Tensor, target_B3HW: Tensor) -> Tensor:
    """Mean squared error."""
    return functional.mse_loss(predicted_B3HW, target_B3HW)


def one_minus_ms_ssim(predicted_B3HW: Tensor, target_B3HW: Tensor) -> Tensor:
    """1 − MS-SSIM by pytorch-msssim, values in [0, 1]; height and width are 161 at least."""
    similarity: Tensor = ms_ssim(predicted_B3HW, target_B3HW, data_range=1, size_average=True)
    return 1 - similarity


@dataclass(frozen=True, slots=True)
class Term:
    """A function of predicted frames and targets (B, 3, H, W), and the smallest side of a frame that it takes."""

    of: Callable[[Tensor, Tensor], Tensor]
    min_side: int = 1


TERMS = {
    "l1": Term(l1),
    "l2": Term(l2),
    "ssim": Term(one_minus_ssim, TAPS),
    "ms_ssim": Term(one_minus_ms_ssim, MS_SSIM_MIN_SIDE),
}


@dataclass(frozen=True, slots=True)
class Loss:
    """A sum of terms, each with its weight."""

    weights: dict[str, float]

    def __call__(self, predicted_B3HW: Tensor, target_B3HW: Tensor) -> Tensor:
        """The mean over the frames."""
        terms = [weight * TERMS[name].of(predicted_B3HW, target_B3HW) for name, weight in self.weights.items()]
        return torch.stack(terms).sum()

    @property
    def min_side(self) -> int:
        """The smallest height and width that all terms take."""
        return max(TERMS[name].min_side for name in self.weights)


LOSSES: dict[str, Loss] = {
    "l2": Loss({"l2": 1}),
    "l1": Loss({"l1": 1}),
    "ssim": Loss({"ssim": 1}),
    "fusion1": Loss({"l2": 0.3, "ssim": 0.7}),
    "fusion2": Loss({"l1": 0.3, "ssim": 0.7}),
    "fusion3": Loss({"l2": 0.5, "ssim": 0.5}),
    "fusion4": Loss({"l1": 0.5, "ssim": 0.5}),
    "fusion5": Loss({"l2": 0.7, "ssim": 0.3}),
    "fusion6": Loss({"l1": 0.7, "ssim": 0.3}),
    "fusion7": Loss({"l2": 0.7, "l1": 0.3}),
    "fusion8": Loss({"l2": 0.5, "l1": 0.5}),
    "fusion9": Loss({"l1": 0.9, "ssim": 0.1}),
    "fusion10": Loss({"l1": 0.7, "ms_ssim": 0.3}),
    "fusion11": Loss({"l1": 0.9, "ms_ssim": 0.1}),
    "fusion12": Loss({"l1": 0.8, "ms_ssim": 0.2}),
}


def loss_of(name: str, height: int, width: int) -> Loss:
    """The loss of a name, for frames of a size.

    Raises ConfigError where the name is unknown or the frames are too small for its window.
    """
    if name not in LOSSES:
        raise ConfigError([unknown("loss", name, LOSSES)])
    loss = LOSSES[name]
    if min(height, width) < loss.min_side:
        fit = [other for other, each in LOSSES.items() if each.min_side <= min(height, width)]
        why = f"frames are {width}×{height}, and loss '{name}' needs {loss.min_side} pixels in height and in width"
        raise ConfigError([f"{why}; possible at this size: {', '.join(fit)}"])
    return loss


def mean_psnr(predicted_B3HW: Tensor, target_B3HW: Tensor) -> Tensor:
    """PSNR in dB of each frame, averaged; values in [0, 1]. For progress: an exact frame counts as 100 dB."""
    mse_B = (predicted_B3HW.detach() - target_B3HW).square().mean(dim=(1, 2, 3))
    return (-10 * torch.log10(mse_B.clamp(min=1e-10))).mean()
