"""PyTorch as its authors wrote it: one operator after the other. Its fp32 case is what everything is compared with."""

from __future__ import annotations

from nervbench.records import DeviceCard
from nervbench.runtime import torch_session
from nervbench.runtime.base import Opening, Session


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
        return torch_session.TorchSession(torch_session.network(opening), opening)


RUNTIME = Eager()
