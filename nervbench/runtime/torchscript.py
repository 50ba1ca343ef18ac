"""TorchScript: a traced, frozen graph in PyTorch's own interpreter."""

from __future__ import annotations

import warnings

import torch

from nervbench.errors import LoadError, first_line
from nervbench.records import DeviceCard
from nervbench.runtime import torch_session
from nervbench.runtime.base import Opening, Session


class TorchScript:
    """The ``torchscript`` runtime."""

    name = "torchscript"
    packages = torch_session.PACKAGES

    def wants(self, precision: str) -> tuple[str, str]:
        """A TorchScript file in the same precision."""
        return "torchscript", precision

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None."""
        return torch_session.refusal(device, precision)

    def open(self, opening: Opening) -> Session:
        """Load the file. It is only ever one of this tool's own cache: TorchScript files can hold code."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # deprecated in PyTorch, still deployed
                script = torch.jit.load(str(opening.path), map_location=opening.device.kind)  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            msg = f"TorchScript could not load {opening.path.name}: {first_line(error)}"
            raise LoadError(msg) from error
        return torch_session.TorchSession(script, opening)


RUNTIME = TorchScript()
