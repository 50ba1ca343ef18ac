"""Which NVIDIA GPUs the driver shows: the doctor says what is there."""

from __future__ import annotations

import pynvml


def driver() -> str | None:
    """Its version, where NVML tells."""
    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None


def gpus() -> str:
    """Names of the GPUs, or why none can be seen."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return f"none seen ({error}); a GPU needs NVIDIA's driver. Cases run on the CPU"
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        names = [pynvml.nvmlDeviceGetName(handle) for handle in handles]
    finally:
        pynvml.nvmlShutdown()
    found = ", ".join(name if isinstance(name, str) else name.decode() for name in names) or "none"
    return f"{found}. --device cuda takes the first"
