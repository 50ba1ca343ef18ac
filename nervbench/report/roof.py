"""The least time a frame can take on a device, and the share of that limit which a measurement attains.

Two estimates. Arithmetic: the FLOP of a frame, counted from the model by direct
convolution or, where a runtime computes it otherwise and says so (Winograd), by the runtime, at the best matrix-product
rate that was probed in the same precision. Memory: the least bytes, at the
probed copy rate; the least is the weights read once a batch plus the finished frame (uint8 RGB) written once, as if
everything between stayed in the caches. The larger of the two times is the binding roof; attained share = least time
/ measured time.

A share over 1 is possible and says that a premise is wrong: a library may choose an algorithm that needs fewer
multiplications than are counted, weights may stay in a cache between frames, and the probe may have met the device at a
lower clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from nervbench.records import Ceilings, Cost, Result

ITEM_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1}
FRAME_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Roof:
    """The least seconds a frame by each limit; None where a rate of the device or an item size is unknown."""

    compute_s: float | None
    memory_s: float | None

    @property
    def least_s(self) -> float | None:
        """Seconds a frame of the binding roof; None where arithmetic is unknown, for then none can be said to bind."""
        if self.compute_s is None:
            return None
        return max(self.compute_s, self.memory_s or 0.0) or None

    @property
    def binding(self) -> str | None:
        """``compute`` or ``memory``, or None where it is unknown."""
        if self.least_s is None:
            return None
        return "compute" if self.least_s == self.compute_s else "memory"


UNKNOWN_ROOF = Roof(None, None)


def least_bytes(cost: Cost, precision: str, batch: int) -> float | None:
    """The least bytes a frame that must move: weights once a batch, and the finished frame."""
    item = ITEM_BYTES.get(precision)
    if item is None or batch < 1:
        return None
    return cost.params * item / batch + cost.width * cost.height * FRAME_CHANNELS


def roof(cost: Cost, ceilings: Ceilings, precision: str, batch: int, flop: int | None = None) -> Roof:
    """The roof of a model on a device at a precision; ``flop`` a frame where it is not that of direct convolution."""
    rate = ceilings.flop_per_s.get(precision)
    copied = ceilings.copy_bytes_per_s
    least = least_bytes(cost, precision, batch)
    return Roof(
        compute_s=(flop or cost.flop_per_frame) / rate if rate and rate > 0 else None,
        memory_s=least / copied if least is not None and copied and copied > 0 else None,
    )


def roof_of(result: Result) -> Roof:
    """The roof of a case on its device; unknown where the row has no cost or no ceilings."""
    if result.cost is None or result.device is None or result.device.ceilings is None:
        return UNKNOWN_ROOF
    own = result.telemetry.flop_per_frame if result.telemetry else None
    return roof(result.cost, result.device.ceilings, result.case.precision, result.case.batch, own)
