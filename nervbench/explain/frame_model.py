"""The time of a frame from what was measured of its device, and what each figure changes between two rows.

A frame takes its arithmetic or its bytes, layer by layer whichever is longer (bytes that fit into the second-level
cache at the rate of that cache), and the launch of every operator; all of it longer by what others wanted of the
processors and by clocks below those of the probe; then the bytes to the host, where they are fetched:

    ((Σ max(FLOP / (product · efficiency), bytes / copies) + faulting) · taken ** waiting + launches · launch · taken)
        · slowed + fetched / to_host

``taken`` is how many times as long one thread takes beside others. Several threads wait for each other at the end of
every layer, and the one that is not on its processor just then comes back when the other's slice of time is over: of
layers much shorter than a slice ``waiting`` is 2, of those that are much longer 1. One thread launches.

``faulting`` are the page faults of a frame, counted beside the samples, at the probed time of one: a process that is
given fresh memory for every tensor has thousands.

Where one device with two libraries or settings has another product a thread, that is the library's doing: then the
convolution of the probe, for each thread, is how efficient its kernels are, and the threads are the device.

How well a library uses a device is not in its ceilings. So the sum over the layers is scaled to the measured time of
one side and the figures of the other are put in its place, and the same the other way round: a cause has the mean.
Other kernels convolve faster or slower; what a frame takes beyond its ceilings, which moves and reorders tensors, is
no convolution and stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean

from nervbench.explain.row_figures import (
    PROBED_ALIKE,
    Values,
    alike,
    faults_per_frame,
    figures,
    frame_time,
    meanwhile,
    on_cpus,
    others,
)
from nervbench.explain.shapley import split
from nervbench.records import Result
from nervbench.units import percent, prefixed, significant

ARITHMETIC, CORES, EFFICIENCY = "arithmetic peak", "cores", "kernel efficiency"
MEMORY, CACHE, LAUNCH, TRANSFER = "memory bandwidth", "cache residency", "launch overhead", "transfer"
FAULTS, CONTENTION, CLOCK = "page faults", "contention", "clock held"
FIGURES = {
    ARITHMETIC: ("product",),
    CORES: ("product", "efficiency", "copies", "cached", "threads"),
    EFFICIENCY: ("efficiency",),
    MEMORY: ("copies",),
    CACHE: ("cached", "cache"),
    LAUNCH: ("launch",),
    FAULTS: ("faulting",),
    TRANSFER: ("to_host",),
    CONTENTION: ("taken",),
    CLOCK: ("slowed",),
}
"""The figures that belong to a cause, first the one that it cannot do without."""
UNITS = {"product": "FLOP/s", "copies": "B/s", "cached": "B/s", "launch": "s", "faulting": "s", "to_host": "B/s"}
LAUNCHED_ALIKE = math.log(1.5)
"""Two probes of one device differ by as much in the logarithm of the microsecond of a launch."""
SLICE_S = 4e-3
"""For which a system lets a thread compute before it looks for another: a tick of Linux at its usual 250 Hz.

By this, with both of two processors wanted by another, waiting is 1.24 to 1.33 of ``nerv-xs``; measured were 1.24 by
OpenVINO, 1.28 by PyTorch and 1.29 by ONNX Runtime, and of six equal convolutions of 0.2 to 250 ms 2.0 to 1.0."""
FAULTING = 0.02
"""Page faults whose difference takes a smaller share of a frame are no cause."""
SLOWED = math.log(1.1)
"""A yardstick that differs by less from the probe's says nothing."""
SHARE_SD, LEAST_SD, CORES_SD = 0.3, 0.03, 0.15
"""Standard deviation of a cause: as a share of its logarithm, and beside it. A network scales with cores otherwise than
the products of a probe."""
FASTER_THAN_PRODUCT = 100.0
"""No convolution is so many times as fast as a matrix product: a larger figure is not their ratio but FLOP/s."""
STEPS = 40
"""Of a fixed point: each leaves ``ln(taken) / 4`` of what the one before was off by, or less."""
LEAST_SHARE = 0.05
"""What is left at least for arithmetic and bytes, whatever the launches are said to take."""
CHANNELS = 3


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
    computing_s = _unhindered(frame, here, frame_time(a)), _unhindered(frame, there, frame_time(b))
    onward = split(lambda changed: -_time(frame, here, there, _owned(changed, causes), computing_s[0]), causes)
    back = split(lambda changed: -_time(frame, there, here, _owned(changed, causes), computing_s[1]), causes)
    found = []
    for cause in causes:
        middle = (onward[cause] - back[cause]) / 2
        sd = SHARE_SD * abs(middle) + (CORES_SD if cause == CORES else LEAST_SD)
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


def _possible(a: Result, b: Result, stack: Sequence[str]) -> tuple[str, ...]:
    """The causes that two rows can have: of one device with other threads, those that scale together are one."""
    meanwhile = (LAUNCH, TRANSFER, *([FAULTS] if on_cpus(a, b) else []), CONTENTION, CLOCK)
    if not alike(a, b):
        return (ARITHMETIC, EFFICIENCY, MEMORY, CACHE, *meanwhile)
    if _threads_differ(a, b):
        return (CORES, *((EFFICIENCY,) if stack else ()), *meanwhile)
    return (ARITHMETIC, *((EFFICIENCY,) if stack else ()), MEMORY, CACHE, *meanwhile)


def _threads_differ(a: Result, b: Result) -> bool:
    return alike(a, b) and bool(a.device and b.device and a.device.threads != b.device.threads)


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


def _time(frame: Frame, own: Values, other: Values, changed: Collection[str], computing_s: float) -> float:
    """Logarithm of the time of a frame with ``changed`` figures from ``other``.

    With ``own`` it computes for ``computing_s`` where nothing is in the way.
    """
    mixed = dict(own) | {name: other[name] for name in changed if name in other}
    same_kernels = mixed | {name: own[name] for name in FIGURES[EFFICIENCY] if name in own}
    before_s, after_s = (math.fsum(_layers(frame, values)) for values in (same_kernels, mixed))
    ceiling_s = math.fsum(_layers(frame, own))
    attained = min(1.0, computing_s / ceiling_s)
    scaled = computing_s * before_s / ceiling_s + attained * (after_s - before_s)
    return math.log(_hindered(frame, mixed, scaled) + _fetch(frame, mixed))


def _layers(frame: Frame, values: Values) -> list[float]:
    """Seconds of arithmetic or bytes of each layer at the ceilings; 1 s where neither rate is known."""
    rate = values.get("product", 0.0) * values.get("efficiency", 1.0)
    seconds = []
    for flop, size in frame.layers:
        copies = values.get("cached") if size <= values.get("cache", 0.0) else None
        copies = copies or values.get("copies")
        seconds.append(max(flop / rate if rate else 0.0, size / copies if copies else 0.0))
    return seconds if any(seconds) else [1.0]


def _hindered(frame: Frame, values: Values, computing_s: float) -> float:
    """Seconds until everything is computed, which takes ``computing_s`` where nothing is in the way."""
    taken, slowed = values.get("taken", 1.0), values.get("slowed", 1.0)
    shared: float = taken ** _waiting(frame, values, computing_s)
    working = (computing_s + values.get("faulting", 0.0)) * shared
    return (working + _launching(frame, values) * taken) * slowed


def _unhindered(frame: Frame, values: Values, time_s: float) -> float:
    """Seconds that a frame of ``time_s`` computes where nothing is in the way: the inverse of :func:`_hindered`."""
    taken, faulting = values.get("taken", 1.0), values.get("faulting", 0.0)
    hindered_s = max(LEAST_SHARE * time_s, time_s - _fetch(frame, values))
    rest = hindered_s / values.get("slowed", 1.0) - _launching(frame, values) * taken
    found = hindered_s
    for _ in range(STEPS):
        shared: float = taken ** _waiting(frame, values, found)
        found = max(LEAST_SHARE * hindered_s / shared, rest / shared - faulting)
    return found


def _waiting(frame: Frame, values: Values, computing_s: float) -> float:
    """The power of that by which one thread takes longer that all together do, by how long the layers of a frame are.

    A layer counts by its time, so the mean is that of the squares.
    """
    layers = _layers(frame, values)
    mean_s = computing_s * math.fsum(each**2 for each in layers) / math.fsum(layers) ** 2
    return 1 + 1 / (1 + mean_s / SLICE_S) if values.get("threads", 1.0) > 1 else 1.0


def _launching(frame: Frame, values: Values) -> float:
    return frame.launches * values.get("launch", 0.0)


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
        had = f"others had {percent(others(a))} → {percent(others(b))} of the processors"
        waited = meanwhile(b if after > before else a).others_waiting_share
        return had if waited is None else f"{had}, and waited for {percent(waited)}"
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
