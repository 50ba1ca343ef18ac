"""What one NVIDIA GPU does, through NVML (the interface under nvidia-smi).

A call may be refused, each for itself: by the GPU (a consumer card has no energy counter, a MIG slice no utilisation),
by permission, by a driver that is too old. A refused call is a reason, and the others go on.

Source: NVIDIA, NVML API Reference Guide; ``pynvml`` of the package nvidia-ml-py has its names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from nervbench.device.base import Reading

Answer = TypeVar("Answer")

REASONS = {
    0x1: "idle",
    0x2: "application_clocks",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake",
    0x100: "display_clocks",
    0x200: "board_limit",
    0x400: "reliability",
}
"""Why the clocks are below their highest, by bit (nvmlClocksEventReasons); idle and application_clocks are no fault."""


class GpuReadings:
    """One GPU, and what a process has on it.

    ``nvml`` is the module ``pynvml``; ``uuid`` as NVML writes it (``GPU-…``, or ``MIG-…`` for a slice), because NVML
    and CUDA do not number GPUs alike. Raises RuntimeError where the driver or the GPU is not there.
    """

    def __init__(self, nvml: Any, uuid: str, pid: int) -> None:
        self._nvml, self._pid = nvml, pid
        self._refusals = (nvml.NVMLError, nvml.NVMLLibraryMismatchError, AttributeError)
        try:
            nvml.nvmlInit()
            self._handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
        except self._refusals as error:
            msg = f"NVML does not show the GPU {uuid} ({error})"
            raise RuntimeError(msg) from error
        self._sliced = False
        self._sliced = self._asked(lambda: nvml.nvmlDeviceGetMigMode(self._handle)[0]) == 1

    def now(self) -> dict[str, Reading]:
        """Shares as ratios, clocks in Hz, W, °C, bytes, bytes/s; ``gpu_throttle`` as the bits of ``REASONS``."""
        nvml, handle = self._nvml, self._handle
        rates = self._asked(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        processes = self._asked(self._processes)
        return {
            "gpu_busy": rates if isinstance(rates, str) else rates.gpu / 100,
            "gpu_memory_busy": rates if isinstance(rates, str) else rates.memory / 100,
            "gpu_sm_clock": self._asked(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM) * 1e6),
            "gpu_memory_clock": self._asked(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM) * 1e6),
            "gpu_throttle": self._asked(self._reasons),
            "gpu_power": self._asked(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1e3),
            "gpu_temperature": self._asked(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            "gpu_memory_used": self._asked(lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used),
            "gpu_pcie_rx": self._pcie("NVML_PCIE_UTIL_RX_BYTES"),
            "gpu_pcie_tx": self._pcie("NVML_PCIE_UTIL_TX_BYTES"),
            "gpu_process_memory": processes if isinstance(processes, str) else self._memory(processes),
            "gpu_other_processes": processes if isinstance(processes, str) else len(processes) - 1,
        }

    def totals(self) -> dict[str, Reading]:
        """``gpu_energy`` in J, since the driver was loaded."""
        return {"gpu_energy": self._asked(lambda: self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) / 1e3)}

    def _reasons(self) -> int:
        """Drivers before 535 know the call by its old name only."""
        try:
            return int(self._nvml.nvmlDeviceGetCurrentClocksEventReasons(self._handle))
        except (self._nvml.NVMLError_FunctionNotFound, AttributeError):
            return int(self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self._handle))

    def _pcie(self, counter: str) -> Reading:
        """NVML itself takes 20 ms over it, and says KB/s."""
        nvml = self._nvml
        return self._asked(lambda: nvml.nvmlDeviceGetPcieThroughput(self._handle, getattr(nvml, counter)) * 1e3)

    def _memory(self, processes: dict[int, int | None]) -> Reading:
        used = processes[self._pid]
        return "the driver does not say how much memory a process uses" if used is None else used

    def _processes(self) -> dict[int, int | None]:
        """Bytes by process. Raises LookupError where the worker is not among them, since then no number can be told."""
        nvml, handle = self._nvml, self._handle
        listed = (
            *nvml.nvmlDeviceGetGraphicsRunningProcesses(handle),
            *nvml.nvmlDeviceGetComputeRunningProcesses(handle),
        )
        found: dict[int, int | None] = {each.pid: each.usedGpuMemory for each in listed}
        if self._pid not in found:
            msg = (
                f"the driver lists {len(found)} processes and not the worker ({self._pid}): "
                "it has nothing on the GPU, or a container gives it another number"
            )
            raise LookupError(msg)
        return found

    def _asked(self, read: Callable[[], Answer]) -> Answer | str:
        """What ``read`` gives, or why it gives nothing."""
        try:
            return read()
        except LookupError as error:
            return str(error.args[0])
        except self._refusals as error:
            return f"NVML: {error}" + (" (MIG is on)" if self._sliced else "")
