"""The CPU that this process runs on. Work is done when a call returns, so its clock is the host's."""

from __future__ import annotations

import dataclasses
import mmap
import os
import platform
import re
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from nervbench.device.base import Counters, timed
from nervbench.records import Ceilings, DeviceCard

# Instruction sets that decide how fast a convolution can be, as Linux names them (x86 "flags", Arm "Features").
FEATURES = (
    "avx2",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_int8",
    "amx_bf16",
    "bf16",
    "i8mm",
    "sve",
)
ARITHMETIC = {
    "bf16": frozenset({"avx512_bf16", "amx_bf16", "bf16"}),
    "int8": frozenset({"avx_vnni", "avx512_vnni", "amx_int8", "i8mm"}),
}
"""Below fp32: the instruction sets of which a CPU needs one, or it emulates the type, slower than fp32."""
CPUINFO = Path("/proc/cpuinfo")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
PROCESSORS = Path("/sys/devices/system/cpu")
SETTINGS = {
    "governor": ("cpu0/cpufreq/scaling_governor",),
    "turbo": ("cpufreq/boost", "intel_pstate/no_turbo"),
    "multithreading": ("smt/control",),
}
"""What Linux lets one set of the clocks and the threads, by the files that say it."""
YARDSTICK_NUMBERS = 1 << 17
"""About a millisecond."""
TOUCHED_BYTES = 1 << 25
UNKNOWN_CACHE_BYTES = 1 << 25
"""Taken for the largest cache where the system does not say, or says less: 32 MiB."""


class CpuDevice:
    """The ``cpu`` device."""

    watched = ""

    def __init__(self) -> None:
        self._started = 0.0
        self._rubbish: np.ndarray[tuple[int], np.dtype[np.uint8]] | None = None

    def card(self) -> DeviceCard:
        """Model, threads for this process, memory, caches, instruction sets; unknown where the system does not say."""
        info = CPUINFO.read_text() if CPUINFO.exists() else ""
        mhz = _field(info, "cpu MHz")
        return DeviceCard(
            kind="cpu",
            name=_field(info, "model name") or platform.processor() or platform.machine(),
            cores=psutil.cpu_count(logical=False),
            threads=len(_allowed()) or psutil.cpu_count(),
            memory_bytes=psutil.virtual_memory().total,
            cache_bytes=_caches(),
            clock_hz=float(mhz) * 1e6 if mhz else None,  # now; a virtual machine often shows the base clock
            features=_features(info),
        )

    def lacks(self, precision: str) -> str | None:
        """A CPU computes in fp32; a lower precision needs instructions for it."""
        features = set(self.card().features)
        if precision == "fp32" or ARITHMETIC.get(precision, frozenset()) & features:
            return None
        possible = ", ".join(["fp32", *(name for name, sets in ARITHMETIC.items() if sets & features)])
        if precision not in ARITHMETIC:
            return f"{precision} is not measured on CPUs; possible here: {possible}"
        takes = ", ".join(sorted(ARITHMETIC[precision]))
        return f"this CPU has no {precision} arithmetic (one of {takes} is needed); possible here: {possible}"

    def ceilings(self, budget_s: float) -> Ceilings:
        """Best matrix product per precision and copy bandwidth, see :mod:`nervbench.device.products`."""
        # PyTorch: a case of another runtime does without
        import torch  # noqa: PLC0415

        from nervbench.device.products import CPU, SMALL_SHARE, probe  # noqa: PLC0415

        if threads := self.card().threads:
            torch.set_num_threads(threads)
        cached = _caches().get("l2", 4 * CPU.cached_bytes) // 4  # source and target, and half of it left
        sizes = dataclasses.replace(CPU, cached_bytes=cached)
        small_s = SMALL_SHARE * budget_s
        unhindered_s = self.yardstick(small_s)  # before and after: others may have a processor for a second
        found = probe(tuple(name for name in ("fp32", *ARITHMETIC) if self.lacks(name) is None), budget_s, sizes)
        unhindered_s += self.yardstick(small_s)
        return dataclasses.replace(found, yardstick_s=median(unhindered_s), fault_s=_fault_s(small_s))

    def yardstick(self, budget_s: float) -> tuple[float, ...]:
        """Seconds of each of as many as fit: sines on every processor at once, until the last one is done.

        Not a matrix product: where a neighbour takes a processor, the threads of its library wait for each other in
        loops, and one product of a millisecond was seen to take minutes.
        """
        angles = np.linspace(0.0, 1.0, YARDSTICK_NUMBERS)
        outs = [np.empty_like(angles) for _ in _allowed() or (0,)]
        with ThreadPoolExecutor(len(outs)) as pool:
            return timed(lambda: list(pool.map(lambda out: np.sin(angles, out=out), outs)), budget_s)

    def synchronize(self) -> None:
        """Nothing is ever outstanding."""

    def clear_caches(self) -> None:
        """Overwrite them: what each processor has to itself from there, what they share with twice its size."""
        if self._rubbish is None:
            self._rubbish = np.zeros(2 * max((UNKNOWN_CACHE_BYTES, *_caches().values())), np.uint8)
        allowed = _allowed()
        try:
            for processor in allowed:
                os.sched_setaffinity(0, {processor})
                self._rubbish[: 2 * _caches().get("l2", 0)] += 1
        finally:
            if allowed:
                os.sched_setaffinity(0, allowed)
        self._rubbish += 1

    def start(self) -> None:
        """Start the stopwatch."""
        self._started = time.perf_counter()

    def stop(self) -> float:
        """Seconds since :meth:`start`."""
        return time.perf_counter() - self._started

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def settings(self) -> dict[str, str]:
        """Governor, turbo and multithreading, as the system words them (``no_turbo 1`` is none)."""
        found: dict[str, str] = {}
        for name, files in SETTINGS.items():
            for path in (PROCESSORS / file for file in files):
                with suppress(OSError):
                    found[name] = f"{path.name} {path.read_text().strip()}"
        return found

    def counters(self) -> Counters:
        """Processor time and peak memory of this process."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Counters(
            process_cpu_s=usage.ru_utime + usage.ru_stime,
            peak_memory_bytes=usage.ru_maxrss * (1024 if platform.system() == "Linux" else 1),
        )


def _fault_s(budget_s: float) -> float | None:
    """Seconds of a page fault: memory fresh from the system is touched, page by page; the best of as many as fit.

    By every processor at once, as the threads of a network do it.
    """
    threads = len(_allowed()) or 1
    least, until_s = None, time.perf_counter() + budget_s
    with ThreadPoolExecutor(threads) as pool:
        while least is None or time.perf_counter() < until_s:
            with mmap.mmap(-1, TOUCHED_BYTES) as fresh:
                touched, before = np.frombuffer(fresh, np.uint8), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
                parts = np.array_split(touched, threads)
                began = time.perf_counter()
                list(pool.map(_touch, parts))
                took_s = time.perf_counter() - began
                faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
                del touched, parts
            if not faults:
                return None
            least = min(least or took_s, took_s / faults)
    return least


def _touch(memory: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> None:
    memory[:: mmap.PAGESIZE] = 1


def _field(info: str, name: str) -> str | None:
    found = re.search(rf"^{name}\s*:\s*(.+)$", info, re.MULTILINE)
    return found[1].strip() if found else None


def _features(info: str) -> tuple[str, ...]:
    words = set((_field(info, "flags") or _field(info, "Features") or "").split())
    return tuple(name for name in FEATURES if name in words)


def _allowed() -> set[int]:
    """Numbers of the processors that this process may use; empty where the system does not say."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _caches() -> dict[str, int]:
    """Sizes as the first core sees them; empty where the system does not say."""
    sizes: dict[str, int] = {}
    for index in sorted(CACHES.glob("index*")):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction" and size.endswith("K"):
            sizes[f"l{level}"] = int(size[:-1]) * 1024
    return sizes
