"""The CPU as a device, on made-up descriptions of a system."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from nervbench.device import cpu
from nervbench.device.cpu import CpuDevice

XEON = """processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum
cpu MHz\t\t: 2500.500
flags\t\t: fpu avx2 avx512f avx512_vnni {more}

processor\t: 1
model name\t: another
"""
GRAVITON = "processor\t: 0\nBogoMIPS\t: 2100.00\nFeatures\t: fp asimd sve i8mm {more}\nCPU implementer\t: 0x41\n"


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of /proc and /sys; nothing is in it yet."""
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(cpu, "CACHES", tmp_path / "cache")
    return tmp_path


def test_intel(system: Path) -> None:
    """An x86 card has name, clock and the instruction sets that matter, in our order."""
    (system / "cpuinfo").write_text(XEON.format(more="avx512_bf16"))
    card = CpuDevice().card()

    assert (card.kind, card.name, card.clock_hz) == ("cpu", "Intel(R) Xeon(R) Platinum", 2.5005e9)
    assert card.features == ("avx2", "avx512f", "avx512_vnni", "avx512_bf16")
    assert card.ceilings is None


def test_arm(system: Path) -> None:
    """An Arm card has its features; a clock that the system does not say is unknown, not 0."""
    (system / "cpuinfo").write_text(GRAVITON.format(more="bf16"))
    card = CpuDevice().card()

    assert card.features == ("bf16", "i8mm", "sve")
    assert card.clock_hz is None
    assert card.name


def test_nothing_known(system: Path) -> None:
    """Where the system says nothing there still is a card, and it claims nothing."""
    card = CpuDevice().card()

    assert (card.features, card.clock_hz, card.cache_bytes) == ((), None, {})
    assert card.name
    assert card.memory_bytes == psutil.virtual_memory().total


def test_caches(system: Path) -> None:
    """Caches are data and unified ones, in bytes; what cannot be read is left out."""
    for name, level, kind, size in (("index0", 1, "Data", "48K"), ("index1", 1, "Instruction", "32K"),
                                    ("index2", 2, "Unified", "2048K"), ("index3", 3, "Unified", "odd")):  # fmt: skip
        folder = system / "cache" / name
        folder.mkdir(parents=True)
        for file, content in (("level", level), ("type", kind), ("size", size)):
            (folder / file).write_text(f"{content}\n")
    (system / "cache" / "index4").mkdir()

    assert CpuDevice().card().cache_bytes == {"l1": 48 << 10, "l2": 2 << 20}


@pytest.mark.parametrize(
    ("info", "has"),
    [
        (XEON.format(more=""), False),
        (XEON.format(more="avx512_bf16"), True),
        (XEON.format(more="amx_bf16"), True),
        (GRAVITON.format(more=""), False),
        (GRAVITON.format(more="bf16"), True),
    ],
)
def test_bf16(system: Path, info: str, has: bool) -> None:
    """bf16 is there exactly where an instruction set has it; else the reason says what is possible."""
    (system / "cpuinfo").write_text(info)
    lacks = CpuDevice().lacks("bf16")

    assert (lacks is None) is has
    assert has or "possible here: fp32" in str(lacks)


@pytest.mark.parametrize(
    ("info", "has"),
    [
        (XEON.format(more=""), True),
        (XEON.replace("avx512_vnni", "").format(more=""), False),
        (XEON.replace("avx512_vnni", "").format(more="avx_vnni"), True),
        (GRAVITON.format(more=""), True),
    ],
)
def test_int8(system: Path, info: str, has: bool) -> None:
    """int8 is there where an instruction multiplies bytes; else the reason says which would."""
    (system / "cpuinfo").write_text(info)
    lacks = CpuDevice().lacks("int8")

    assert (lacks is None) is has
    assert has or "one of amx_int8, avx512_vnni, avx_vnni, i8mm is needed); possible here: fp32" in str(lacks)


def test_other_precisions(system: Path) -> None:
    """A CPU always computes in fp32; other types are not measured on it, said with those that are."""
    assert CpuDevice().lacks("fp32") is None
    assert str(CpuDevice().lacks("fp16")).startswith("fp16 is not measured on CPUs; possible here: fp32")


def test_clock() -> None:
    """The stopwatch measures what passes between start and stop, and time never goes back."""
    device = CpuDevice()
    before = device.now()
    device.start()
    time.sleep(0.02)
    first = device.stop()
    second = device.stop()
    device.synchronize()

    assert 0.02 <= first <= second <= device.now() - before + 0.01
    device.start()
    assert device.stop() < first


def test_counters() -> None:
    """Work adds to the processor time of the process; memory is in bytes."""
    device = CpuDevice()
    before = device.counters()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    after = device.counters()

    assert None not in (after.process_cpu_s, before.process_cpu_s)
    assert 0.09 <= (after.process_cpu_s or 0) - (before.process_cpu_s or 0) < 1
    assert 10 << 20 < (after.peak_memory_bytes or 0) < psutil.virtual_memory().total


def test_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the system lets one set, by the file that said it; of a machine that tells nothing, nothing."""
    monkeypatch.setattr(cpu, "PROCESSORS", tmp_path)
    assert CpuDevice().settings() == {}
    for name, text in {"cpu0/cpufreq/scaling_governor": "powersave", "intel_pstate/no_turbo": "1"}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert CpuDevice().settings() == {"governor": "scaling_governor powersave", "turbo": "no_turbo 1"}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not pin processes")
def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads are those that this process may use."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0})

    assert CpuDevice().card().threads == 1


def test_clear_caches(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each processor that may be used overwrites its own caches, then what they share; then all may be used again."""
    for index, (level, size) in enumerate((("2", "64K"), ("3", "40000K"))):
        folder = system / "cache" / f"index{index}"
        folder.mkdir(parents=True)
        for name, value in (("level", level), ("type", "Unified"), ("size", size)):
            (folder / name).write_text(value)
    device = CpuDevice()
    moves: list[tuple[set[int], int]] = []
    monkeypatch.setattr(cpu, "_allowed", lambda: {1, 3})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, to: moves.append((set(to), written(device))))

    def written(device: CpuDevice) -> int:
        return 0 if device._rubbish is None else int(np.count_nonzero(device._rubbish))

    device.clear_caches()

    assert moves == [({1}, 0), ({3}, 2 * 64 * 1024), ({1, 3}, 2 * 64 * 1024)]
    assert written(device) == 2 * 40000 * 1024


def test_clear_caches_unknown(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system names no caches, 64 MiB are overwritten; the processors allowed stay as they were."""
    device = CpuDevice()
    before = cpu._allowed()
    device.clear_caches()
    assert cpu._allowed() == before
    monkeypatch.setattr(cpu, "_allowed", set)
    device.clear_caches()

    assert device._rubbish is not None
    assert device._rubbish.size == 2 * cpu.UNKNOWN_CACHE_BYTES
    assert device._rubbish.all()
