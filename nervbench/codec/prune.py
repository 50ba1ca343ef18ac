"""Which weights a compressed network may lose, and which go first.

Global magnitude pruning, as NeRV's authors do it: over all weights of stem and convolutions together, the smallest
magnitudes are removed. Biases, normalisations, the head and what is stored for single frames stay.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

HELD = ("head", "embed")
"""Beginnings of the names of tensors that are never pruned."""


def prunable(tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The names of the tensors that pruning looks at."""
    return tuple(sorted(name for name, each in tensors.items() if each.dim() > 1 and not name.startswith(HELD)))


def kept(tensors: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """For each prunable tensor a mask, true where a weight stays; ``share`` of all of them are removed.

    Exactly round(share · number) go, those of the smallest magnitude; among equals the first go.
    """
    chosen = prunable(tensors)
    magnitudes = torch.cat([tensors[name].detach().to(torch.float32).abs().flatten() for name in chosen])
    removed = torch.sort(magnitudes, stable=True).indices[: round(share * len(magnitudes))]
    stays = torch.ones(len(magnitudes), dtype=torch.bool)
    stays[removed] = False
    parts = torch.split(stays, [tensors[name].numel() for name in chosen])
    return {name: part.reshape(tensors[name].shape) for name, part in zip(chosen, parts, strict=True)}


def pruned(tensors: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with zeros where a mask is false."""
    return {name: each * masks[name] if name in masks else each for name, each in tensors.items()}
