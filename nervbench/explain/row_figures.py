"""What is known of a row's device, and of what was in the way while its samples were taken, as figures by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean, median

from nervbench.records import MEAN, Meanwhile, Result

Values = Mapping[str, float]
PROBED_ALIKE = math.log(1.25)
"""Two probes of one device differ by as much in the logarithm of a rate."""
OTHERS_SHARE = 0.05
"""Where others had more of the processors on one side than on the other by so much, they are why it is slower."""
HALF = 2.0
"""Who shares a device has half of it, so what others had of it was shared for twice as long."""
MOST_TAKEN = 0.9
"""Of a processor: more than this is said to have been taken only where a counter is wrong."""
LEAST_FAULTING_S = 1e-9
"""Of a frame without a fault: what has a logarithm."""


def alike(a: Result, b: Result) -> bool:
    """Whether both were measured on the same hardware, as far as it says."""
    one, other = a.device, b.device
    if one is None or other is None:
        return False
    return (one.kind, one.name, one.features) == (other.kind, other.name, other.features)


def frame_time(result: Result) -> float:
    """Seconds a frame, by the mean or the median of the samples, as the protocol has it."""
    by_mean = result.telemetry is not None and result.telemetry.averaged == MEAN
    return (fmean if by_mean else median)(result.samples_s) / result.case.batch


def figures(result: Result, other: Result) -> dict[str, float]:
    """What is known of a row's device, by name; of products those in the precision of both rows, else those in fp32."""
    device, telemetry = result.device, result.telemetry
    ceilings = device.ceilings if device else None
    if device is None or ceilings is None:
        return {}
    precision = result.case.precision if result.case.precision == other.case.precision else "fp32"
    known = {
        "product": ceilings.flop_per_s.get(precision),
        "copies": ceilings.copy_bytes_per_s,
        "cached": ceilings.cache_bytes_per_s,
        "cache": device.cache_bytes.get("l2"),
        "launch": ceilings.launch_s,
        "to_host": ceilings.to_host_bytes_per_s,
    }
    faults = faults_per_frame(result)
    if faults is not None and ceilings.fault_s:
        known["faulting"] = max(faults * ceilings.fault_s, LEAST_FAULTING_S)
    fp32, convolved = ceilings.flop_per_s.get("fp32"), ceilings.convolution_flop_per_s
    if fp32 and convolved:
        known["efficiency"] = convolved / fp32
    if telemetry and telemetry.yardstick_s and ceilings.yardstick_s:
        busy = abs(others(result) - others(other)) > OTHERS_SHARE
        seen, (unhindered_s, lower) = telemetry.yardstick_s, _probe_clock(result, other)
        known |= {name: rate * lower for name in ("product", "cached") if (rate := known.get(name))}
        known |= {name: seconds / lower for name in ("launch", "faulting") if (seconds := known.get(name))}
        ratio = median(seen) / unhindered_s
        known["taken"] = _taken(result, fmean(seen) / unhindered_s) if busy else 1.0
        known["slowed"] = 1.0 if busy else ratio
        if not busy and len(seen) > 1:
            halves = [median(seen[: len(seen) // 2]), median(seen[len(seen) // 2 :])]
            known |= {"slowed least": min(halves) / unhindered_s, "slowed most": max(halves) / unhindered_s}
    known["threads"] = device.threads if on_cpus(result) else 1
    return {name: float(value) for name, value in known.items() if value}


def _taken(result: Result, ratio: float) -> float:
    """How many times as long one thread takes by what others wanted; ``ratio`` is the mean yardstick's.

    A processor that another wants all the time is shared by two: what others wanted is what they had, and for how long
    they waited. Where nobody saw them wait, who has a share ``s`` of a processor taken from him needs ``1 / (1 - s)``
    times as long: too much where his threads sleep. A GPU's is what the yardstick says, up to what others had.
    """
    share = others(result)
    if not on_cpus(result):
        return min(max(1.0, ratio), 1 + HALF * share)
    if (wanted := wanted_share(result)) is None:
        return 1 / (1 - min(share, MOST_TAKEN))
    return (1 + wanted) / (1 - min(meanwhile(result).steal_share or 0.0, MOST_TAKEN))


def wanted_share(result: Result) -> float | None:
    """What other processes had of the processors and waited for; None where nobody saw them wait."""
    seen = meanwhile(result)
    return None if seen.others_waiting_share is None else (seen.others_cpu_share or 0.0) + seen.others_waiting_share


def meanwhile(result: Result) -> Meanwhile:
    """What was seen beside the samples; of a row that nobody watched, nothing."""
    return (result.telemetry and result.telemetry.meanwhile) or Meanwhile()


def _probe_clock(result: Result, other: Result) -> tuple[float, float]:
    """Seconds of the yardstick at full clock, and how much lower the clock was when the ceilings were probed.

    Two probes of one device, made at two moments, may have met it at two clocks: then products and yardsticks differ
    alike, and the ceilings of the slower probe are brought to the clock of the other. Where products agree so do the
    clocks, and the shorter yardstick is that of both. With other threads a yardstick is another piece of work.
    """
    probes = [each.device.ceilings for each in (result, other) if each.device and each.device.ceilings]
    own, *rest = [probe.yardstick_s for probe in probes if probe.yardstick_s]
    products = [rate for probe in probes if (rate := probe.flop_per_s.get("fp32"))]
    threads = {each.device.threads for each in (result, other) if each.device}
    if not rest or len(products) < len(probes) or len(threads) > 1 or not alike(result, other):
        return own, 1.0
    apart, apart_by_clock = math.log(products[0] / products[1]), math.log(rest[0] / own)
    if abs(apart - apart_by_clock) < abs(apart):
        return min(own, *rest), max(1.0, own / rest[0])
    return (min(own, *rest), 1.0) if abs(apart) < PROBED_ALIKE else (own, 1.0)


def faults_per_frame(result: Result) -> float | None:
    """Page faults beside the samples, by the frames of these and of the warm-up; None where nobody counted."""
    telemetry, faults = result.telemetry, meanwhile(result).minor_faults
    if telemetry is None or faults is None:
        return None
    calls = telemetry.calls_per_sample * len(result.samples_s) + len(telemetry.warm_up_s)
    return faults / (calls * result.case.batch)


def others(result: Result) -> float:
    """The share of the processors that other processes and the host of a virtual machine had; 0 where unknown."""
    seen = meanwhile(result)
    return (seen.others_cpu_share or 0.0) + (seen.steal_share or 0.0)


def on_cpus(*sides: Result) -> bool:
    """Whether all of these were measured on processors."""
    return all(each.device and each.device.kind == "cpu" for each in sides)
