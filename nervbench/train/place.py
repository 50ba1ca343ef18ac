"""Where a training runs: the CPU, or an NVIDIA GPU."""

from __future__ import annotations

import torch

from nervbench.errors import ConfigError, first_line
from nervbench.model.gpu import missing


def place_of(name: str) -> torch.device:
    """The device of a name. Raises ConfigError where this PyTorch cannot use it."""
    if name == "cuda" and (lacking := missing()):
        msg = f"--device cuda: {'; '.join(lacking)}, or leave --device out to train on the CPU"
        raise ConfigError([msg])
    return torch.device(name)


def card_of(place: torch.device) -> str | None:
    """The name of a GPU; None of the CPU, whose name the device card has."""
    return torch.cuda.get_device_name(place) if place.type == "cuda" else None


def check_bf16(place: torch.device) -> None:
    """Raises ConfigError where a convolution cannot be trained in bf16 there."""
    try:
        x_1CHW = torch.ones(1, 2, 3, 3, requires_grad=True, device=place)
        with torch.autocast(place.type, torch.bfloat16):
            y_1CHW = torch.nn.functional.conv2d(x_1CHW, torch.ones(2, 2, 3, 3, device=place), padding=1)
        y_1CHW.sum().backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        msg = f"precision bf16: this PyTorch ({torch.__version__}) cannot ({first_line(error)}); possible: fp32"
        raise ConfigError([msg]) from error
