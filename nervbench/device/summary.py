"""Many readings made into one record: means, extremes, growth, and the reason for each that is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nervbench.device.base import Reading
from nervbench.device.gpu_readings import REASONS


@dataclass
class Seen:
    """Readings of what holds now, by name, and when each was; why some are missing; how late the latest one was."""

    values: dict[str, list[float]] = field(default_factory=dict)
    at_s: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    samples: int = 0
    longest_gap_s: float = 0.0

    def add(self, readings: Mapping[str, Reading], at_s: float = 0.0) -> None:
        """One reading of each, so many seconds after the start."""
        for name, reading in readings.items():
            if isinstance(reading, str):
                self.missing[name] = reading
            else:
                self.values.setdefault(name, []).append(reading)
                self.at_s.setdefault(name, []).append(at_s)


def record(
    seen: Seen, first: Mapping[str, Reading], last: Mapping[str, Reading], processors_s: float
) -> dict[str, Any]:
    """The fields of :class:`nervbench.records.Meanwhile` that the readings tell, with what is ``missing``.

    ``first`` and ``last`` are totals; ``processors_s`` is the time between them times the number of processors.
    """
    fields = {name: of(seen.values[reading]) for name, (reading, of) in SUMMARIES.items() if reading in seen.values}
    missing = dict(seen.missing)
    if not seen.samples:
        late = (name for name, _ in SUMMARIES.values() if "gpu" not in missing or not name.startswith("gpu"))
        missing |= dict.fromkeys(late, "the samples were over before the first reading")
    grown: dict[str, float] = {}
    for name, before in first.items():
        after = last[name]
        if isinstance(after, str) or isinstance(before, str):
            missing[name] = after if isinstance(after, str) else str(before)
        elif after < before and name != "others_cpu":
            missing[name] = f"the counter went back, from {before} to {after}"
        else:  # a difference of counters in hundredths of a second: where there are no others it scatters round 0
            grown[name] = max(0, after - before)
    fields |= {name: grown[total] for name, total in GROWN.items() if total in grown}
    fields |= {name: grown[total] / processors_s for name, total in SHARES.items() if total in grown}
    over_time = {
        name: (_thinned(seen.at_s[reading]), _thinned(seen.values[reading]))
        for name, reading in OVER_TIME.items()
        if reading in seen.values
    }
    return fields | {"over_time": over_time, "missing": missing}


def _thinned(values: Sequence[float]) -> tuple[float, ...]:
    """At most ``POINTS`` of them: means of as many neighbours as it takes, to six digits."""
    together = -(-len(values) // POINTS)
    parts = (values[start : start + together] for start in range(0, len(values), together))
    return tuple(float(f"{_mean(part):.6g}") for part in parts)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _p10(values: Sequence[float]) -> float:
    return sorted(values)[round(0.1 * (len(values) - 1))]


def _p90(values: Sequence[float]) -> float:
    return sorted(values)[round(0.9 * (len(values) - 1))]


def _reasons(values: Sequence[float]) -> dict[str, float]:
    """The share of the readings at which each reason held."""
    masks = [int(value) for value in values]
    bits = (1 << place for place in range(max(masks).bit_length()))
    held = {bit: sum(1 for mask in masks if mask & bit) / len(masks) for bit in bits}
    return {REASONS.get(bit, f"bit_{bit:#x}"): share for bit, share in held.items() if share}


SUMMARIES: dict[str, tuple[str, Callable[[Sequence[float]], Any]]] = {
    "clock_hz": ("clock", _mean),
    "clock_p10_hz": ("clock", _p10),
    "clock_p90_hz": ("clock", _p90),
    "cpu_temperature_max_celsius": ("cpu_temperature", max),
    "memory_available_min_bytes": ("memory_available", min),
    "gpu_busy_share": ("gpu_busy", _mean),
    "gpu_memory_busy_share": ("gpu_memory_busy", _mean),
    "gpu_sm_clock_hz": ("gpu_sm_clock", _mean),
    "gpu_sm_clock_p10_hz": ("gpu_sm_clock", _p10),
    "gpu_sm_clock_p90_hz": ("gpu_sm_clock", _p90),
    "gpu_memory_clock_hz": ("gpu_memory_clock", _mean),
    "gpu_throttle": ("gpu_throttle", _reasons),
    "gpu_power_w": ("gpu_power", _mean),
    "gpu_power_max_w": ("gpu_power", max),
    "gpu_temperature_max_celsius": ("gpu_temperature", max),
    "gpu_memory_used_max_bytes": ("gpu_memory_used", max),
    "gpu_process_memory_max_bytes": ("gpu_process_memory", max),
    "gpu_pcie_rx_bytes_per_s": ("gpu_pcie_rx", _mean),
    "gpu_pcie_tx_bytes_per_s": ("gpu_pcie_tx", _mean),
    "gpu_other_processes": ("gpu_other_processes", max),
}
"""Field of the record: the reading it is of, and how it is made of many."""

POINTS = 120
OVER_TIME = {
    "clock_hz": "clock",
    "cpu_temperature_celsius": "cpu_temperature",
    "memory_available_bytes": "memory_available",
    "gpu_busy_share": "gpu_busy",
    "gpu_sm_clock_hz": "gpu_sm_clock",
    "gpu_power_w": "gpu_power",
    "gpu_temperature_celsius": "gpu_temperature",
}
"""What is kept as time passed: its name, and the reading."""

GROWN = {
    "cpu_energy_j": "cpu_energy",
    "swap_in_bytes": "swap_in",
    "swap_out_bytes": "swap_out",
    "minor_faults": "minor_faults",
    "major_faults": "major_faults",
    "voluntary_switches": "voluntary_switches",
    "involuntary_switches": "involuntary_switches",
    "gpu_energy_j": "gpu_energy",
}
"""Field of the record: the total whose growth it is."""

SHARES = {"others_cpu_share": "others_cpu", "others_waiting_share": "others_waiting", "steal_share": "steal"}
"""Field of the record: the processor time that it is the share of."""
