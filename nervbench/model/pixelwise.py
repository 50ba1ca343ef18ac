"""SIREN and FFN in plain PyTorch, evaluated some rows of the frame at a time so that memory is bounded.

In training the rows are computed again in the backward pass (activation checkpointing), for the same reason: all
activations of a frame of 1280×720 and 3.2M weights would take 13 GB.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from nervbench.model.network import Network, PositionalEmbedding, in_unit_range
from nervbench.model.pixelwise_spec import COORDINATES, PixelwiseSpec

PIXELS_AT_ONCE = 1 << 14


class _InFloat32(nn.Linear):
    """A linear layer in float32 whatever its weights are: in 16 bits neighbouring pixels would fall together."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) → (..., out)."""
        bias = None if self.bias is None else self.bias.to(torch.float32)
        return functional.linear(x, self.weight.to(torch.float32), bias)


class Pixelwise(Network):
    """Coordinates in [−1, 1] (SIREN), or in [0, 1) and embedded (FFN), through linear layers to a colour."""

    spec: PixelwiseSpec

    def __init__(self, spec: PixelwiseSpec) -> None:
        super().__init__()
        self.spec = spec
        self.pe = PositionalEmbedding(spec.embed_base, spec.embed_levels) if spec.kind == "ffn" else None
        (inputs, outputs), *rest = spec.layers
        # One linear layer of (x, y, t) in two parts: that of the place is the same for all frames, that of the time for
        # all places.
        self.place = _InFloat32(inputs * 2 // COORDINATES, outputs)
        self.time = _InFloat32(inputs // COORDINATES, outputs, bias=False)
        self.layers = nn.ModuleList(nn.Linear(*layer) for layer in rest)
        if spec.kind == "siren":
            self._initialise()

    def _initialise(self) -> None:
        """As SIREN's paper, section 3.2: arguments of the sines are normal with unit variance at every depth."""
        bounds = [1 / COORDINATES] * 2 + [math.sqrt(6 / inputs) / self.spec.omega for inputs, _ in self.spec.layers[1:]]
        for layer, bound in zip((self.place, self.time, *self.layers), bounds, strict=True):
            nn.init.uniform_(layer.weight, -bound, bound)

    def embedding(self, t_B: Tensor) -> Tensor:
        """Positions to what the first layer takes of them: (B, 1), or (B, 2 · levels)."""
        return self._encoded(t_B[:, None])

    def frames(self, e_BE: Tensor) -> Tensor:
        """Embeddings of the time to frames."""
        rows = self.spec.height if e_BE.is_meta else max(1, PIXELS_AT_ONCE // self.spec.width)
        when_B11 = self.time(e_BE)[:, None, None]
        pieces = []
        for start in range(0, self.spec.height, rows):
            end = min(start + rows, self.spec.height)
            if self.training and torch.is_grad_enabled():
                pieces.append(checkpoint(self._rows, when_B11, start, end, use_reentrant=False))
            else:
                pieces.append(self._rows(when_B11, start, end))
        z_BHW3 = torch.cat(pieces, dim=1)
        return in_unit_range(z_BHW3.permute(0, 3, 1, 2), self.spec.output)

    def _rows(self, when_B11: Tensor, start: int, end: int) -> Tensor:
        """The rows from ``start`` to ``end`` of the frames: (B, end − start, W, 3)."""
        width, height = self.spec.width, self.spec.height
        y_h = (torch.arange(start, end, device=when_B11.device, dtype=torch.float32) + 0.5) / height
        x_W = (torch.arange(width, device=when_B11.device, dtype=torch.float32) + 0.5) / width
        y_hW1 = y_h[:, None, None].expand(-1, width, -1)
        x_hW1 = x_W[None, :, None].expand(end - start, -1, -1)
        where_hWE = torch.cat([self._encoded(x_hW1), self._encoded(y_hW1)], dim=-1)
        x = self._active(self.place(where_hWE)[None] + when_B11).to(self.dtype)
        for layer in self.layers[:-1]:
            x = self._active(layer(x))
        colour: Tensor = self.layers[-1](x)
        return colour

    def _encoded(self, place: Tensor) -> Tensor:
        """Coordinates in [0, 1), in the last dimension, as the first layer takes them."""
        if self.pe is None:
            return 2 * place - 1
        embedded: Tensor = self.pe(place)
        return embedded

    def _active(self, z: Tensor) -> Tensor:
        return torch.sin(self.spec.omega * z) if self.spec.kind == "siren" else functional.relu(z)
