"""Losses by hand, and against pytorch-msssim."""

from __future__ import annotations

import pytest
import torch
from pytorch_msssim import ms_ssim, ssim
from torch import Tensor

from nervbench.errors import ConfigError
from nervbench.train.losses import LOSSES, l1, l2, loss_of, mean_psnr

FACTS = {
    "l2": (1, 0, 0, 0), "l1": (0, 1, 0, 0), "ssim": (0, 0, 1, 0), "fusion1": (0.3, 0, 0.7, 0),
    "fusion2": (0, 0.3, 0.7, 0),
    "fusion3": (0.5, 0, 0.5, 0), "fusion4": (0, 0.5, 0.5, 0), "fusion5": (0.7, 0, 0.3, 0), "fusion6": (0, 0.7, 0.3, 0),
    "fusion7": (0.7, 0.3, 0, 0), "fusion8": (0.5, 0.5, 0, 0), "fusion9": (0, 0.9, 0.1, 0), "fusion10": (0, 0.7, 0, 0.3),
    "fusion11": (0, 0.9, 0, 0.1), "fusion12": (0, 0.8, 0, 0.2),
}  # fmt: skip
"""Weights of L2, L1, 1 − SSIM and 1 − MS-SSIM in the authors' code."""


def pair(height: int, width: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    """Two frames that differ."""
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(batch, 3, height, width, generator=generator)
    return (target + 0.2 * torch.rand(target.shape, generator=generator)).clamp(0, 1), target


def test_l1_and_l2_by_hand() -> None:
    """A difference of 0.5 in half of the values is 0.25 of L1 and 0.125 of L2."""
    target = torch.zeros(1, 3, 4, 4)
    predicted = target.clone()
    predicted[..., ::2] = -0.5
    assert l1(predicted, target).item() == pytest.approx(0.25)
    assert l2(predicted, target).item() == pytest.approx(0.125)


def test_all_losses_are_there() -> None:
    """The table holds the losses of the authors' code, each once."""
    assert LOSSES.keys() == FACTS.keys()


@pytest.mark.parametrize("name", FACTS)
def test_a_loss_is_that_of_the_authors(name: str) -> None:
    """Value and gradient are those of the authors' weights with pytorch-msssim, data range 1."""
    predicted, target = pair(168, 176, batch=1)
    both = [predicted.clone().requires_grad_(), predicted.clone().requires_grad_()]
    error = both[1] - target
    by_l2, by_l1, by_ssim, by_ms_ssim = FACTS[name]
    expected = by_l2 * error.square().mean() + by_l1 * error.abs().mean()
    if by_ssim:
        expected = expected + by_ssim * (1 - ssim(both[1], target, data_range=1))
    if by_ms_ssim:
        expected = expected + by_ms_ssim * (1 - ms_ssim(both[1], target, data_range=1))
    found = LOSSES[name](both[0], target)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    for value in (found, expected):
        value.backward()  # type: ignore[no-untyped-call]
    assert both[0].grad is not None
    assert both[1].grad is not None
    torch.testing.assert_close(both[0].grad, both[1].grad, atol=1e-5 * both[1].grad.abs().max().item(), rtol=1e-4)


@pytest.mark.parametrize("name", [name for name, weights in FACTS.items() if not weights[3]])
def test_a_loss_is_0_for_the_target_and_has_a_gradient(name: str) -> None:
    """Every loss vanishes for equal frames, is positive for others, and pulls towards the target."""
    predicted, target = pair(16, 16)
    loss = LOSSES[name]
    assert loss(target, target).item() == pytest.approx(0, abs=1e-6)
    predicted.requires_grad_(True)
    value = loss(predicted, target)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() > 0.005
    assert predicted.grad is not None
    assert loss((predicted - 0.1 * predicted.grad / predicted.grad.norm()).detach(), target) < value


def test_the_smallest_frames() -> None:
    """A loss takes frames of its smallest side, and smaller ones are refused with what is possible."""
    for name, side in (("fusion6", 11), ("fusion10", 161)):
        assert torch.isfinite(loss_of(name, side, side)(*pair(side, side)))
        with pytest.raises(ConfigError, match=rf"frames are 300×{side - 1}, and loss '{name}' needs {side} .*: l2, l1"):
            loss_of(name, side - 1, 300)
    with pytest.raises(ConfigError, match=r"frames are 160×200, .* possible at this size: .*fusion6"):
        loss_of("fusion12", 200, 160)


def test_an_unknown_loss() -> None:
    """A name that is not known is refused with the nearest one."""
    with pytest.raises(ConfigError, match=r"unknown loss 'fusoin6'; known: .*; did you mean 'fusion6'\?"):
        loss_of("fusoin6", 100, 100)


def test_mean_psnr_is_of_frames() -> None:
    """PSNR is taken for each frame and then averaged; an exact frame counts as 100 dB, and never as infinite."""
    target = torch.zeros(2, 3, 4, 4)
    predicted = target.clone()
    predicted[0] += 0.1
    predicted[1] += 0.01
    assert mean_psnr(predicted, target).item() == pytest.approx(30, abs=1e-4)
    assert mean_psnr(target, target).item() == pytest.approx(100)
