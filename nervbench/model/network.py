"""What the networks of all families have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from nervbench.model.family import Spec


class Network(nn.Module, ABC):
    """t (B,) float32 in [0, 1) → frames (B, 3, H, W) float32 in [0, 1].

    A family's network gives ``embedding`` (float32, whatever the weights are) and ``frames``.
    """

    spec: Spec

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights, and so of the arithmetic between embedding and head."""
        return next(self.parameters()).dtype

    def forward(self, t_B: Tensor) -> Tensor:
        """Positions to frames."""
        return self.frames(self.embedding(t_B))

    @abstractmethod
    def embedding(self, t_B: Tensor) -> Tensor:
        """Positions to what the first layer takes."""

    @abstractmethod
    def frames(self, e_BE: Tensor) -> Tensor:
        """What :meth:`embedding` gives, to frames."""


def weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a checkpoint keeps of a network's state: not how many batches a normalisation has seen."""
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


@runtime_checkable
class Constants(Protocol):
    """A module with buffers that are not weights: computed, not stored."""

    def fill(self) -> None:
        """Compute the buffers."""
        ...


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky": nn.LeakyReLU,
    "relu6": nn.ReLU6,
    "gelu": nn.GELU,
    "swish": nn.SiLU,
    "softplus": nn.Softplus,
    "hardswish": nn.Hardswish,
}


def activation(name: str) -> nn.Module:
    """A fresh activation module; ``leaky01`` is LeakyReLU with slope 0.1."""
    return nn.LeakyReLU(0.1) if name == "leaky01" else ACTIVATIONS[name]()


def in_unit_range(z: Tensor, output: str) -> Tensor:
    """The last layer's floats as values of pixels in [0, 1], float32.

    In float32 from here: bfloat16 has a step of 1/256 just under 1, as coarse as the 8 bits of the output.
    """
    y = z.to(torch.float32)
    return torch.sigmoid(y) if output == "sigmoid" else (torch.tanh(y) + 1) / 2


class PositionalEmbedding(nn.Module):
    """x (..., C) → (..., C · 2 · levels): sin(b^i π x), cos(b^i π x), interleaved. Always computed in float32.

    The highest of 40 frequencies is 1.25^39 · π ≈ 18,900: in a 16-bit type neighbouring frames would fall together.
    """

    frequencies: Tensor

    def __init__(self, base: float, levels: int) -> None:
        super().__init__()
        self._base, self._levels = base, levels
        self.fill()

    def fill(self) -> None:
        """Compute the frequencies."""
        frequencies = [self._base**level * math.pi for level in range(self._levels)]
        self.register_buffer("frequencies", torch.tensor(frequencies, dtype=torch.float32), persistent=False)

    def forward(self, x_C: Tensor) -> Tensor:
        """Coordinates to embeddings."""
        angles_CL = x_C[..., None] * self.frequencies
        return torch.stack((angles_CL.sin(), angles_CL.cos()), dim=-1).flatten(x_C.dim() - 1)


def positions(indices: Tensor, frames: int) -> Tensor:
    """Time positions t / T of frame indices, float32. The authors divide by T, not by T − 1."""
    return indices.to(torch.float32) / frames


class FrameDecoder(nn.Module):
    """A model with the last step of every decoder: t (B,) → frames (B, H, W, 3) uint8, rounded to nearest."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, t_B: Tensor) -> Tensor:
        """Positions to frames as a viewer gets them."""
        return self.last_step(self.model(t_B))

    def last_step(self, frames_B3HW: Tensor) -> Tensor:
        """Floats of the network (B, 3, H, W) in [0, 1] to frames (B, H, W, 3) uint8."""
        levels_BHW3 = (frames_B3HW * 255).permute(0, 2, 3, 1)
        return levels_BHW3.round().to(torch.uint8)
