"""AOTInductor: the network exported and compiled to a library before anything is decoded, and kept for next time.

The library is of this batch, this processor and this PyTorch, and another of any is another file. It is code: only
what :mod:`nervbench.runtime.kept` vouches for is loaded.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from nervbench.errors import LoadError, first_line
from nervbench.records import DeviceCard
from nervbench.runtime import torch_session
from nervbench.runtime.base import Opening, Session, time_positions
from nervbench.runtime.kept import beside, called, keep, kept


class AotiSession(torch_session.TorchSession):
    """Decodes with a loaded library. ``notes`` say what was unusual on the way to it."""

    def __init__(self, library: Any, opening: Opening, notes: tuple[str, ...]) -> None:
        super().__init__(library, opening)
        self.notes = notes


class Aoti:
    """The ``aoti`` runtime."""

    name = "aoti"
    packages = torch_session.PACKAGES

    def wants(self, precision: str) -> tuple[str, str]:
        """Weights as safetensors, in the precision they will have."""
        return "checkpoint", precision

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None: like torch.compile it needs a C++ compiler and Python's headers."""
        return torch_session.compiler_missing(device) or torch_session.refusal(device, precision)

    def open(self, opening: Opening) -> Session:
        """Load the library that is kept for this case, or compile it now and keep it."""
        device = opening.device
        facts = called(opening) | {"torch": torch.__version__, "device": device.name, "has": " ".join(device.features)}
        path = beside(opening, facts, ".pt2")
        content, note = kept(path, facts)
        if not content:
            keep(path, _compiled(opening), facts)
        try:
            library = torch._inductor.aoti_load_package(str(path))
        except RuntimeError as error:
            msg = f"AOTInductor could not load {path.name}: {first_line(error)}"
            raise LoadError(msg) from error
        return AotiSession(library, opening, (note,) if note else ())


def _compiled(opening: Opening) -> bytes:
    """The package of the network for exactly this batch. Raises LoadError with the compiler's own words."""
    example_B = torch.from_numpy(time_positions(0, opening.batch, opening.frames)).to(opening.device.kind)
    with tempfile.TemporaryDirectory(prefix="nervbench-") as folder, torch.no_grad():
        path = Path(folder) / "network.pt2"
        try:
            exported = torch.export.export(torch_session.network(opening), (example_B,))
            options = {"freezing": True}  # weights as constants, which it may lay out as it likes
            torch._inductor.aoti_compile_and_package(exported, package_path=str(path), inductor_configs=options)
        except RuntimeError as error:  # the compiler's own failures derive from it
            msg = f"AOTInductor failed: {first_line(error)}"
            raise LoadError(msg) from error
        return path.read_bytes()


RUNTIME = Aoti()
