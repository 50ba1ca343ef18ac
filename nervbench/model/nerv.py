"""NeRV (Chen et al., NeurIPS 2021, arXiv 2110.13903) in plain PyTorch.

Parameter names are the authors' (``stem.0``, ``layers.N.conv.conv``, ``head_layers.K``), so that their checkpoints load
unchanged.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from nervbench.model.network import Network, PositionalEmbedding, activation, in_unit_range
from nervbench.model.spec import BlockSpec, NervSpec


def upscaling(block: BlockSpec, kind: str) -> tuple[nn.Module, nn.Module]:
    """The two steps (``conv``, ``up_scale``) from (B, in, H, W) to (B, out, H · stride, W · stride).

    The sizes of the kernels are those of the authors' code; a reshaping has no weights, so the files differ.
    """
    stride, inputs, outputs = block.stride, block.in_channels, block.out_channels
    if kind == "transpose":
        return nn.ConvTranspose2d(inputs, outputs, stride, stride), nn.Identity()
    if kind == "bilinear":
        larger = nn.Upsample(scale_factor=stride, mode="bilinear", align_corners=True)
        return larger, nn.Conv2d(inputs, outputs, 2 * stride + 1, padding=stride)
    return nn.Conv2d(inputs, outputs * stride**2, 3, padding=1), nn.PixelShuffle(stride)


class Upscale(nn.Module):
    """Convolution and upscaling, in the order of its kind."""

    def __init__(self, block: BlockSpec, kind: str) -> None:
        super().__init__()
        self.conv, self.up_scale = upscaling(block, kind)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, in, H, W) → (B, out, H · stride, W · stride)."""
        larger: Tensor = self.up_scale(self.conv(x_BCHW))
        return larger


def normalisation(kind: str, channels: int) -> nn.Module:
    """``none``, batch (``bn``) or instance normalisation (``in``, without weights)."""
    if kind == "none":
        return nn.Identity()
    return nn.BatchNorm2d(channels) if kind == "bn" else nn.InstanceNorm2d(channels)


class NervBlock(nn.Module):
    """Upscale, normalise, activate."""

    def __init__(self, block: BlockSpec, spec: NervSpec) -> None:
        super().__init__()
        self.conv = Upscale(block, spec.upscale)
        self.norm = normalisation(spec.norm, block.out_channels)
        self.act = activation(spec.activation)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, in, H, W) → (B, out, H · stride, W · stride)."""
        activated: Tensor = self.act(self.norm(self.conv(x_BCHW)))
        return activated


class Nerv(Network):
    """The embedding of t, a stem of linear layers, blocks that upscale, a 1×1 head."""

    spec: NervSpec

    def __init__(self, spec: NervSpec) -> None:
        super().__init__()
        self.spec = spec
        self.pe = PositionalEmbedding(spec.embed_base, spec.embed_levels)
        stem: list[nn.Module] = []
        for inputs, outputs in spec.stem:
            stem += [nn.Linear(inputs, outputs), activation(spec.activation)]
        self.stem = nn.Sequential(*stem)
        blocks = spec.blocks
        self.layers = nn.ModuleList(NervBlock(block, spec) for block in blocks)
        # The authors keep one (empty) head a block; only the last is a layer, and its index is part of the key.
        heads: list[Any] = [None] * (len(blocks) - 1)
        self.head_layers = nn.ModuleList([*heads, nn.Conv2d(blocks[-1].out_channels, 3, 1)])

    def embedding(self, t_B: Tensor) -> Tensor:
        """Positions to (B, 2 · levels) sines and cosines."""
        embedded: Tensor = self.pe(t_B[:, None])
        return embedded

    def frames(self, e_BE: Tensor) -> Tensor:
        """Embeddings to frames."""
        x = self.stem(e_BE.to(self.dtype)).unflatten(1, (self.spec.fc_dim, self.spec.fc_height, self.spec.fc_width))
        for layer in self.layers:
            x = layer(x)
        return in_unit_range(self.head_layers[-1](x), self.spec.output)
