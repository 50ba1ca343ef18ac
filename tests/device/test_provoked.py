"""Every doubt about the machine, provoked where it is read: files and a GPU that change while someone is watching."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from nervbench.device.cpu_readings import CpuReadings
from nervbench.device.gpu_readings import GpuReadings
from nervbench.device.sampler import Source, watch
from nervbench.device.summary import record
from nervbench.measure.checks import doubts_meanwhile
from nervbench.records import Meanwhile

from .machine import PID, TICKS, FakeNvml, lay_out, process, processors, write

CLOCK = "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq"
WALL_S, READINGS = 10.0, 10
Change = Callable[[Path, FakeNvml], object]


def strangers_work(root: Path, _nvml: FakeNvml) -> None:
    """Two processors for 10 s: 20 s, of which 8 % went to others."""
    processors(root, 5000 + round(0.8 * TICKS), 10)


def host_takes(root: Path, _nvml: FakeNvml) -> None:
    """5 % of the time of either processor."""
    processors(root, 5000, 10 + round(0.5 * TICKS))


def clocks(root: Path, khz: int) -> None:
    """The clock of a processor that the process may use."""
    write(root / CLOCK, khz)


PROVOKED: dict[str, Change] = {
    "others_busy": strangers_work,
    "stolen": host_takes,
    "swapping": lambda root, _: write(root / "proc/vmstat", "pswpin 3\npswpout 400\npgfault 7"),
    "swapping ": lambda root, _: process(root, PID, 1, 100, major=500),
    "low_memory": lambda root, _: write(root / "proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable: 400000 kB"),
    "clock_moved": lambda root, _: clocks(root, 2_000_000),
    "clock_moved ": lambda _, nvml: setattr(nvml, "nvmlDeviceGetClockInfo", lambda _handle, _kind: 1200),
    "throttled": lambda _, nvml: setattr(nvml, "nvmlDeviceGetCurrentClocksEventReasons", lambda _handle: 0x40),
    "shared_gpu": lambda _, nvml: setattr(
        nvml, "nvmlDeviceGetGraphicsRunningProcesses", lambda _handle: [SimpleNamespace(pid=5, usedGpuMemory=None)]
    ),
}
"""What happens half-way, by the doubt that it is to raise; a space tells two ways to one."""
OF_THE_GPU = {"clock_moved ", "throttled", "shared_gpu"}


def watched(root: Path, change: Change, gpu: bool) -> Meanwhile:
    """What is seen of a quiet machine on which something changes after half of the readings."""
    lay_out(root)
    write(root / "proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable: 5000000 kB")
    clocks(root, 3_000_000)
    nvml = FakeNvml(
        nvmlDeviceGetCurrentClocksEventReasons=lambda _handle: 0x1,
        nvmlDeviceGetComputeRunningProcesses=lambda _handle: [SimpleNamespace(pid=PID, usedGpuMemory=1 << 30)],
        nvmlDeviceGetGraphicsRunningProcesses=lambda _handle: [],
    )
    machine = CpuReadings(PID, root)
    sources: list[Source] = [machine, *([GpuReadings(nvml, "GPU-1", PID)] if gpu else [])]
    waits = 0

    def closed(_timeout_s: float) -> bool:
        nonlocal waits
        waits += 1
        if waits == READINGS // 2:
            change(root, nvml)
        return waits > READINGS

    first = {name: total for source in sources for name, total in source.totals().items()}
    seen = watch(sources, 1.0, closed, lambda: 0.0, lambda: 0.0)
    last = {name: total for source in sources for name, total in source.totals().items()}
    return Meanwhile(wall_s=WALL_S, longest_gap_s=0.0, **record(seen, first, last, WALL_S * len(machine.processors)))


@pytest.mark.parametrize("gpu", [False, True])
def test_quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpu: bool) -> None:
    """Where nothing happens nothing is doubted, and what is asked for below is read."""
    monkeypatch.setattr(time, "process_time", lambda: 1.0)
    seen = watched(tmp_path, lambda _root, _nvml: None, gpu)

    assert doubts_meanwhile(seen) == ()
    assert None not in (seen.others_cpu_share, seen.steal_share, seen.swap_in_bytes, seen.major_faults)
    assert None not in (seen.memory_available_min_bytes, seen.clock_p10_hz)
    assert (seen.gpu_throttle, seen.gpu_other_processes) == (({"idle": 1.0}, 0) if gpu else (None, None))


@pytest.mark.parametrize("code", PROVOKED)
def test_provoked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """What happens raises its doubt and no other."""
    monkeypatch.setattr(time, "process_time", lambda: 1.0)
    seen = watched(tmp_path, PROVOKED[code], code in OF_THE_GPU)

    assert [doubt.code for doubt in doubts_meanwhile(seen)] == [code.strip()]
