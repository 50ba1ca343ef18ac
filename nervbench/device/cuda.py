"""An NVIDIA GPU, through PyTorch. Work is enqueued on PyTorch's stream; the clock is a pair of events on the same.

Written against PyTorch's documentation; not yet run on a GPU.
"""

from __future__ import annotations

import dataclasses
import time
from statistics import median

import torch

from nervbench.device.base import Counters, timed
from nervbench.device.cpu import CpuDevice
from nervbench.device.gpus import driver
from nervbench.device.products import GPU, SMALL_SHARE, probe
from nervbench.errors import UnsupportedError
from nervbench.model.gpu import missing
from nervbench.records import Ceilings, DeviceCard

YARDSTICK_SIDE = 4096
"""Milliseconds on a card of 10 TFLOP/s, far above what a launch takes."""
SINCE = {"fp16": (5, 3), "int8": (6, 1), "bf16": (8, 0), "tf32": (8, 0), "fp8": (8, 9)}
"""The compute capability from which on a GPU has arithmetic in a precision (CUDA C++ Programming Guide)."""


class CudaDevice:
    """The ``cuda`` device: PyTorch's current one. Raises UnsupportedError where PyTorch cannot use a GPU."""

    def __init__(self) -> None:
        if lacking := missing():
            raise UnsupportedError("; ".join(lacking))
        self._properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        self._began, self._ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        self._rubbish: torch.Tensor | None = None
        self._here: torch.Tensor | None = None

    @property
    def watched(self) -> str:
        """The UUID as NVML writes it."""
        return f"GPU-{self._properties.uuid}"

    def card(self) -> DeviceCard:
        """Name, multiprocessors, memory, second-level cache and compute capability (``sm_90``)."""
        properties = self._properties
        return DeviceCard(
            kind="cuda",
            name=properties.name,
            cores=properties.multi_processor_count,
            threads=None,
            memory_bytes=int(properties.total_memory),
            cache_bytes={"l2": int(properties.L2_cache_size)},
            features=(f"sm_{properties.major}{properties.minor}",),
        )

    def lacks(self, precision: str) -> str | None:
        """A GPU computes in fp32; a lower precision needs a generation that has it."""
        capability = self._properties.major, self._properties.minor
        possible = ", ".join(["fp32", *(name for name, since in SINCE.items() if capability >= since)])
        if precision in possible.split(", "):
            return None
        dotted = "{}.{}".format(*capability)
        needs = "{}.{}".format(*SINCE[precision]) if precision in SINCE else "none that is known here"
        return f"{precision} needs compute capability {needs}, this GPU has {dotted}; possible here: {possible}"

    def ceilings(self, budget_s: float) -> Ceilings:
        """Best matrix product per precision and copy bandwidth, see :mod:`nervbench.device.products`."""
        precisions = tuple(name for name in ("fp32", *SINCE) if self.lacks(name) is None)
        sizes = dataclasses.replace(GPU, cached_bytes=int(self._properties.L2_cache_size) // 4)
        found = probe(precisions, budget_s, sizes, "cuda")
        return dataclasses.replace(found, yardstick_s=median(self.yardstick(SMALL_SHARE * budget_s)))

    def yardstick(self, budget_s: float) -> tuple[float, ...]:
        """Seconds of each of as many matrix products as fit."""
        left, right = torch.rand(2, YARDSTICK_SIDE, YARDSTICK_SIDE, device="cuda")

        def product() -> None:
            torch.mm(left, right)
            torch.cuda.synchronize()

        return timed(product, budget_s)

    def synchronize(self) -> None:
        """Wait for all streams."""
        torch.cuda.synchronize()

    def upload(self, numbers: int) -> None:
        """Begin to copy so many floats of pinned memory, as a loader with ``pin_memory`` leaves them."""
        if self._here is None or len(self._here) != numbers:
            self._here = torch.rand(numbers).pin_memory()
        self._there = self._here.to("cuda", non_blocking=True)

    def clear_caches(self) -> None:
        """Overwrite the second-level cache, twice its size; what the multiprocessors have ends with each kernel."""
        if self._rubbish is None:
            self._rubbish = torch.zeros(2 * int(self._properties.L2_cache_size), dtype=torch.uint8, device="cuda")
        self._rubbish += 1

    def start(self) -> None:
        """Put the first event behind all that was enqueued."""
        self._began.record()

    def stop(self) -> float:
        """Seconds between the first event and one behind all that was enqueued since, once it has passed."""
        self._ended.record()
        self._ended.synchronize()
        milliseconds: float = self._began.elapsed_time(self._ended)
        return milliseconds / 1e3

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def counters(self) -> Counters:
        """Processor time of this process, and the most memory of the GPU that PyTorch had reserved; None if none.

        What other libraries take is in what the driver says of the process: ``gpu_process_memory_max_bytes``.
        """
        reserved = int(torch.cuda.max_memory_reserved()) or None
        return dataclasses.replace(CpuDevice().counters(), peak_memory_bytes=reserved)

    def settings(self) -> dict[str, str]:
        """Versions of CUDA, cuDNN and the driver, and what the processor, which feeds it, is set to."""
        versions = {"CUDA": torch.version.cuda, "cuDNN": torch.backends.cudnn.version(), "driver": driver()}  # type: ignore[no-untyped-call]
        return {**CpuDevice().settings(), **{name: str(version) for name, version in versions.items() if version}}
