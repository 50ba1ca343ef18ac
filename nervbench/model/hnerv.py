"""HNeRV's decoder (Chen et al., CVPR 2023, arXiv 2304.02633) in plain PyTorch, under the authors' parameter names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nervbench.model.hnerv_spec import HnervBlock, HnervSpec
from nervbench.model.network import Network, activation, in_unit_range

SNAP = 1e-2
"""t · T is a frame's number to within float32's rounding (0.006 of 100,000): so near to one, it is that frame."""


class _First(nn.Module):
    """1×1 convolution from the embedding's channels to those of the first block."""

    def __init__(self, spec: HnervSpec) -> None:
        super().__init__()
        self.downconv = nn.Conv2d(spec.embed_channels, spec.fc_dim, 1)


class _Larger(nn.Module):
    """Convolution to stride² times the channels, then PixelShuffle."""

    def __init__(self, block: HnervBlock) -> None:
        super().__init__()
        wide = block.out_channels * block.stride**2
        conv = nn.Conv2d(block.in_channels, wide, block.kernel, padding=(block.kernel - 1) // 2)
        self.upconv = nn.Sequential(conv, nn.PixelShuffle(block.stride))


class _Block(nn.Module):
    """A convolution of either kind under the authors' name, then the activation."""

    def __init__(self, conv: nn.Module, act: str) -> None:
        super().__init__()
        self.conv = conv
        self.act = activation(act)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, in, H, W) → (B, out, H · stride, W · stride)."""
        (layers,) = self.conv.children()
        activated: Tensor = self.act(layers(x_BCHW))
        return activated


class Hnerv(Network):
    """The stored embedding of a frame, blocks that upscale, a 3×3 head."""

    spec: HnervSpec

    def __init__(self, spec: HnervSpec) -> None:
        super().__init__()
        self.spec = spec
        self.embed = nn.Parameter(torch.randn(spec.frames, spec.embed_channels, spec.embed_height, spec.embed_width))
        convs: list[Any] = [_First(spec), *map(_Larger, spec.blocks)]
        self.decoder = nn.ModuleList(_Block(conv, spec.activation) for conv in convs)
        self.head_layer = nn.Conv2d(spec.blocks[-1].out_channels, 3, 3, padding=1)

    def embedding(self, t_B: Tensor) -> Tensor:
        """Positions to embeddings (B, C, h, w); between two frames, a mean of theirs by distance, as in the paper."""
        last = self.spec.frames - 1
        place_B = (t_B * self.spec.frames).clamp(0, last)
        nearest_B = place_B.round()
        place_B = torch.where((place_B - nearest_B).abs() < SNAP, nearest_B, place_B)
        before_B = place_B.floor()
        weight_B = (place_B - before_B)[:, None, None, None]
        before = before_B.to(torch.int64)
        embed = self.embed.to(torch.float32)
        a_BChw = embed.index_select(0, before)
        b_BChw = embed.index_select(0, (before + 1).clamp(max=last))
        return a_BChw + weight_B * (b_BChw - a_BChw)

    def frames(self, e_BChw: Tensor) -> Tensor:
        """Embeddings to frames."""
        x = e_BChw.to(self.dtype)
        for block in self.decoder:
            x = block(x)
        return in_unit_range(self.head_layer(x), self.spec.output)
