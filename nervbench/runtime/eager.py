"""PyTorch as its authors wrote it: one operator after the other.

The fp32 case of ``eager`` is what everything is compared with. ``eager_nhwc`` is what PyTorch's tuning guide makes of
it: weights and activations with the channels last, and below fp32 autocast over fp32 weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from nervbench.model.network import FrameDecoder
from nervbench.model.precision import DTYPES, stored
from nervbench.records import DeviceCard, Operator
from nervbench.runtime import torch_operators, torch_session
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

    def launches(self, index: int) -> int:
        """Operators of a decode that are no views."""
        return torch_operators.count(self.decode, index)

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
    profiler = torch_operators.PROFILER

    def wants(self, precision: str) -> tuple[str, str]:
        """Weights as safetensors, in the precision they will have."""
        return "checkpoint", stored(precision)

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None."""
        return torch_session.refusal(device, precision, torch_session.WITH_TF32)

    def open(self, opening: Opening) -> Session:
        """Load the weights into the network."""
        return EagerSession(torch_session.network(opening), opening)

    def profile(self, opening: Opening, starts: Sequence[int]) -> tuple[Operator, ...]:
        """The operators that PyTorch starts, one by one."""
        network = torch_session.network(opening)
        with EagerSession(network, opening) as session:
            return torch_operators.profile(network, session.decode, starts, opening.device.kind)


class ChannelsLast:
    """The ``eager_nhwc`` runtime."""

    name = "eager_nhwc"
    packages = torch_session.PACKAGES
    profiler = torch_operators.PROFILER

    def wants(self, precision: str) -> tuple[str, str]:
        """Weights as safetensors, in float32: autocast lowers them as it goes."""
        return "checkpoint", "fp32"

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None."""
        return torch_session.refusal(device, precision, torch_session.WITH_TF32)

    def profile(self, opening: Opening, starts: Sequence[int]) -> tuple[Operator, ...]:
        """The operators that PyTorch starts, one by one."""
        network, session = self._loaded(opening)
        with session:
            return torch_operators.profile(network, session.decode, starts, opening.device.kind)

    def open(self, opening: Opening) -> Session:
        """Load the weights into the network and lay them out."""
        return self._loaded(opening)[1]

    def _loaded(self, opening: Opening) -> tuple[FrameDecoder, torch_session.TorchSession]:
        lower = stored(opening.precision) != "fp32"
        weights = replace(opening, precision="fp32") if lower else opening
        network = torch_session.channels_last(torch_session.network(weights))
        model: Any = network.model

        def decoder(t_B: torch.Tensor) -> torch.Tensor:
            embedded = model.embedding(t_B)  # outside, for its angles need float32
            with torch.autocast(opening.device.kind, DTYPES[stored(opening.precision)], enabled=lower):
                floats = model.frames(embedded)
            frames: torch.Tensor = network.last_step(floats)
            return frames

        return network, torch_session.TorchSession(decoder, opening)


RUNTIME = Eager()
CHANNELS_LAST = ChannelsLast()
