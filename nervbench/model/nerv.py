"""NeRV (Chen et al., NeurIPS 2021, arXiv 2110.13903) in plain PyTorch.

Parameter names are the authors' (``stem.0``, ``layers.N.conv.conv``, ``head_layers.K``), so that their checkpoints load
unchanged.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from nervbench.model.spec import BlockSpec, NervSpec

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


def positions(indices: Tensor, frames: int) -> Tensor:
    """Time positions t / T of frame indices, float32. The authors divide by T, not by T − 1."""
    return indices.to(torch.float32) / frames


class PositionalEmbedding(nn.Module):
    """t (B,) → (B, 2 · levels): sin(b^i π t), cos(b^i π t), interleaved. Always computed in float32.

    The highest of 40 frequencies is 1.25^39 · π ≈ 18,900: in a 16-bit type neighbouring frames would fall together.
    """

    frequencies: Tensor

    def __init__(self, base: float, levels: int) -> None:
        super().__init__()
        frequencies = torch.tensor([base**level * math.pi for level in range(levels)], dtype=torch.float32)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, t_B: Tensor) -> Tensor:
        """Positions to embeddings."""
        angles_BL = t_B[:, None] * self.frequencies
        return torch.stack((angles_BL.sin(), angles_BL.cos()), dim=-1).flatten(1)


class UpscaleConv(nn.Module):
    """Conv2d 3×3 to stride² times the channels, then PixelShuffle."""

    def __init__(self, block: BlockSpec) -> None:
        super().__init__()
        self.conv = nn.Conv2d(block.in_channels, block.out_channels * block.stride**2, 3, padding=1)
        self.up_scale = nn.PixelShuffle(block.stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, in, H, W) → (B, out, H · stride, W · stride)."""
        shuffled: Tensor = self.up_scale(self.conv(x_BCHW))
        return shuffled


class NervBlock(nn.Module):
    """Upscale, then activate."""

    def __init__(self, block: BlockSpec, act: str) -> None:
        super().__init__()
        self.conv = UpscaleConv(block)
        self.act = activation(act)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, in, H, W) → (B, out, H · stride, W · stride)."""
        activated: Tensor = self.act(self.conv(x_BCHW))
        return activated


class Nerv(nn.Module):
    """t (B,) float32 in [0, 1) → frames (B, 3, H, W) float32 in [0, 1]."""

    def __init__(self, spec: NervSpec) -> None:
        super().__init__()
        self.spec = spec
        self.embedding = PositionalEmbedding(spec.embed_base, spec.embed_levels)
        stem: list[nn.Module] = []
        for inputs, outputs in spec.stem:
            stem += [nn.Linear(inputs, outputs), activation(spec.activation)]
        self.stem = nn.Sequential(*stem)
        blocks = spec.blocks
        self.layers = nn.ModuleList(NervBlock(block, spec.activation) for block in blocks)
        # The authors keep one (empty) head a block; only the last is a layer, and its index is part of the key.
        heads: list[Any] = [None] * (len(blocks) - 1)
        self.head_layers = nn.ModuleList([*heads, nn.Conv2d(blocks[-1].out_channels, 3, 1)])

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights, and so of the arithmetic between embedding and head."""
        return next(self.parameters()).dtype

    def forward(self, t_B: Tensor) -> Tensor:
        """Positions to frames; the embedding and the last step are float32 whatever the weights are."""
        return self.frames(self.embedding(t_B))

    def frames(self, e_BE: Tensor) -> Tensor:
        """Embeddings to frames."""
        x = self.stem(e_BE.to(self.dtype)).unflatten(1, (self.spec.fc_dim, self.spec.fc_height, self.spec.fc_width))
        for layer in self.layers:
            x = layer(x)
        # In float32 from here: bfloat16 has a step of 1/256 just under 1, as coarse as the 8 bits of the output.
        y_B3HW: Tensor = self.head_layers[-1](x).to(torch.float32)
        if self.spec.output == "sigmoid":
            return torch.sigmoid(y_B3HW)
        return (torch.tanh(y_B3HW) + 1) / 2


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
