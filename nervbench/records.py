"""What passes between the stages: frozen data of plain types, nothing live.

``Result`` is the centre: one line of ``results.jsonl``. Unknown is None, never 0. Raw samples are kept; statistics
are computed when read. Quantities are in base SI units and say so in their name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from statistics import pstdev
from typing import Literal, get_args

SCHEMA = 2
"""The version of a line of results. A reader refuses a newer one and still loads an older one."""

TREND_NEEDS = 30

SINGLE_STREAM = "single_stream"
OFFLINE = "offline"
COLD = "cold"
TO_HOST = "to_host"
TO_FILE = "to_file"
SERVER = "server"
PLAYBACK_HZ = {f"playback_{rate}": float(rate) for rate in (25, 30, 60)}
"""Scenarios of a player, each with the rate of its display."""
SCENARIOS = (SINGLE_STREAM, OFFLINE, COLD, TO_HOST, TO_FILE, SERVER, *PLAYBACK_HZ)
STRICT = "strict"
PROTOCOLS = (STRICT, "nerv", "hnerv")
"""Ways to time a single stream: ours, and those of published code, replayed (:mod:`nervbench.measure.protocol`)."""
MEDIAN, MEAN = "median", "mean"
PRECISIONS = ("fp32", "bf16", "fp16", "int8")
PLACES = ("cpu", "cuda")
"""Where a training runs."""
Scale = Literal["small", "full"]
SCALES: tuple[Scale, ...] = get_args(Scale)
"""Of suites: what two cores do, and what was published."""


class Status(StrEnum):
    """How a case ended. Every ending is a row."""

    OK = "OK"
    UNSUPPORTED = "UNSUPPORTED"
    EXPORT_FAILED = "EXPORT_FAILED"
    LOAD_FAILED = "LOAD_FAILED"
    WRONG_OUTPUT = "WRONG_OUTPUT"
    FELL_BACK = "FELL_BACK"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    CRASHED = "CRASHED"
    TIMED_OUT = "TIMED_OUT"


FAILED = frozenset(Status) - {Status.OK, Status.UNSUPPORTED}
"""The endings that make ``nervbench run`` exit with 4. UNSUPPORTED is an answer, not a failure."""


@dataclass(frozen=True, slots=True)
class Case:
    """One point of the matrix.

    ``weights`` is ``bundled`` (the trained checkpoint that is shipped), ``seeded:N`` or the path of a checkpoint.
    """

    name: str
    model: str
    precision: str
    runtime: str
    batch: int
    scenario: str
    weights: str
    protocol: str = STRICT


def case_of(
    model: str, precision: str, runtime: str, batch: int, scenario: str, weights: str, protocol: str = STRICT
) -> Case:
    """A case with the name people paste: ``nerv-s/fp16/trt/b1``; with ``/offline`` or ``/nerv`` where it is another.

    Other than single stream, and other than strict; never both.
    """
    name = f"{model}/{precision}/{runtime}/b{batch}"
    name += "".join(f"/{way}" for way in (scenario, protocol) if way not in (SINGLE_STREAM, STRICT))
    return Case(name, model, precision, runtime, batch, scenario, weights, protocol)


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Best product by precision (int8: operations), copies (read plus written), smallest operation; None: unknown."""

    flop_per_s: dict[str, float]
    copy_bytes_per_s: float | None
    probe_s: float
    cache_bytes_per_s: float | None = None
    launch_s: float | None = None
    to_device_bytes_per_s: float | None = None
    to_host_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceCard:
    """One piece of hardware. ``features`` are the instruction sets that decide what runs (AVX-512, VNNI, bf16 …)."""

    kind: str
    name: str
    cores: int | None
    threads: int | None
    memory_bytes: int | None
    cache_bytes: dict[str, int] = field(default_factory=dict)
    clock_hz: float | None = None
    features: tuple[str, ...] = ()
    ceilings: Ceilings | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """The stack a case ran on: versions by package name, and settings that change numbers."""

    python: str
    system: str
    versions: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Artifact:
    """An exported model file and how it came to be. ``sha256`` is of the file; ``key`` is where the cache keeps it."""

    format: str
    precision: str
    key: str
    sha256: str
    size_bytes: int
    spec: str
    versions: dict[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One layer's arithmetic and memory traffic for one frame. FLOP counts 2 per multiply-add."""

    name: str
    flop: int
    weight_bytes: int
    read_bytes: int
    write_bytes: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What one frame takes, counted from the model at the precision of the case.

    ``bytes_per_frame`` counts every layer's input, output and weights once: what moves when nothing is fused.
    """

    params: int
    flop_per_frame: int
    bytes_per_frame: int
    width: int
    height: int
    layers: tuple[LayerCost, ...] = ()


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What the machine did while the samples were taken, warm-up included, as another process saw it.

    ``samples`` readings, one every ``period_s``, over ``wall_s``; the watching took ``own_cpu_share`` of one processor.
    ``longest_gap_s`` is by how much a reading was late at most, time asleep included. Shares of the processors
    (``others…``, ``steal…``) are of all that the worker may use. Faults and switches are the worker's, swap is the
    machine's. ``p10`` and ``p90`` are the nearest readings; a quantity without such a word is a mean or a total.
    ``gpu_throttle`` is the share of the readings at which each reason held the clocks down.
    A key of ``missing`` is the beginning of the names that are None, or were at some readings, with the reason.
    """

    period_s: float | None = None
    samples: int = 0
    wall_s: float | None = None
    longest_gap_s: float | None = None
    own_cpu_share: float | None = None
    others_cpu_share: float | None = None
    steal_share: float | None = None
    clock_hz: float | None = None
    clock_p10_hz: float | None = None
    clock_p90_hz: float | None = None
    cpu_temperature_max_celsius: float | None = None
    cpu_energy_j: float | None = None
    memory_available_min_bytes: int | None = None
    swap_in_bytes: int | None = None
    swap_out_bytes: int | None = None
    minor_faults: int | None = None
    major_faults: int | None = None
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None
    gpu_busy_share: float | None = None
    gpu_memory_busy_share: float | None = None
    gpu_sm_clock_hz: float | None = None
    gpu_sm_clock_p10_hz: float | None = None
    gpu_sm_clock_p90_hz: float | None = None
    gpu_memory_clock_hz: float | None = None
    gpu_throttle: dict[str, float] | None = None
    gpu_power_w: float | None = None
    gpu_power_max_w: float | None = None
    gpu_energy_j: float | None = None
    gpu_temperature_max_celsius: float | None = None
    gpu_memory_used_max_bytes: int | None = None
    gpu_process_memory_max_bytes: int | None = None
    gpu_pcie_rx_bytes_per_s: float | None = None
    gpu_pcie_tx_bytes_per_s: float | None = None
    gpu_other_processes: int | None = None
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stages:
    """Seconds a batch of the scenario ``to_file``: decode, fetch to the host, write to a video file; one after another.

    ``parts_s`` takes decode to pieces, by name in order, where the session computes them one after the other.
    ``overlapped_wall_s`` is what the same batches took with the writer in a thread of its own, all together.
    ``unpack_s`` is from the checkpoint's file to its tensors, once: decoded and dequantised where it is coded.
    """

    decode_s: tuple[float, ...]
    fetch_s: tuple[float, ...]
    write_s: tuple[float, ...]
    overlapped_wall_s: float
    parts_s: dict[str, tuple[float, ...]] = field(default_factory=dict)
    unpack_s: float | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What requests met that were offered at one rate, in the scenario ``server``.

    ``latencies_s`` is in order of arrival. The last ``unserved`` of them had still been waiting when the load was cut
    off: that long at least. ``wall_s`` is from the first moment to the last answer, looking at frames left out.
    ``held`` says that the p90 was within the bound and nobody was left waiting.
    """

    rate_per_s: float
    latencies_s: tuple[float, ...]
    wall_s: float
    unserved: int
    held: bool


@dataclass(frozen=True, slots=True)
class Served:
    """Loads at rising rates up to the first that missed the bound; ``service_s`` is one decode with no one waiting."""

    service_s: float
    bound_s: float
    loads: tuple[Load, ...]

    @property
    def held_per_s(self) -> float | None:
        """The highest offered rate, in requests a second, that was held; None if none was."""
        return max((load.rate_per_s for load in self.loads if load.held), default=None)


@dataclass(frozen=True, slots=True)
class Playback:
    """What a viewer saw in a scenario of playback, one entry a shown frame, in order.

    ``ticks`` is the tick of the display for which a frame was due, counted from the start and again from 0 after each
    seek; ``late_s`` is ready minus due: negative where it was early, 0 where it started the display clock.
    ``first_frame_s`` is from the call until the first frame was ready, ``seeks_s`` from each seek until its target was.
    ``wall_s`` leaves out looking at frames.
    """

    rate_hz: float
    first_frame_s: float
    ticks: tuple[int, ...]
    late_s: tuple[float, ...]
    dropped: int
    seeks_s: tuple[float, ...]
    wall_s: float

    @property
    def misses(self) -> int:
        """Shown frames that were late."""
        return sum(late > 0 for late in self.late_s)

    @property
    def jitter_s(self) -> float | None:
        """Standard deviation of the time from one shown frame to the next, not across a seek; None under two such.

        A frame is presented when it is due, or when it is ready if that is later.
        """
        presented = [tick / self.rate_hz + max(0.0, late) for tick, late in zip(self.ticks, self.late_s, strict=True)]
        gaps = [
            after - before for (before, after), tick in zip(pairwise(presented), self.ticks[1:], strict=True) if tick
        ]
        return pstdev(gaps) if len(gaps) > 1 else None

    @property
    def trend(self) -> tuple[float, float] | None:
        """Shares of misses in the first and the last third of the shown frames; None under 30 frames."""
        if len(self.late_s) < TREND_NEEDS:
            return None
        third = len(self.late_s) // 3
        first, last = (sum(late > 0 for late in part) for part in (self.late_s[:third], self.late_s[-third:]))
        return first / third, last / third


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What was seen while the samples were taken.

    ``warm_up_s`` are the calls before the first sample; ``stopped_by`` is ``noise``, ``settled``, ``samples``,
    ``budget`` or, where a protocol goes through it once, ``clip``; ``averaged`` says how FPS follow from the samples:
    median or mean;
    ``calls_per_sample`` says over how many back-to-back decodes a sample is averaged (offline scenario);
    ``frames_on`` says where the decoded frames are when the clock stops, ``caches`` whether those of the device were
    emptied before each sample (``cold``) or held what the decode before left there (``hot``).
    ``algorithm`` and ``flop_per_frame`` are there where the runtime computes the network otherwise than by the direct
    convolution that ``Cost`` counts.
    ``meanwhile`` is None where nobody was watching.
    """

    warm_up_s: tuple[float, ...] = ()
    stopped_by: str | None = None
    calls_per_sample: int = 1
    averaged: str = MEDIAN
    frames_on: str = "device"
    caches: str = "hot"
    algorithm: str | None = None
    flop_per_frame: int | None = None
    load_s: float | None = None
    wall_s: float | None = None
    process_cpu_s: float | None = None
    peak_memory_bytes: int | None = None
    meanwhile: Meanwhile | None = None
    stages: Stages | None = None
    served: Served | None = None
    playback: Playback | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """Against the source video, on uint8 frames. PSNR in dB, mean over frames of the per-frame value."""

    frames: int
    psnr_db: float
    psnr_worst_db: float
    psnr_worst_frame: int
    ms_ssim: float | None
    ms_ssim_worst: float | None
    bits_per_pixel: float
    clip: str
    clip_sha256: str
    resample: str
    reference_psnr_db: float | None = None


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Against fp32 eager of the same weights, on uint8 frames, before the timing and on frames of the timed run.

    ``worst_psnr_db`` is None where all frames are identical. ``bound_db`` is what the precision must reach;
    ``bound_from`` says how it follows from the allowed loss of quality.
    """

    before_frames: tuple[int, ...]
    during_frames: tuple[int, ...]
    worst_psnr_db: float | None
    largest_difference: int
    bound_db: float
    bound_from: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason to distrust a result, made where it was seen. ``code`` is worded in one place (the report)."""

    code: str
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """One case, ended. ``samples_s`` are seconds a decode call, in order; empty unless the case was timed."""

    case: Case
    status: Status
    reason: str | None = None
    device: DeviceCard | None = None
    environment: Environment | None = None
    artifact: Artifact | None = None
    cost: Cost | None = None
    samples_s: tuple[float, ...] = ()
    telemetry: Telemetry | None = None
    quality: Quality | None = None
    fidelity: Fidelity | None = None
    doubts: tuple[Doubt, ...] = ()
    schema: int = SCHEMA
