"""What a device is to the rest: a card, a clock and a way to wait. Entry points of the group ``nervbench.devices``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nervbench.records import Ceilings, DeviceCard

Reading = float | str
"""A number, or why there is none."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals since some moment in the past; the difference of two readings says what a span took. Unknown is None."""

    process_cpu_s: float | None = None
    peak_memory_bytes: int | None = None


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
