"""torch.compile: the network fused and compiled for this batch. Opening a session compiles; no decode waits for it.

``compiled`` is as PyTorch does it by default; ``compiled_max`` tries several kernels for each operation and keeps the
fastest (``max-autotune``), with the weights as constants that it may lay out as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from nervbench.errors import LoadError, first_line
from nervbench.model.precision import stored
from nervbench.records import DeviceCard
from nervbench.runtime import torch_session
from nervbench.runtime.base import Opening, Session

DEFAULT, MAX = "default", "max-autotune"
OPTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("cpu", MAX): {"max_autotune": True, "freezing": True},
    ("cuda", MAX): {"max_autotune": True, "coordinate_descent_tuning": True, "triton.cudagraphs": True},
}
"""What the compiler is told, by kind of device and mode. On a CPU its own kernels want frozen weights; on a GPU these
are the options that PyTorch's mode of this name stands for, CUDA graphs among them."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A runtime of this name, which compiles in one mode."""

    name: str
    mode: str
    packages: tuple[str, ...] = torch_session.PACKAGES

    def wants(self, precision: str) -> tuple[str, str]:
        """Weights as safetensors, in the precision they will have."""
        return "checkpoint", stored(precision)

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None: on a CPU the code that it generates needs a C++ compiler and Python's headers."""
        return torch_session.compiler_missing(device) or torch_session.refusal(
            device, precision, torch_session.WITH_TF32
        )

    def open(self, opening: Opening) -> Session:
        """Load and compile, which the first call of the compiled network does."""
        network = torch_session.network(opening)
        decoder = torch.compile(
            network, dynamic=False, fullgraph=True, options=OPTIONS.get((opening.device.kind, self.mode))
        )
        session = torch_session.TorchSession(decoder, opening)
        try:
            session.decode(0)
        except RuntimeError as error:  # the compiler's own failures derive from it
            msg = f"torch.compile failed: {first_line(error)}"
            raise LoadError(msg) from error
        return torch_session.TorchSession(decoder, opening)


RUNTIME = Compiled("compiled", DEFAULT)
MAX_AUTOTUNE = Compiled("compiled_max", MAX)
