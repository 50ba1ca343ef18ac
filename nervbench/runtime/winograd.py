"""Our own CPU decoder: every block by Winograd's F(4×4, 3×3), fused with what follows it, a strip of tiles a thread.

It computes the same network with about a quarter of direct convolution's multiplications, in float32 throughout. Its
frames are compared with eager's like anyone's.

Below fp32 it does not pay. Frames against fp32 eager's, transforms in float32 and only what is multiplied rounded, of
nerv-xs and of nerv-s with random weights: F(4×4) in bf16 45.3 and 40.3 dB, which costs nerv-xs 0.2 dB of its 32.2 on
the source where 0.1 is allowed; F(2×2) in int8, a scale a point, 40.3 and 39.9 dB (0.6 dB; 0.3 allowed). F(2×2) in bf16
holds, 56.2 and 53.3 dB, but multiplies 1.8 times as often as F(4×4): its products alone would take 0.22 s of a frame of
NeRV-S (89.7 GFLOP at the 401 GFLOP/s of batched bf16 products on two threads with AVX-512), its transforms 1.8 times
what those of F(4×4) do, and OpenVINO's int8 is done in 0.33 s.
"""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from nervbench.model.nerv import Nerv
from nervbench.records import DeviceCard
from nervbench.runtime.base import NOTHING_YET, Frames, Opening, Session, time_positions
from nervbench.runtime.blocks import pieces, shuffling

if TYPE_CHECKING:
    from nervbench_kernels.ops.upscale_block import Block


class WinogradSession:
    """Decodes frame by frame and block by block; the threads share out the strips of a block."""

    algorithm = "Winograd F(4×4, 3×3)"

    def __init__(self, network: Nerv, blocks: list[Block], opening: Opening) -> None:
        self._network, self._blocks, self._opening = network, blocks, opening
        threads = opening.device.threads or 1
        # A product a thread: within each, PyTorch is to use one thread.
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        self._scratches = [{block.channels: block.scratch() for block in blocks} for _ in range(threads)]
        self._frames: Frames | None = None
        spec = network.spec
        stem = sum(inputs * outputs for inputs, outputs in spec.stem)
        head = 3 * spec.blocks[-1].out_channels * spec.height * spec.width
        self.flop_per_frame = 2 * (stem + head) + sum(block.flop for block in blocks)

    def decode(self, index: int) -> None:
        """Decode the batch that starts at frame ``index``."""
        spec, opening = self._network.spec, self._opening
        positions_B = torch.from_numpy(time_positions(index, opening.batch, opening.frames))
        with torch.inference_mode():
            stem: torch.Tensor = self._network.stem(self._network.embedding(positions_B))
        stem_BHWC = stem.reshape(-1, spec.fc_dim, spec.fc_height, spec.fc_width).permute(0, 2, 3, 1).numpy()
        frames = np.empty((opening.batch, spec.height, spec.width, 3), np.uint8)
        for stem_HWC, frame in zip(stem_BHWC, frames, strict=True):
            self._blocks[0].inside[...] = stem_HWC
            targets: list[Any] = [*(block.image for block in self._blocks[1:]), frame]
            for block, target in zip(self._blocks, targets, strict=True):
                strips = iter(block.strips)  # the next strip to the thread that asks next
                work = [
                    self._pool.submit(block.compute, strips, scratch[block.channels], target)
                    for scratch in self._scratches
                ]
                for done in work:
                    done.result()
        self._frames = frames

    def fetch(self) -> Frames:
        """The last frames as a (B, H, W, 3) uint8 array."""
        if self._frames is None:
            raise RuntimeError(NOTHING_YET)
        return self._frames  # every decode makes a new array, so this one stays

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the threads."""
        self._pool.shutdown(cancel_futures=True)


def _blocks(network: Nerv) -> list[Block]:
    """The blocks of a network, their weights transformed."""
    from nervbench_kernels.ops.upscale_block import Block  # noqa: PLC0415 (Numba: only for who decodes by it)

    return [
        Block(each.weight.numpy(), each.bias.numpy(), each.stride, each.size, network.spec.activation, each.head)
        for each in pieces(network)
    ]


class Winograd:
    """The ``winograd`` runtime."""

    name = "winograd"
    packages = ("torch", "numba")

    def wants(self, precision: str) -> tuple[str, str]:
        """Weights as safetensors, in float32: they are transformed in float64 when the session opens."""
        return "checkpoint", precision

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None."""
        if device.kind != "cpu":
            return f"these kernels are a CPU's, and this device is a GPU; take another runtime for {precision} on it"
        if precision != "fp32":
            return f"the Winograd kernels here are written for fp32; {precision} is not available"
        if importlib.util.find_spec("numba") is None:
            return "Numba, which compiles the Winograd kernels, is not installed: pip install numba"
        return None

    def open(self, opening: Opening) -> Session:
        """Transform the weights and compile the kernels; no decode waits for it."""
        network = shuffling(opening)
        blocks = _blocks(network)
        with WinogradSession(network, blocks, opening) as compiling:
            compiling.decode(0)
        return WinogradSession(network, blocks, opening)


RUNTIME = Winograd()
