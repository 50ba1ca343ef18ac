"""Where a training runs: nothing of it is bound to the CPU, and a GPU that is not there is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nervbench.errors import ConfigError
from nervbench.train import state as states
from nervbench.train.forward import faster
from nervbench.train.loop import target
from nervbench.train.losses import LOSSES
from nervbench.train.place import check_bf16, place_of
from nervbench.train.start import Zeros
from nervbench.train.winograd import fits
from tests.train.small import RECIPE, SPEC, run

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
META = torch.device("meta")
"""A device that computes shapes only, and refuses tensors of another one beside its own."""


@NO_GPU
def test_no_gpu(tmp_path: Path) -> None:
    """Without one, training on a GPU is refused before anything is written, with what was found and what to do."""
    with pytest.raises(ConfigError, match=r"--device cuda: PyTorch .*; .*leave --device out to train on the CPU"):
        run(np.zeros((2, 12, 16, 3), np.uint8), tmp_path, place="cuda")
    assert list(tmp_path.iterdir()) == []


@NO_GPU
def test_a_driver_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build for CUDA that finds no GPU says so."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(ConfigError, match=r"finds no GPU that its CUDA 13\.0 can use; look at nvidia-smi"):
        place_of("cuda")


@pytest.mark.parametrize("loss", [name for name in LOSSES if LOSSES[name].min_side <= 11])
def test_a_step_stays_on_its_device(loss: str) -> None:
    """Forward pass, loss and gradient mix no devices: shown on one that computes nothing."""
    from nervbench.model.family import network_of  # noqa: PLC0415

    model = network_of(SPEC).to(META)
    target_B3HW = target(np.zeros((3, 12, 16, 3), np.uint8), torch.tensor([0, 2]), META)
    predicted_B3HW = faster(model)(torch.tensor([0.0, 0.5], device=META))
    LOSSES[loss](predicted_B3HW, target_B3HW).backward()  # type: ignore[no-untyped-call]
    assert {each.grad.device for each in model.parameters() if each.grad is not None} == {META}
    assert all(each.grad is not None for each in model.parameters())


def test_winograd_is_for_the_cpu() -> None:
    """Elsewhere a convolution is the framework's own."""
    weight = torch.ones(32, 32, 3, 3)
    assert fits(torch.zeros(1, 90, 160, 32), weight)
    assert not fits(torch.zeros(1, 90, 160, 32, device=META), weight.to(META))


def test_zeros_go_along() -> None:
    """Masks of weights that stay zero are moved to the device of the weights."""
    parameter = torch.ones(3)
    ((kept, dropped),) = Zeros(((parameter, torch.tensor([True, False, True])),)).on(META).places
    assert kept is parameter
    assert dropped.device == META


def test_a_state_is_of_its_device() -> None:
    """A run on another device is another run; on the CPU it is the one that older states are of."""
    frames = np.zeros((2, 12, 16, 3), np.uint8)
    cpu, cuda = (states.identity(SPEC, frames, RECIPE, None, place) for place in ("cpu", "cuda"))
    assert cpu == states.identity(SPEC, frames, RECIPE, None)
    assert "place" not in cpu
    assert cpu != cuda


def test_bf16_is_tried() -> None:
    """A device that can train in bf16 is not refused."""
    check_bf16(torch.device("cpu"))
