"""Eager PyTorch captured as a CUDA graph: one launch a decode. Channels last, which tensor cores want.

Written against PyTorch's documentation; not yet run on a GPU.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nervbench.model.network import FrameDecoder
from nervbench.model.precision import stored
from nervbench.records import DeviceCard
from nervbench.runtime import torch_session
from nervbench.runtime.base import NOTHING_YET, Frames, Opening, Session


class GraphSession(torch_session.TorchSession):
    """Decodes by replaying a graph, whose input and output stay where they were captured."""

    def __init__(self, network: FrameDecoder, opening: Opening) -> None:
        super().__init__(network, opening)
        self._output: Tensor

        def enqueue() -> None:
            self._output = network(self._input).contiguous()

        self._graph = torch_session.captured(enqueue)
        self._decoded = False

    def decode(self, index: int) -> None:
        """Enqueue the batch that starts at frame ``index``."""
        with torch.inference_mode():
            self.positions(index)
        self._graph.replay()
        self._decoded = True

    def fetch(self) -> Frames:
        """The last frames as a (B, H, W, 3) uint8 array."""
        if not self._decoded:
            raise RuntimeError(NOTHING_YET)
        frames: Frames = self._output.cpu().numpy()
        return frames


class CudaGraph:
    """The ``cuda_graph`` runtime."""

    name = "cuda_graph"
    packages = torch_session.PACKAGES

    def wants(self, precision: str) -> tuple[str, str]:
        """Weights as safetensors, in the precision they will have."""
        return "checkpoint", stored(precision)

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None."""
        if device.kind != "cuda":
            return "a CUDA graph needs an NVIDIA GPU, and this device is none; possible here: eager"
        return torch_session.refusal(device, precision, torch_session.WITH_TF32)

    def open(self, opening: Opening) -> Session:
        """Load the weights, lay them out and capture a decode."""
        return GraphSession(torch_session.channels_last(torch_session.network(opening)), opening)


RUNTIME = CudaGraph()
