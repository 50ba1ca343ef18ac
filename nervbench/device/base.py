"""What a device is to the rest: a card, a clock and a way to wait. Entry points of the group ``nervbench.devices``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

from nervbench.records import Ceilings, DeviceCard

Reading = float | str
"""A number, or why there is none."""


def timed(call: Callable[[], object], budget_s: float) -> tuple[float, ...]:
    """Seconds of each of as many calls as fit, at least one, after one that is not counted."""
    call()
    moments = [began := time.perf_counter()]
    while len(moments) == 1 or moments[-1] - began < budget_s:
        call()
        moments.append(time.perf_counter())
    return tuple(after - before for before, after in pairwise(moments))


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals since some moment in the past; the difference of two readings says what a span took. Unknown is None."""

    process_cpu_s: float | None = None
    peak_memory_bytes: int | None = None


@runtime_checkable
class WithYardstick(Protocol):
    """What a device has beside, that can tell how fast it is now: a short piece of arithmetic, always the same."""

    def yardstick(self, budget_s: float) -> tuple[float, ...]:
        """Seconds of each of as many as fit."""
        ...


@runtime_checkable
class WithSettings(Protocol):
    """What a device has beside, that knows what else it is set to and driven by."""

    def settings(self) -> dict[str, str]:
        """By name; what cannot be read is left out."""
        ...


@runtime_checkable
class WithUpload(Protocol):
    """What a device has beside, whose memory is not the host's."""

    def upload(self, numbers: int) -> None:
        """Begin to copy so many floats from the host to it."""
        ...


class Device(Protocol):
    """One piece of hardware with a clock. Times; never decodes."""

    @property
    def watched(self) -> str:
        """The UUID of a GPU as NVML writes it; empty for a CPU."""
        ...

    def card(self) -> DeviceCard:
        """What it is, without measured ceilings."""
        ...

    def lacks(self, precision: str) -> str | None:
        """Why it has no arithmetic of its own in ``precision``, and what would; None if it has."""
        ...

    def ceilings(self, budget_s: float) -> Ceilings:
        """Measure its limits, within about ``budget_s`` seconds."""
        ...

    def synchronize(self) -> None:
        """Wait until all work that was enqueued has ended."""
        ...

    def clear_caches(self) -> None:
        """Empty the caches between its memory and its arithmetic, as far as a program can."""
        ...

    def start(self) -> None:
        """Start the stopwatch."""
        ...

    def stop(self) -> float:
        """Seconds of the device's own clock since :meth:`start`, all work enqueued meanwhile included."""
        ...

    def now(self) -> float:
        """Seconds of a monotonic wall clock: for budgets, and for what a protocol or a display times by it."""
        ...

    def counters(self) -> Counters:
        """Totals of this process, now."""
        ...
