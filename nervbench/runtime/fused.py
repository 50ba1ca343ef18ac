"""Our own GPU decoder: one Triton kernel a block, which shuffles as it stores, the head and the bytes in the last.

Written against Triton's documentation and run by its interpreter; no GPU has run it yet.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from importlib import metadata
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nervbench.errors import UnsupportedError
from nervbench.model.nerv import Nerv
from nervbench.model.precision import cast, stored
from nervbench.records import DeviceCard
from nervbench.runtime import torch_session
from nervbench.runtime.base import NOTHING_YET, Frames, Opening, Session
from nervbench.runtime.blocks import pieces, shuffling

if TYPE_CHECKING:
    from nervbench_kernels.ops.fused_block import FusedBlock

SINCE = (3, 4)
"""The first Triton that can be told what is to be kept, and asked who runs a kernel, as these ask it."""
PRECISIONS = torch_session.PRECISIONS | {"cuda": (*torch_session.PRECISIONS["cuda"], "fp8")}
IN_FP8 = 2
"""So many blocks, the last ones: 95 % of the arithmetic of NeRV-S at 1280×720. The others stay in fp16.

Of nerv-xs, in e4m3, all blocks would lose 0.78 dB against the source and these 0.26 dB, where 0.3 dB may be lost.
"""


class FusedSession(torch_session.TorchSession):
    """Decodes by replaying a graph of one kernel a block. The stem of every frame was computed when it opened."""

    notes: tuple[str, ...] = (
        "embedding and stem of all frames were computed when the session opened, under 0.1 % of the arithmetic",
    )

    def __init__(self, network: Nerv, opening: Opening) -> None:
        super().__init__(network, opening)
        spec = network.spec
        with torch.inference_mode():
            stems = network.stem(network.embedding(self._positions).to(network.dtype))
            stems_BCHW = stems.unflatten(1, (spec.fc_dim, spec.fc_height, spec.fc_width))
            peaks = _peaks(network, stems_BCHW, opening)
        self._blocks = _blocks(network, opening, peaks)
        first = self._blocks[0]
        self._stems = (stems_BCHW.permute(0, 2, 3, 1) * first.scale).to(first.image.dtype).contiguous()
        if opening.precision == "fp8":
            quantised = sum(peak is not None for peak in peaks)
            self.notes += (f"the last {quantised} of {len(peaks)} blocks are in fp8 (e4m3), the others in fp16",)
        self._picture = torch.empty(
            (opening.batch, spec.height, spec.width, 3), dtype=torch.uint8, device=self._stems.device
        )
        self._replay = torch_session.captured(self.enqueue).replay if self._stems.is_cuda else self.enqueue
        self._decoded = False

    def decode(self, index: int) -> None:
        """Enqueue the batch that starts at frame ``index``."""
        start = index % self._opening.frames
        self._blocks[0].inside.copy_(self._stems[start : start + self._opening.batch])
        self._replay()
        self._decoded = True

    def enqueue(self) -> None:
        """All blocks, from the first one's image to the picture."""
        for block, following in pairwise(self._blocks):
            block(following.image, following.scale)
        self._blocks[-1](self._picture)

    def fetch(self) -> Frames:
        """The last frames as a (B, H, W, 3) uint8 array."""
        if not self._decoded:
            raise RuntimeError(NOTHING_YET)
        frames: Frames = self._picture.to("cpu", copy=True).numpy()
        return frames


def _peaks(network: Nerv, stems_BCHW: Tensor, opening: Opening) -> list[float | None]:
    """The largest magnitude in the images of each block that is to be in fp8, of all frames; None for the others."""
    kept = len(network.layers) - (IN_FP8 if opening.precision == "fp8" else 0)
    if kept == len(network.layers):
        return [None] * kept
    seen = []
    for stem in torch.split(stems_BCHW, opening.batch):
        images = accumulate(network.layers[:-1], lambda image, block: block(image), initial=stem)
        seen.append([float(image.abs().max()) for image in images])
    return [max(each) if place >= kept else None for place, each in enumerate(zip(*seen, strict=True))]


def _blocks(network: Nerv, opening: Opening, peaks: Sequence[float | None]) -> list[FusedBlock]:
    from nervbench_kernels.ops.fused_block import FusedBlock  # noqa: PLC0415 (Triton: only for who decodes by it)

    name, batch = network.spec.activation, opening.batch
    return [
        FusedBlock(each.weight, each.bias, each.stride, each.size, name, batch, each.head, peak)
        for each, peak in zip(pieces(network), peaks, strict=True)
    ]


class Fused:
    """The ``fused`` runtime."""

    name = "fused"
    packages = ("torch", "triton")

    def wants(self, precision: str) -> tuple[str, str]:
        """Weights as safetensors, in the precision they will have; fp8 is made of fp16 when they are loaded."""
        return "checkpoint", stored(precision)

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None."""
        if device.kind != "cuda":
            return "Triton needs an NVIDIA GPU, and this device is none; our own kernels for a CPU: winograd"
        if importlib.util.find_spec("triton") is None:
            return "Triton, which compiles these kernels, is not installed: pip install triton"
        if tuple(map(int, re.findall(r"\d+", found := metadata.version("triton"))[:2])) < SINCE:
            return f"Triton {found} is too old for these kernels; pip install 'triton>={SINCE[0]}.{SINCE[1]}'"
        return torch_session.refusal(device, precision, PRECISIONS) or torch_session.compiler_missing(device)

    def open(self, opening: Opening) -> Session:
        """Load the weights, lay them out, find the fastest tiles and capture a decode."""
        network = shuffling(opening)
        cast(network, opening.precision).to(opening.device.kind)  # both in place
        try:
            return FusedSession(network, opening)
        except ValueError as error:
            raise UnsupportedError(str(error)) from error


RUNTIME = Fused()
