"""Losses by hand."""

from __future__ import annotations

import pytest
import torch
from pytorch_msssim import ssim

from nervbench.train.losses import LOSSES, fusion6, l1, l2, mean_psnr, one_minus_ssim


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Two frames that differ."""
    torch.manual_seed(0)
    target = torch.rand(2, 3, 16, 16)
    return (target + 0.2 * torch.rand(2, 3, 16, 16)).clamp(0, 1), target


def test_l1_and_l2_by_hand() -> None:
    """A difference of 0.5 in half of the values is 0.25 of L1 and 0.125 of L2."""
    target = torch.zeros(1, 3, 4, 4)
    predicted = target.clone()
    predicted[..., ::2] = -0.5
    assert l1(predicted, target).item() == pytest.approx(0.25)
    assert l2(predicted, target).item() == pytest.approx(0.125)


def test_fusion6(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Fusion6 is 0.7 · L1 + 0.3 · (1 − SSIM), data range 1."""
    predicted, target = pair
    expected = 0.7 * (predicted - target).abs().mean() + 0.3 * (1 - ssim(predicted, target, data_range=1))
    torch.testing.assert_close(fusion6(predicted, target), expected)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_loss_is_0_for_the_target_and_has_a_gradient(name: str, pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Every loss vanishes for equal frames, is positive for others, and pulls towards the target."""
    predicted, target = pair
    loss = LOSSES[name]
    assert loss(target, target).item() == pytest.approx(0, abs=1e-6)
    predicted.requires_grad_(True)
    value = loss(predicted, target)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() > 0.005
    assert predicted.grad is not None
    assert loss((predicted - 0.1 * predicted.grad / predicted.grad.norm()).detach(), target) < value


def test_ssim_is_of_structure() -> None:
    """A picture turned upside down keeps its values and loses its structure."""
    target = torch.linspace(0, 1, 16).expand(1, 3, 16, 16)
    assert one_minus_ssim(target.flip(-1), target).item() > 0.5


def test_mean_psnr_is_of_frames() -> None:
    """PSNR is taken for each frame and then averaged; an exact frame counts as 100 dB, and never as infinite."""
    target = torch.zeros(2, 3, 4, 4)
    predicted = target.clone()
    predicted[0] += 0.1
    predicted[1] += 0.01
    assert mean_psnr(predicted, target).item() == pytest.approx(30, abs=1e-4)
    assert mean_psnr(target, target).item() == pytest.approx(100)
