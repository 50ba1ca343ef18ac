"""Whether PyTorch can use a GPU here."""

from __future__ import annotations

import torch


def missing() -> tuple[str, str] | None:
    """Why it cannot, and what would help; None if it can."""
    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is a build without CUDA", "install one with it"
    found = f"PyTorch {torch.__version__} finds no GPU that its CUDA {torch.version.cuda} can use"
    return found, "look at nvidia-smi and the driver"
