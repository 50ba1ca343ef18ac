"""What is read of a machine, of a process and of a GPU, on made-up ones."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from nervbench.device.cpu_readings import CpuReadings
from nervbench.device.gpu_readings import GpuReadings

from .machine import (
    CHILD,
    GRANDCHILD,
    PAGE,
    PID,
    STRANGER,
    TICKS,
    FakeNvml,
    lay_out,
    process,
    processors,
    refused,
    scheduled,
    thread,
    write,
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which this process takes no time."""
    monkeypatch.setattr(time, "process_time", lambda: 1.0)
    lay_out(tmp_path)
    return tmp_path


def number(reading: object) -> float:
    """A reading that is there."""
    assert isinstance(reading, int | float), reading
    return reading


def test_others(root: Path) -> None:
    """The load of others is of the allowed processors, without steal, the process and its descendants."""
    readings = CpuReadings(PID, root)
    first = readings.totals()
    processors(root, 6000, 40)
    for pid in (PID, CHILD, GRANDCHILD, STRANGER):
        process(root, pid, {CHILD: PID, GRANDCHILD: CHILD}.get(pid, 1), 150)
    last = readings.totals()

    assert len(readings.processors) == 2
    grown = {name: number(last[name]) - number(first[name]) for name in ("others_cpu", "steal")}
    assert grown == pytest.approx({"others_cpu": (2 * 1000 - 3 * 4 * 50) / TICKS, "steal": 2 * 30 / TICKS})


def test_others_waiting(root: Path) -> None:
    """Others waited who ran on the allowed processors, without the process, its children and this one."""
    readings = CpuReadings(PID, root)
    scheduled(root, STRANGER, 61, 1.0, 1.0, 1)
    scheduled(root, STRANGER, 63, 7.0, 7.0, 0)
    first = readings.totals()
    processors(root, 5000 + TICKS, 10)
    scheduled(root, STRANGER, 61, 3.0, 1.5, 1)
    scheduled(root, STRANGER, 62, 0.25, 0.125, 2)  # one that began meanwhile
    scheduled(root, STRANGER, 63, 9.0, 9.0, 0)
    for pid in (PID, CHILD, os.getpid()):
        scheduled(root, pid, pid, 50.0, 50.0, 1)
    last = readings.totals()

    assert number(last["others_cpu"]) - number(first["others_cpu"]) == pytest.approx(2)
    assert first["others_waiting"] == 0
    assert last["others_waiting"] == pytest.approx(0.625)


def test_others_that_nobody_sees(root: Path) -> None:
    """In a container those who take the processors are not to be seen: for how long they waited is not known."""
    readings = CpuReadings(PID, root)
    assert "no thread of another process" in str(readings.totals()["others_waiting"])
    scheduled(root, STRANGER, 61, 1.0, 1.0, 1)
    readings.totals()
    processors(root, 5000 + 2 * TICKS, 10)
    scheduled(root, STRANGER, 61, 1.5, 1.5, 1)

    assert readings.totals()["others_waiting"] == "others took 4.0 s of the processors, those that are seen 0.5 s"


def test_child_that_ends(root: Path) -> None:
    """What a child took stays taken when it ends and its time goes over to its parent."""
    readings = CpuReadings(PID, root)
    first = readings.totals()
    (root / f"proc/{GRANDCHILD}/stat").unlink()
    process(root, CHILD, PID, 200)  # four times 100 more: all that the grandchild had

    assert number(readings.totals()["others_cpu"]) == pytest.approx(number(first["others_cpu"]))


def test_own_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What watching takes is not a load of others, and not counted twice where the process is its parent."""
    before = number(CpuReadings(PID, root).totals()["others_cpu"])
    monkeypatch.setattr(time, "process_time", lambda: 3.0)
    process(root, os.getpid(), PID, 1000)

    assert number(CpuReadings(PID, root).totals()["others_cpu"]) == pytest.approx(before - 2.0)


def test_process(root: Path) -> None:
    """Faults are of the process alone, switches of all its threads, those that have ended as last seen."""
    process(root, PID, 1, 0, minor=1234, major=5)
    readings = CpuReadings(PID, root)
    totals = readings.totals()

    assert (totals["minor_faults"], totals["major_faults"]) == (1234, 5)
    assert (totals["voluntary_switches"], totals["involuntary_switches"]) == (11, 22)
    (root / f"proc/{PID}/task/71/status").unlink()
    thread(root, 72, 100, 200)
    totals = readings.totals()
    assert (totals["voluntary_switches"], totals["involuntary_switches"]) == (111, 222)


def test_memory(root: Path) -> None:
    """Memory and swap are in bytes."""
    readings = CpuReadings(PID, root)

    assert readings.now()["memory_available"] == 5000 * 1024
    assert (readings.totals()["swap_in"], readings.totals()["swap_out"]) == (3 * PAGE, 4 * PAGE)


def test_clock_and_temperature(root: Path) -> None:
    """The clock is the fastest of the allowed processors, the temperature that of a processor's sensor."""
    for place, clock in enumerate((5_000_000, 800_000, 3_100_000)):
        write(root / f"sys/devices/system/cpu/cpu{place}/cpufreq/scaling_cur_freq", clock)
    for place, (chip, heat) in enumerate((("nvme", 90_000), ("coretemp", 61_500))):
        write(root / f"sys/class/hwmon/hwmon{place}/name", chip)
        write(root / f"sys/class/hwmon/hwmon{place}/temp1_input", heat)
    now = CpuReadings(PID, root).now()

    assert now["clock"] == 3.1e9
    assert now["cpu_temperature"] == 61.5


def test_few_clocks(root: Path) -> None:
    """Of many processors eight are asked for their clock."""
    write(root / f"proc/{PID}/status", "Cpus_allowed_list:\t0-127")
    for place in range(128):
        write(root / f"sys/devices/system/cpu/cpu{place}/cpufreq/scaling_cur_freq", place)

    assert CpuReadings(PID, root).now()["clock"] == 112e3


def test_energy(root: Path) -> None:
    """Energy is summed over packages, not their parts, and goes on where a counter starts again."""
    zones = root / "sys/class/powercap"
    for name, kind in (("intel-rapl:0", "package-0"), ("intel-rapl:1", "package-1"), ("intel-rapl:0:0", "core")):
        write(zones / name / "name", kind)
        write(zones / name / "max_energy_range_uj", 10_000_000)
        write(zones / name / "energy_uj", 9_000_000)
    readings = CpuReadings(PID, root)
    first = readings.totals()
    write(zones / "intel-rapl:0/energy_uj", 2_000_000)
    write(zones / "intel-rapl:0:0/energy_uj", 9_900_000)
    readings.now()
    write(zones / "intel-rapl:0/energy_uj", 1_000_000)

    assert number(readings.totals()["cpu_energy"]) - number(first["cpu_energy"]) == pytest.approx(3 + 9)


def test_unreadable(root: Path) -> None:
    """A file that is there and cannot be read is a reason with its name."""
    write(root / "sys/class/powercap/intel-rapl:0/name", "package-0")
    energy = root / "sys/class/powercap/intel-rapl:0/energy_uj"
    energy.mkdir()
    write(root / "proc/meminfo", "MemAvailable: much kB")
    (root / "proc/vmstat").unlink()
    readings = CpuReadings(PID, root)
    totals = readings.totals()

    assert totals["cpu_energy"] == f"{energy}: Is a directory"
    assert totals["swap_in"] == f"{root}/proc/vmstat: No such file or directory"
    assert "'much'" in str(readings.now()["memory_available"])


def test_nothing_known(tmp_path: Path) -> None:
    """On a system without any of it every reading is a reason, never a number."""
    readings = CpuReadings(PID, tmp_path)

    for name, reading in (readings.now() | readings.totals()).items():
        assert isinstance(reading, str), name
        assert reading
    assert "no cpufreq" in str(readings.now()["clock"])


def test_process_that_ended(root: Path) -> None:
    """Of a process that is gone nothing is known, and of the machine what does not depend on it."""
    readings = CpuReadings(PID, root)
    for file in sorted((root / f"proc/{PID}").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    totals = readings.totals()

    ended = {name for name, total in totals.items() if total == f"process {PID} has ended"}
    assert ended == {
        "others_cpu",
        "others_waiting",
        "minor_faults",
        "major_faults",
        "voluntary_switches",
        "involuntary_switches",
    }
    assert number(totals["steal"]) > 0


def test_gpu() -> None:
    """All is read, in base units; the process is not another."""
    readings = GpuReadings(FakeNvml(), "GPU-1", PID)

    assert readings.now() == {
        "gpu_busy": 0.98,
        "gpu_memory_busy": 0.4,
        "gpu_sm_clock": 1.98e9,
        "gpu_memory_clock": 3.201e9,
        "gpu_throttle": 5,
        "gpu_power": 312.5,
        "gpu_temperature": 61,
        "gpu_memory_used": 5 << 30,
        "gpu_pcie_rx": 101e3,
        "gpu_pcie_tx": 100e3,
        "gpu_process_memory": 3 << 30,
        "gpu_other_processes": 2,
    }
    assert readings.totals() == {"gpu_energy": 7.5}


def test_refused_calls() -> None:
    """Each call that is refused is missing for itself, with NVML's words."""
    nvml = FakeNvml(
        nvmlDeviceGetPowerUsage=refused(pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)),
        nvmlDeviceGetTotalEnergyConsumption=refused(pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION)),
        nvmlDeviceGetComputeRunningProcesses=refused(pynvml.NVMLLibraryMismatchError("the driver is too old")),
    )
    readings = GpuReadings(nvml, "GPU-1", PID)
    now = readings.now()

    assert {name: reading for name, reading in now.items() if isinstance(reading, str)} == {
        "gpu_power": "NVML: Not Supported",
        "gpu_process_memory": "NVML: the driver is too old",
        "gpu_other_processes": "NVML: the driver is too old",
    }
    assert readings.totals()["gpu_energy"] == "NVML: Insufficient Permissions"


def test_mig() -> None:
    """A refusal on a GPU that is cut into slices says so."""
    unsupported = refused(pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED))
    nvml = FakeNvml(nvmlDeviceGetMigMode=lambda _handle: [1, 1], nvmlDeviceGetUtilizationRates=unsupported)

    assert GpuReadings(nvml, "GPU-1", PID).now()["gpu_busy"] == "NVML: Not Supported (MIG is on)"


def test_gpu_that_disappears() -> None:
    """When the GPU is lost every reading is a reason, and nothing is raised."""
    nvml = FakeNvml()
    readings = GpuReadings(nvml, "GPU-1", PID)
    lost = refused(pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST))
    vars(nvml).update({name: lost for name in vars(nvml) if name.startswith("nvmlDevice")})

    assert set((readings.now() | readings.totals()).values()) == {"NVML: GPU is lost"}


def test_processes_that_cannot_be_told_apart() -> None:
    """Where the worker is not listed the number of others is unknown; its memory, where the driver keeps it."""
    elsewhere = GpuReadings(FakeNvml(), "GPU-1", 4711).now()
    hidden = FakeNvml(nvmlDeviceGetComputeRunningProcesses=lambda _: [SimpleNamespace(pid=PID, usedGpuMemory=None)])
    silent = GpuReadings(hidden, "GPU-1", PID).now()

    assert "lists 3 processes and not the worker (4711)" in str(elsewhere["gpu_other_processes"])
    assert elsewhere["gpu_process_memory"] == elsewhere["gpu_other_processes"]
    assert "does not say how much memory" in str(silent["gpu_process_memory"])
    assert silent["gpu_other_processes"] == 2


@pytest.mark.parametrize("in_the_package", [True, False])
def test_old_driver(in_the_package: bool) -> None:
    """A driver, or a package, that knows the reasons by their old name only is asked by that."""
    nvml = FakeNvml(
        nvmlDeviceGetCurrentClocksEventReasons=refused(pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)),
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda _handle: 0x40,
    )
    if not in_the_package:
        del nvml.nvmlDeviceGetCurrentClocksEventReasons

    assert GpuReadings(nvml, "GPU-1", PID).now()["gpu_throttle"] == 0x40


@pytest.mark.parametrize("call", ["nvmlInit", "nvmlDeviceGetHandleByUUID"])
def test_no_gpu(call: str) -> None:
    """Without a driver or the GPU nothing is read, and the reason is raised at once."""
    nvml = FakeNvml(**{call: refused(pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED))})

    with pytest.raises(RuntimeError, match=r"does not show the GPU GPU-1 \(Driver Not Loaded\)"):
        GpuReadings(nvml, "GPU-1", PID)
