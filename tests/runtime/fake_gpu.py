"""A GPU that is the CPU's memory and a stream that is a number, and a case on it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from nervbench.records import DeviceCard
from nervbench.runtime import trt_gpu
from nervbench.runtime.trt_gpu import GpuFacts

CONTENT = b"an ONNX file"
FRAMES, BATCH, STREAM = 5, 2, 4242
CAPTURING, REPLAYED = 43, 44
A100 = GpuFacts("NVIDIA A100", (8, 0), "580.10", 40 << 30)


class FakeGpu(trt_gpu.Gpu):
    """The CPU's memory, and a stream that is a number."""

    device = "cpu"
    known = A100

    def __init__(self) -> None:
        self.waited = 0

    def facts(self) -> GpuFacts:
        return self.known

    @contextlib.contextmanager
    def stream(self) -> Iterator[int]:
        yield STREAM

    def captured(self, enqueue: Callable[[int], None]) -> Callable[[], None]:
        enqueue(CAPTURING)
        return lambda: enqueue(REPLAYED)

    def wait(self) -> None:
        self.waited += 1


def card(*features: str, kind: str = "cuda") -> DeviceCard:
    """A GPU with these features."""
    return DeviceCard(kind, "a GPU", None, None, None, features=features)
