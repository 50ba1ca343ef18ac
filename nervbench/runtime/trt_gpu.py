"""What TensorRT needs beside itself: the GPU's facts, memory on it and a stream. All from PyTorch and the driver."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pynvml
import torch
from torch import Tensor

from nervbench.model import gpu
from nervbench.runtime.base import Capability
from nervbench.runtime.torch_session import captured


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What an engine depends on, beside the model and TensorRT."""

    name: str
    capability: Capability
    driver: str
    memory_bytes: int


def missing() -> str | None:
    """Why PyTorch, which TensorRT's memory comes from, cannot use a GPU here, and what would help; None if it can."""
    lacking = gpu.missing()
    return "; ".join(lacking) if lacking else None


class Gpu:
    """PyTorch's current CUDA device, with a stream of its own: on the default one TensorRT waits more than it must."""

    device = "cuda"

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def facts(self) -> GpuFacts:
        """Name, compute capability, driver and memory."""
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        return GpuFacts(properties.name, (properties.major, properties.minor), _driver(), int(properties.total_memory))

    def put(self, array: npt.NDArray[np.float32]) -> Tensor:
        """A copy of an array on the device."""
        return torch.from_numpy(array).to(self.device)

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Memory on the device; PyTorch's out-of-memory error where there is none left."""
        return torch.empty(shape, dtype=dtype, device=self.device)

    @contextlib.contextmanager
    def stream(self) -> Iterator[int]:
        """The handle of the stream. It waits for the caller's stream before, and the caller's for it after.

        So an event that the caller records afterwards comes after the work: a clock on the caller's stream is right.
        """
        caller = torch.cuda.current_stream()
        self._stream.wait_stream(caller)
        with torch.cuda.stream(self._stream):
            yield self._stream.cuda_stream
        caller.wait_stream(self._stream)

    def captured(self, enqueue: Callable[[int], None]) -> Callable[[], None]:
        """What ``enqueue(stream)`` enqueues, as a CUDA graph: a function that launches it on the current stream."""
        return captured(lambda: enqueue(torch.cuda.current_stream().cuda_stream)).replay

    def wait(self) -> None:
        """Until the stream is empty."""
        self._stream.synchronize()


def _driver() -> str:
    try:
        pynvml.nvmlInit()
        try:
            version = pynvml.nvmlSystemGetDriverVersion()
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return "unknown"
    return version if isinstance(version, str) else version.decode()
