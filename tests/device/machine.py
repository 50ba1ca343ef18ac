"""A made-up machine: files as Linux has them under /proc and /sys, and the module ``pynvml`` over a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml

PID, CHILD, GRANDCHILD, STRANGER = 70, 80, 90, 60
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def write(file: Path, text: str | int) -> Path:
    """A file with its folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")
    return file


def process(root: Path, pid: int, parent: int, ticks: int, minor: int = 0, major: int = 0) -> None:
    """A process that took four times ``ticks``: of user and system time, itself and by children that have ended."""
    stat = f"{pid} (a) b) S {parent} 1 1 0 -1 0 {minor} 900 {major} 900 {ticks} {ticks} {ticks} {ticks} 20 0"
    write(root / f"proc/{pid}/stat", stat)


def thread(root: Path, number: int, voluntary: int, involuntary: int) -> None:
    """A thread of the process."""
    status = f"Name:\tx\nvoluntary_ctxt_switches:\t{voluntary}\nnonvoluntary_ctxt_switches:\t{involuntary}"
    write(root / f"proc/{PID}/task/{number}/status", status)


def scheduled(root: Path, pid: int, number: int, ran_s: float, waited_s: float, processor: int) -> None:
    """A thread of any process that ran so long, was ready to run and waited so long, and was on a processor last."""
    write(root / f"proc/{pid}/task/{number}/schedstat", f"{round(ran_s * 1e9)} {round(waited_s * 1e9)} 5")
    if number != pid:
        write(root / f"proc/{number}/stat", f"{number} (a) b) S {' '.join(['7'] * 35)} {processor} 0 0")


def processors(root: Path, busy: int, steal: int) -> None:
    """Three processors, of which the process may use the last two; all numbers of a state differ."""
    each = f"{busy} 1 2 4000 5000 3 4 {steal} {busy} 1"
    write(root / "proc/stat", f"cpu  9 9 9 9 9 9 9 9\ncpu0 77777 0 0 0 0 0 0 777 0 0\ncpu1 {each}\ncpu2 {each}\nintr 5")


def lay_out(root: Path) -> None:
    """A machine with a process, its child and grandchild, and a stranger."""
    write(root / f"proc/{PID}/status", "Name:\tpython\nCpus_allowed:\t6\nCpus_allowed_list:\t1,2-2")
    for pid, parent in ((PID, 1), (CHILD, PID), (GRANDCHILD, CHILD), (STRANGER, 1)):
        process(root, pid, parent, 100)
    processors(root, 5000, 10)
    thread(root, PID, 10, 20)
    thread(root, 71, 1, 2)
    write(root / "proc/meminfo", "MemTotal:  9000 kB\nMemAvailable:   5000 kB")
    write(root / "proc/vmstat", "pswpin 3\npswpout 4\npgfault 7")


class FakeNvml(SimpleNamespace):
    """The module ``pynvml`` over one GPU on which the process and two others are; its errors are the real ones."""

    def __init__(self, **changes: Any) -> None:
        def entry(pid: int, used: int | None) -> SimpleNamespace:
            return SimpleNamespace(pid=pid, usedGpuMemory=used)

        clocks = {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 3201}
        calls: dict[str, Callable[..., Any]] = {
            "nvmlInit": lambda: None,
            "nvmlDeviceGetHandleByUUID": lambda uuid: {"GPU-1": "handle"}[uuid],
            "nvmlDeviceGetMigMode": lambda handle: [0, 0],
            "nvmlDeviceGetUtilizationRates": lambda handle: SimpleNamespace(gpu=98, memory=40),
            "nvmlDeviceGetClockInfo": lambda handle, kind: clocks[kind],
            "nvmlDeviceGetCurrentClocksEventReasons": lambda handle: 0x4 | 0x1,
            "nvmlDeviceGetPowerUsage": lambda handle: 312_500,
            "nvmlDeviceGetTemperature": lambda handle, sensor: 61,
            "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(used=5 << 30),
            "nvmlDeviceGetPcieThroughput": lambda handle, way: 100 + way,
            "nvmlDeviceGetComputeRunningProcesses": lambda handle: [entry(PID, 3 << 30), entry(5, 1 << 30)],
            "nvmlDeviceGetGraphicsRunningProcesses": lambda handle: [entry(5, None), entry(6, None)],
            "nvmlDeviceGetTotalEnergyConsumption": lambda handle: 7_500,
        }
        names = ("NVML_CLOCK_SM", "NVML_CLOCK_MEM", "NVML_TEMPERATURE_GPU", "NVMLError", "NVMLLibraryMismatchError")
        pcie = ("NVML_PCIE_UTIL_RX_BYTES", "NVML_PCIE_UTIL_TX_BYTES", "NVMLError_FunctionNotFound")
        assert all(hasattr(pynvml, name) for name in calls)
        super().__init__(**{name: getattr(pynvml, name) for name in (*names, *pcie)}, **(calls | changes))


def refused(error: Exception) -> Callable[..., Any]:
    """A call that is refused."""

    def call(*_: object) -> None:
        raise error

    return call
