"""What the PyTorch runtimes share: a callable from positions to uint8 frames, run without gradients."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from nervbench.errors import LoadError, NervbenchError
from nervbench.model import checkpoint
from nervbench.model.network import FrameDecoder
from nervbench.model.precision import cast
from nervbench.records import DeviceCard
from nervbench.runtime.base import NOTHING_YET, Frames, Opening, capabilities, capability_of, time_positions

PACKAGES = ("torch",)
PRECISIONS = {"cpu": ("fp32", "bf16"), "cuda": ("fp32", "bf16", "fp16")}
WITH_TF32 = PRECISIONS | {"cuda": ("fp32", "tf32", "bf16", "fp16")}
"""Of the runtimes whose products are those of PyTorch's libraries, which are told for the whole process."""
TRITON_SINCE = (7, 0)
WARM_UP = 3
"""Calls before a capture."""
COMPILERS = ("g++", "c++", "clang++")


class TorchSession:
    """Decodes with a PyTorch callable t (B,) → (B, H, W, 3) uint8. On a CPU a decode is done when it returns."""

    def __init__(self, decoder: Callable[[Tensor], Tensor], opening: Opening) -> None:
        if opening.device.threads:
            torch.set_num_threads(opening.device.threads)
        self._decoder = decoder
        self._opening = opening
        self._frames: Tensor | None = None
        # All positions and what a batch needs after the last, so that a decode copies within the device only.
        every = torch.from_numpy(time_positions(0, opening.frames + opening.batch - 1, opening.frames))
        self._positions = every.to(opening.device.kind)
        self._input = self._positions[: opening.batch].clone()

    def decode(self, index: int) -> None:
        """Decode the batch that starts at frame ``index``."""
        with torch.inference_mode():
            self._frames = self._decoder(
                self.positions(index)
            ).contiguous()  # RGB by pixel, as the other runtimes leave it

    def positions(self, index: int) -> Tensor:
        """Positions t / T of the batch that starts at frame ``index``: (B,) float32, always in the same place."""
        start = index % self._opening.frames
        return self._input.copy_(self._positions[start : start + self._opening.batch])

    def fetch(self) -> Frames:
        """The last frames as a (B, H, W, 3) uint8 array."""
        if self._frames is None:
            raise RuntimeError(NOTHING_YET)
        frames: Frames = self._frames.cpu().numpy()  # every decode makes a new tensor, so this one stays
        return frames

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the last frames."""
        self._frames = None


def network(opening: Opening) -> FrameDecoder:
    """The network of a checkpoint artifact, in the precision of the case, on its device. Raises LoadError."""
    if opening.device.kind == "cuda":
        # Left alone, PyTorch takes 10 of the 23 bits of fp32 for convolutions; the published code searches algorithms
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = opening.precision == "tf32"
        torch.backends.cudnn.benchmark = True
    try:
        model = cast(checkpoint.load(opening.path).model(), opening.precision)
    except NervbenchError as error:
        raise LoadError(str(error)) from error
    return FrameDecoder(model).eval().to(opening.device.kind)


def captured(enqueue: Callable[[], None]) -> torch.cuda.CUDAGraph:
    """What it enqueues, as a CUDA graph to replay.

    It is called a few times before: libraries choose their algorithms and allocate, which a capture forbids.
    """
    graph = torch.cuda.CUDAGraph()
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.inference_mode(), torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            enqueue()
    torch.cuda.current_stream().wait_stream(aside)
    with torch.inference_mode(), torch.cuda.graph(graph):
        enqueue()
    return graph


def channels_last(network: FrameDecoder) -> FrameDecoder:
    """The network with its convolutions' weights laid out channels last, in place; their outputs follow."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def refusal(device: DeviceCard, precision: str, precisions: Mapping[str, tuple[str, ...]] = PRECISIONS) -> str | None:
    """What a PyTorch runtime that has these precisions cannot do on a device."""
    if too_old := _not_built_for(device):
        return too_old
    possible = precisions.get(device.kind, ())
    if precision in possible:
        return None
    kind = {"cpu": "a CPU", "cuda": "a GPU"}.get(device.kind, device.kind)
    known = ", ".join(possible) or "nothing"
    return f"{precision} is not available in the PyTorch runtimes on {kind}; possible: {known}"


def _not_built_for(device: DeviceCard) -> str | None:
    """Why this PyTorch has no kernel for a GPU: it is older than all that the build has code for."""
    capability = capability_of(device) if device.kind == "cuda" else None
    built = sorted(capabilities(torch.cuda.get_arch_list()))
    if not capability or not built or capability >= built[0]:
        return None
    oldest, this = ("{}.{}".format(*each) for each in (built[0], capability))
    build = f"PyTorch {torch.__version__} is built for GPUs of compute capability {oldest} and newer"
    return f"{build}, this one has {this}; its wheels for CUDA 12.6 (cu126) go back to 5.0, up to PyTorch 2.14"


def compiler_missing(device: DeviceCard) -> str | None:
    """What is missing to compile code for a device; None if nothing."""
    if device.kind == "cuda":
        capability = capability_of(device)
        if capability and capability < TRITON_SINCE:
            found = "{}.{}".format(*capability)
            return f"PyTorch's compiler writes Triton, for GPUs of compute capability 7.0 or more; this one has {found}"
    elif not any(shutil.which(compiler) for compiler in COMPILERS):
        return f"PyTorch's compiler needs a C++ compiler on a CPU ({', '.join(COMPILERS)}); none is installed"
    elif not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        return "PyTorch's compiler needs Python's headers on a CPU (Debian: python3-dev); Python.h was not found"
    return None
