"""Every operator against what the device can do: which limit holds it, and how near it is.

The least time of an operator is the longest of three: its FLOP at the probed product rate of the precision, its bytes
at the probed copy rate (of the second-level cache where they fit into it), and one launch. The longest says what binds
it; the least time over the measured one is what it attains (Williams, Waterman and Patterson, Roofline, 2009, with the
launch added). An operator that moves bytes and computes nothing has no arithmetic to be bound by.

What is between the operators is the time of a decode, from the samples, less all of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nervbench.records import Ceilings, DeviceCard, Operator, Result
from nervbench.stats import median

COMPUTE, MEMORY, LAUNCH, UNKNOWN = "compute", "memory", "launch", "unknown"
BOUNDS = (COMPUTE, MEMORY, LAUNCH)


@dataclass(frozen=True, slots=True)
class Placed:
    """An operator with its least seconds and what binds it; None and ``unknown`` where no ceiling is known."""

    operator: Operator
    least_s: float | None
    bound: str

    @property
    def attained(self) -> float | None:
        """Least time over measured time; over 1 where it needs less than is counted, as Winograd's convolution."""
        seconds = self.operator.seconds
        return self.least_s / seconds if self.least_s is not None and seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The operators of a decode, in order, with the seconds of the whole by the samples, and what is between them.

    ``between_s`` is 0 where the operators together took longer than a decode: they were watched, it was not.
    """

    operators: tuple[Placed, ...]
    decode_s: float

    @property
    def sum_s(self) -> float:
        """All operators together."""
        return math.fsum(placed.operator.seconds for placed in self.operators)

    @property
    def whole_s(self) -> float:
        """What shares are of."""
        return max(self.decode_s, self.sum_s)

    @property
    def between_s(self) -> float:
        """What no operator accounts for."""
        return max(0.0, self.decode_s - self.sum_s)

    def bound_by(self, bound: str) -> tuple[Placed, ...]:
        """The operators that a limit holds."""
        return tuple(placed for placed in self.operators if placed.bound == bound)

    def share(self, of: Sequence[Placed]) -> float:
        """Of the whole, the share of some operators."""
        return math.fsum(placed.operator.seconds for placed in of) / self.whole_s if self.whole_s else 0.0


def breakdown(result: Result) -> Breakdown | None:
    """The operators of a row; None where it has no profile or no samples."""
    decode_s = median(result.samples_s)
    if result.profile is None or not result.profile.operators or decode_s is None:
        return None
    placed = (place(operator, result.device, result.case.precision) for operator in result.profile.operators)
    return Breakdown(tuple(placed), decode_s)


def place(operator: Operator, device: DeviceCard | None, precision: str) -> Placed:
    """An operator against the ceilings of a device."""
    ceilings = device.ceilings if device else None
    if device is None or ceilings is None or (operator.flop is None and operator.bytes is None):
        return Placed(operator, None, UNKNOWN)
    times = {
        COMPUTE: _over(operator.flop, ceilings.flop_per_s.get(precision)),
        MEMORY: _over(operator.bytes, rate(operator.bytes or 0, device, ceilings)),
        LAUNCH: ceilings.launch_s or 0.0,
    }
    bound = max(BOUNDS, key=lambda name: times[name])
    return Placed(operator, times[bound], bound) if times[bound] else Placed(operator, None, UNKNOWN)


def rate(size: int, device: DeviceCard, ceilings: Ceilings) -> float | None:
    """Bytes a second for so many bytes: those of the second-level cache where they fit."""
    fits = size <= device.cache_bytes.get("l2", 0)
    return (fits and ceilings.cache_bytes_per_s) or ceilings.copy_bytes_per_s


def _over(amount: int | None, per_s: float | None) -> float:
    return amount / per_s if amount and per_s else 0.0
