"""The time of a frame from what was measured of its device, and what each figure changes between two rows.

A frame takes its arithmetic or its bytes, layer by layer whichever is longer (bytes that fit into the second-level
cache at the rate of that cache), and the launch of every operator; all of it longer by the share of the processors
that others had and by clocks below those of the probe; then the bytes to the host, where they are fetched:

    (Σ max(FLOP / (product · efficiency), bytes / copies) + launches · launch + faulting) · shared · slowed
        + fetched / to_host

``faulting`` are the page faults of a frame, counted beside the samples, at the probed time of one: a process that is
given fresh memory for every tensor has thousands.

Where one device with two libraries or settings has another product a thread, that is the library's doing: then the
convolution of the probe, for each thread, is how efficient its kernels are, and the threads are the device.

How well a library uses a device is not in its ceilings. So the sum over the layers is scaled to the measured time of
one side and the figures of the other are put in its place, and the same the other way round: a cause has the mean.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from nervbench.explain.shapley import split
from nervbench.records import MEAN, Result
from nervbench.units import percent, prefixed, significant

ARITHMETIC, CORES, EFFICIENCY = "arithmetic peak", "cores", "kernel efficiency"
MEMORY, CACHE, LAUNCH, TRANSFER = "memory bandwidth", "cache residency", "launch overhead", "transfer"
FAULTS, CONTENTION, CLOCK = "page faults", "contention", "clock held"
FIGURES = {
    ARITHMETIC: ("product",),
    CORES: ("product", "efficiency", "copies", "cached", "waiting"),
    EFFICIENCY: ("efficiency",),
    MEMORY: ("copies",),
    CACHE: ("cached", "cache"),
    LAUNCH: ("launch",),
    FAULTS: ("faulting",),
    TRANSFER: ("to_host",),
    CONTENTION: ("shared", "taken"),
    CLOCK: ("slowed",),
}
"""The figures that belong to a cause, first the one that it cannot do without."""
UNITS = {"product": "FLOP/s", "copies": "B/s", "cached": "B/s", "launch": "s", "faulting": "s", "to_host": "B/s"}
PROBED_ALIKE, LAUNCHED_ALIKE = math.log(1.25), math.log(1.5)
"""Two probes of one device differ by as much in the logarithm of a rate, or of the microsecond of a launch."""
OTHERS_SHARE = 0.05
"""Where others had more of the processors on one side than on the other by so much, they are why it is slower."""
HALF = 2.0
"""Who shares a device has half of it, so what others had of it was shared for twice as long."""
SHARED_SD = 0.4
"""As ``SHARE_SD``, of contention: by how much threads wait for each other is not known of a runtime. With half of two
processors taken a frame took 2.4 times as long by ONNX Runtime, 3.3 to 6 times by PyTorch, one thread's twice."""
FAULTING = 0.02
"""Page faults whose difference takes a smaller share of a frame are no cause."""
MOST_TAKEN = 0.9
"""Of a processor: more than this is said to have been taken only where a counter is wrong."""
SLOWED = math.log(1.1)
"""A yardstick that differs by less from the probe's says nothing."""
SHARE_SD, LEAST_SD, CORES_SD = 0.3, 0.03, 0.15
"""Standard deviation of a cause: as a share of its logarithm, and beside it. A network scales with cores otherwise than
the products of a probe."""
LEAST_FAULTING_S = 1e-9
"""Of a frame without a fault: what has a logarithm."""
FASTER_THAN_PRODUCT = 100.0
"""No convolution is so many times as fast as a matrix product: a larger figure is not their ratio but FLOP/s."""
LEAST_SHARE = 0.05
"""What is left at least for arithmetic and bytes, whatever the launches are said to take."""
CHANNELS = 3

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Found:
    """A cause with the mean and standard deviation of the logarithm of the speed that it changes, and the figures."""

    cause: str
    middle: float
    sd: float
    evidence: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What of a frame no device changes: layers as (FLOP, bytes), operators launched, bytes fetched to the host."""

    layers: tuple[tuple[float, float], ...]
    launches: float
    fetched: float


def suspects(a: Result, b: Result, stack: Sequence[str]) -> tuple[list[Found], list[str]]:
    """Causes among the figures of two rows, and those that cannot be told apart, with the reason.

    ``stack`` lists the versions and settings that differ: on one device kernels are more or less efficient by these.
    """
    frame, left_out = _frame(a, b)
    values: tuple[Values, Values] = figures(a, b), figures(b, a)
    by_thread = _by_thread(values[0], a), _by_thread(values[1], b)
    if of_library := bool(stack) and alike(a, b) and _other_product(values, by_thread):
        values = by_thread
    causes = []
    for cause in _possible(a, b, stack):
        if cause == ARITHMETIC and of_library:
            continue
        name = FIGURES[cause][0]
        if (cause == LAUNCH and not frame.launches) or (cause == TRANSFER and not frame.fetched):
            continue
        if any(name not in each for each in values):
            left_out.append(f"{cause}: {_lacking(name, a, b)}")
        elif cause == CLOCK and _threads_differ(a, b):
            left_out.append(f"{CLOCK}: with other threads the yardstick is another piece of work")
        elif cause == CORES or _differs(cause, *values, same=alike(a, b), time_s=min(frame_time(a), frame_time(b))):
            causes.append(cause)
    both = values[0].keys() & values[1].keys()
    here, there = ({name: each[name] for name in both} for each in values)
    onward = split(lambda changed: -_time(frame, here, there, _owned(changed, causes), frame_time(a)), causes)
    back = split(lambda changed: -_time(frame, there, here, _owned(changed, causes), frame_time(b)), causes)
    found = []
    for cause in causes:
        middle = (onward[cause] - back[cause]) / 2
        sd = (SHARED_SD if cause == CONTENTION else SHARE_SD) * abs(middle) + (CORES_SD if cause == CORES else LEAST_SD)
        found.append(Found(cause, middle, sd, _evidence(cause, a, b, values)))
    return found, left_out


def _by_thread(known: Values, side: Result) -> Values:
    """Figures with the convolution of each thread in the place of its share of the product."""
    threads = float((side.device and side.device.threads) or 1)
    if not known.keys() >= {"product", "efficiency"}:
        return known
    return {**known, "product": threads, "efficiency": known["product"] * known["efficiency"] / threads}


def _other_product(values: tuple[Values, Values], by_thread: tuple[Values, Values]) -> bool:
    """Whether a thread's matrix product differs between two sides by more than probes and fewer threads make it.

    Fewer threads share less, so the product of each is as fast as before, or faster, at most by as many as they are
    fewer.
    """
    if any("efficiency" not in each for each in values):
        return False
    threads = [by["product"] for by in by_thread]
    each = [own["product"] / count for own, count in zip(values, threads, strict=True)]
    fewer = math.log(threads[0] / threads[1])
    faster = math.log(each[1] / each[0])
    return not min(fewer, 0.0) - PROBED_ALIKE <= faster <= max(fewer, 0.0) + PROBED_ALIKE


def _owned(changed: Collection[str], causes: Collection[str]) -> set[str]:
    """The figures of causes; how a network scales with cores is theirs, unless kernels are a cause of their own."""
    return {
        name
        for cause in changed
        for name in FIGURES[cause]
        if cause == EFFICIENCY or name != "efficiency" or EFFICIENCY not in causes
    }


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
        taken, waiting = _taken(result, fmean(seen) / unhindered_s) if busy else 1.0, _waiting(result)
        known |= {"taken": taken, "waiting": waiting, "shared": taken**waiting, "slowed": 1.0 if busy else ratio}
        if not busy and len(seen) > 1:
            halves = [median(seen[: len(seen) // 2]), median(seen[len(seen) // 2 :])]
            known |= {"slowed least": min(halves) / unhindered_s, "slowed most": max(halves) / unhindered_s}
    return {name: float(value) for name, value in known.items() if value}


def _taken(result: Result, ratio: float) -> float:
    """How many times as long one thread takes by what others had; ``ratio`` is the mean yardstick's.

    Who has a share ``s`` of a processor taken from him needs ``1 / (1 - s)`` times as long. A GPU's is what the
    yardstick says, up to what others had.
    """
    share = others(result)
    if not _on_cpus(result):
        return min(max(1.0, ratio), 1 + HALF * share)
    return 1 / (1 - min(share, MOST_TAKEN))


def _waiting(result: Result) -> float:
    """The power of that by which all threads of a processor take longer together.

    Where each waits for the slowest, as PyTorch's do, which have equal parts of a loop, it is their number; those that
    take the next piece of work as they come to it need not more than one does. Of other runtimes which of the two is
    not known: the mean.
    """
    threads = float((result.device and result.device.threads) or 1) if _on_cpus(result) else 1.0
    in_step = result.environment is not None and "torch" in result.environment.versions
    return threads if in_step else (1 + threads) / 2


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
    telemetry = result.telemetry
    if not telemetry or not telemetry.meanwhile or telemetry.meanwhile.minor_faults is None:
        return None
    calls = telemetry.calls_per_sample * len(result.samples_s) + len(telemetry.warm_up_s)
    return telemetry.meanwhile.minor_faults / (calls * result.case.batch)


def others(result: Result) -> float:
    """The share of the processors that other processes and the host of a virtual machine had; 0 where unknown."""
    seen = result.telemetry.meanwhile if result.telemetry else None
    return ((seen.others_cpu_share or 0.0) + (seen.steal_share or 0.0)) if seen else 0.0


def _possible(a: Result, b: Result, stack: Sequence[str]) -> tuple[str, ...]:
    """The causes that two rows can have: of one device with other threads, those that scale together are one."""
    meanwhile = (LAUNCH, TRANSFER, *([FAULTS] if _on_cpus(a, b) else []), CONTENTION, CLOCK)
    if not alike(a, b):
        return (ARITHMETIC, EFFICIENCY, MEMORY, CACHE, *meanwhile)
    if _threads_differ(a, b):
        return (CORES, *((EFFICIENCY,) if stack else ()), *meanwhile)
    return (ARITHMETIC, *((EFFICIENCY,) if stack else ()), MEMORY, CACHE, *meanwhile)


def _threads_differ(a: Result, b: Result) -> bool:
    return alike(a, b) and bool(a.device and b.device and a.device.threads != b.device.threads)


def _on_cpus(*sides: Result) -> bool:
    return all(each.device and each.device.kind == "cpu" for each in sides)


def _differs(cause: str, a: Values, b: Values, *, same: bool, time_s: float) -> bool:
    """Whether a figure differs by more than it does from probe to probe of one device."""
    if cause == FAULTS:
        return abs(a["faulting"] - b["faulting"]) > FAULTING * time_s
    far = abs(math.log(b[FIGURES[cause][0]] / a[FIGURES[cause][0]]))
    if cause == CLOCK and "slowed least" in a and "slowed least" in b:  # before the samples and after them
        far = math.log(max(b["slowed least"] / a["slowed most"], a["slowed least"] / b["slowed most"]))
    if cause in (CONTENTION, CLOCK):
        return far > SLOWED
    if same:
        return far > (LAUNCHED_ALIKE if cause == LAUNCH else PROBED_ALIKE)
    return far > 0


def _frame(a: Result, b: Result) -> tuple[Frame, list[str]]:
    """What both rows compute, and what is not known of it."""
    layers = tuple(
        (layer.flop, layer.read_bytes + layer.write_bytes + layer.weight_bytes)
        for layer in (a.cost.layers if a.cost else ())
    )
    if a.cost and not layers:
        layers = ((a.cost.flop_per_frame, a.cost.bytes_per_frame),)
    launches = [each.telemetry.launches if each.telemetry else None for each in (a, b)]
    unknown = [each.case.runtime for each, found in zip((a, b), launches, strict=True) if found is None]
    left_out = []
    if unknown:
        left_out.append(f"{LAUNCH}: how many operators {' and '.join(dict.fromkeys(unknown))} launches is not known")
    fetched = 0.0
    if a.cost and all(each.telemetry and each.telemetry.frames_on == "host" for each in (a, b)):
        fetched = float(CHANNELS * a.cost.width * a.cost.height)
    known = [found / each.case.batch for each, found in zip((a, b), launches, strict=True) if found is not None]
    return Frame(layers, fmean(known) if len(known) == len(launches) else 0.0, fetched), left_out


def _time(frame: Frame, own: Values, other: Values, changed: Collection[str], time_s: float) -> float:
    """Logarithm of the time of a frame that takes ``time_s`` with ``own``, with ``changed`` figures from ``other``."""
    mixed = dict(own) | {name: other[name] for name in changed if name in other}
    most = max(LEAST_SHARE * time_s, time_s - _fetch(frame, own))
    computing = max(LEAST_SHARE * most, most / _slower(own) - _overhead(frame, own))
    scaled = computing * _layers(frame, mixed) / _layers(frame, own)
    return math.log((scaled + _overhead(frame, mixed)) * _slower(mixed) + _fetch(frame, mixed))


def _layers(frame: Frame, values: Values) -> float:
    """Seconds of arithmetic or bytes at the ceilings; 1 where neither rate is known."""
    rate = values.get("product", 0.0) * values.get("efficiency", 1.0)
    seconds = 0.0
    for flop, size in frame.layers:
        copies = values.get("cached") if size <= values.get("cache", 0.0) else None
        copies = copies or values.get("copies")
        seconds += max(flop / rate if rate else 0.0, size / copies if copies else 0.0)
    return seconds or 1.0


def _overhead(frame: Frame, values: Values) -> float:
    return frame.launches * values.get("launch", 0.0) + values.get("faulting", 0.0)


def _slower(values: Values) -> float:
    shared: float = values.get("taken", 1.0) ** values.get("waiting", 1.0)
    return shared * values.get("slowed", 1.0)


def _fetch(frame: Frame, values: Values) -> float:
    return frame.fetched / values["to_host"] if values.get("to_host") else 0.0


def _lacking(name: str, a: Result, b: Result) -> str:
    """Which side does not have a figure, and where it would be from."""
    sides = [side for side, (one, other) in (("A", (a, b)), ("B", (b, a))) if name not in figures(one, other)]
    where = "its probe of the device" if name in (*UNITS, "efficiency", "cache") else "a yardstick beside its samples"
    return f"{' and '.join(sides)} lack {where}" if len(sides) > 1 else f"{sides[0]} lacks {where}"


def _evidence(cause: str, a: Result, b: Result, values: tuple[Values, Values]) -> str:
    """The figures of both sides, in words."""
    name = FIGURES[cause][0]
    before, after = (each[name] for each in values)
    if cause == CONTENTION:
        return f"others had {percent(others(a))} → {percent(others(b))} of the processors"
    if cause == CLOCK:
        return f"yardstick {before:.2f} → {after:.2f} times that of the probe"
    if cause == EFFICIENCY and before > FASTER_THAN_PRODUCT:
        return f"convolution {prefixed(before, 'FLOP/s')} → {prefixed(after, 'FLOP/s')} a thread"
    if cause == EFFICIENCY:
        return f"convolution {percent(before)} → {percent(after)} of the product"
    words = " → ".join(prefixed(each, UNITS[name]) for each in (before, after))
    if cause == CORES and a.device and b.device:
        threads = f"{a.device.threads} → {b.device.threads} threads"
        return threads if before == a.device.threads else f"{threads}, {words}"
    if cause == FAULTS:
        counts = " → ".join(significant(faults_per_frame(each) or 0.0) for each in (a, b))
        return f"{counts} a frame, {words}"
    if cause == LAUNCH and b.telemetry:
        return f"{words}, {b.telemetry.launches} operators"
    return words
