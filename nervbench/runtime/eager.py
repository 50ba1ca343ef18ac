"""PyTorch as its authors wrote it: one operator after the other. Its fp32 case is what everything is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from nervbench.model.network import FrameDecoder
from nervbench.records import DeviceCard
from nervbench.runtime import torch_session
from nervbench.runtime.base import Frames, Opening, Session


class EagerSession(torch_session.TorchSession):
    """Can call the network alone, as published code does."""

    def __init__(self, network: FrameDecoder, opening: Opening) -> None:
        super().__init__(network, opening)
        self._network = network
        self._floats: torch.Tensor | None = None

    def forward(self, index: int) -> None:
        """The network alone for the batch that starts at frame ``index``."""
        with torch.inference_mode():
            self._floats = self._network.model(self.positions(index))

    def decode(self, index: int) -> None:
        """Decode the batch that starts at frame ``index``."""
        self._floats = None
        super().decode(index)

    def decode_in_parts(self, index: int, ended: Callable[[str], None]) -> None:
        """As :meth:`decode`: the embedding, the network, the conversion to bytes."""
        self._floats = None
        model: Any = self._network.model
        with torch.inference_mode():
            embedded = model.embedding(self.positions(index))
            ended("embed")
            floats = model.frames(embedded)
            ended("network")
            self._frames = self._network.last_step(floats).contiguous()
            ended("to uint8")

    def fetch(self) -> Frames:
        """The last frames as a (B, H, W, 3) uint8 array."""
        if self._floats is not None:
            with torch.inference_mode():
                self._frames = self._network.last_step(self._floats).contiguous()
            self._floats = None
        return super().fetch()


class Eager:
    """The ``eager`` runtime."""

    name = "eager"
    packages = torch_session.PACKAGES

    def wants(self, precision: str) -> tuple[str, str]:
        """Weights as safetensors, in the precision they will have."""
        return "checkpoint", precision

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None."""
        return torch_session.refusal(precision)

    def open(self, opening: Opening) -> Session:
        """Load the weights into the network."""
        return EagerSession(torch_session.network(opening), opening)


RUNTIME = Eager()
