"""1 − SSIM with its gradient, the values of pytorch-msssim in a fraction of its time.

SSIM (Wang et al. 2004) of the two frames x and y at a place is A₁A₂ / B₁B₂ of the five means under a Gaussian window w
(11 taps, σ 1.5, only where it lies within the frame): a = w∗x, b = w∗y, p = w∗x², q = w∗y², r = w∗xy;
A₁ = 2ab + C₁, A₂ = 2(r − ab) + C₂, B₁ = a² + b² + C₁, B₂ = p − a² + q − b² + C₂. Two things make it cheap:

- All means of all colours are the channels of one depthwise convolution, channels last: its time hardly depends on how
  many channels there are up to 16, and there are 15. One map at a time takes five such convolutions of 3. All else is
  done on contiguous planes.
- The gradient is written out: with ∂S/∂a, ∂S/∂p and ∂S/∂r, that of x is wᵀ∗∂a + 2x · wᵀ∗∂p + y · wᵀ∗∂r, again one
  convolution (w is symmetric, so wᵀ is w with a border). It is computed with the value, so no map is kept.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

TAPS, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def one_minus_ssim(predicted_B3HW: Tensor, target_B3HW: Tensor) -> Tensor:
    """1 − SSIM, averaged over places, colours and frames, values in [0, 1]; the target gets no gradient.

    Height and width are 11 at least.
    """
    value: Tensor = _OneMinusSsim.apply(predicted_B3HW, target_B3HW)  # type: ignore[no-untyped-call]
    return value


@functools.cache
def _window() -> Tensor:
    """The eleven weights, which sum up to 1."""
    places = torch.arange(TAPS, dtype=torch.float32) - TAPS // 2
    weights = torch.exp(-(places**2) / (2 * SIGMA**2))
    return weights / weights.sum()


def _blurred(maps_BCHW: Tensor, padding: int) -> Tensor:
    """Every channel under the window, down and then across; planes are contiguous before and after."""
    channels = maps_BCHW.shape[1]
    window = _window().to(maps_BCHW)
    down = window.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    across = window.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    maps_BCHW = maps_BCHW.contiguous(memory_format=torch.channels_last)
    maps_BCHW = functional.conv2d(maps_BCHW, down, padding=(padding, 0), groups=channels)
    return functional.conv2d(maps_BCHW, across, padding=(0, padding), groups=channels).contiguous()


class _OneMinusSsim(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, predicted: Tensor, target: Tensor) -> Tensor:
        x, y = (frames.contiguous() for frames in (predicted, target))
        a, b, p, q, r = _blurred(torch.cat([x, y, x * x, y * y, x * y], dim=1), 0).chunk(5, dim=1)
        ab, aa_bb = a * b, a * a + b * b
        a1, a2 = 2 * ab + C1, 2 * (r - ab) + C2
        b1, b2 = aa_bb + C1, p + q - aa_bb + C2
        below = 1 / (b1 * b2)
        s = a1 * a2 * below
        if ctx.needs_input_grad[0]:
            by_r = 2 * a1 * below
            by_p = -s / b2
            by_a = 2 * (b * (a2 - a1) * below - a * (s / b1 + by_p))
            back_a, back_p, back_r = _blurred(torch.cat([by_a, by_p, by_r], dim=1), TAPS - 1).chunk(3, dim=1)
            gradient = (back_a + 2 * x * back_p + y * back_r) * (-1 / s.numel())
            ctx.save_for_backward(gradient)
        return 1 - s.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_value: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return by_value * gradient, None
