"""Our SSIM against that of pytorch-msssim."""

from __future__ import annotations

import pytest
import torch
from pytorch_msssim import ssim

from nervbench.train.ssim import one_minus_ssim


@pytest.mark.parametrize("shape", [(1, 3, 11, 11), (1, 3, 40, 24), (3, 3, 17, 30), (2, 1, 24, 24)])
@pytest.mark.parametrize("kind", ["random", "smooth", "flat"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_value_and_gradient(shape: tuple[int, ...], kind: str, layout: torch.memory_format) -> None:
    """Value and gradient equal those of pytorch-msssim, whatever lies in the frames and how they lie in memory."""
    generator = torch.Generator().manual_seed(1)
    target = torch.rand(shape, generator=generator)
    if kind == "smooth":
        target = torch.linspace(0, 1, shape[-1]).expand(shape).clone()
    elif kind == "flat":
        target = torch.full(shape, 0.5)
    predicted = (target + 0.05 * torch.randn(shape, generator=generator)).clamp(0, 1)
    ours, theirs = (predicted.clone().to(memory_format=layout).requires_grad_() for _ in range(2))
    found = one_minus_ssim(ours, target.to(memory_format=layout))
    expected = 1 - ssim(theirs, target, data_range=1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    (3 * found).backward()  # type: ignore[no-untyped-call]
    (3 * expected).backward()
    assert ours.grad is not None
    assert theirs.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4 * theirs.grad.abs().max().item(), rtol=0)


def test_without_a_gradient() -> None:
    """Frames that need no gradient get the value alone, the same one."""
    predicted, target = torch.rand(2, 1, 3, 20, 20, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        value = one_minus_ssim(predicted, target)
    assert not value.requires_grad
    torch.testing.assert_close(value, one_minus_ssim(predicted.requires_grad_(), target).detach())


def test_ssim_is_of_structure() -> None:
    """A picture turned upside down keeps its values and loses its structure."""
    target = torch.linspace(0, 1, 16).expand(1, 3, 16, 16)
    assert one_minus_ssim(target.flip(-1), target).item() > 0.5
