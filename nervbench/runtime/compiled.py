"""torch.compile: the network fused and compiled for this batch. Opening a session compiles; no decode waits for it."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import torch

from nervbench.errors import LoadError, first_line
from nervbench.records import DeviceCard
from nervbench.runtime import torch_session
from nervbench.runtime.base import Opening, Session

COMPILERS = ("g++", "c++", "clang++")


class Compiled:
    """The ``compiled`` runtime."""

    name = "compiled"
    packages = torch_session.PACKAGES

    def wants(self, precision: str) -> tuple[str, str]:
        """Weights as safetensors, in the precision they will have."""
        return "checkpoint", precision

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None: on a CPU the code that it generates needs a C++ compiler and Python's headers."""
        if device.kind == "cpu" and not any(shutil.which(compiler) for compiler in COMPILERS):
            return f"torch.compile needs a C++ compiler on a CPU ({', '.join(COMPILERS)}); none is installed"
        if device.kind == "cpu" and not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
            return "torch.compile needs Python's headers on a CPU (Debian: python3-dev); Python.h was not found"
        return torch_session.refusal(precision)

    def open(self, opening: Opening) -> Session:
        """Load and compile, which the first call of the compiled network does."""
        decoder = torch.compile(torch_session.network(opening), dynamic=False, fullgraph=True)
        try:
            torch_session.TorchSession(decoder, opening).decode(0)
        except RuntimeError as error:  # the compiler's own failures derive from it
            msg = f"torch.compile failed: {first_line(error)}"
            raise LoadError(msg) from error
        return torch_session.TorchSession(decoder, opening)


RUNTIME = Compiled()
