"""What was seen while the samples were taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from statistics import pstdev

from nervbench.records.case import MEDIAN

TREND_NEEDS = 30


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What the machine did while the samples were taken, warm-up included, as another process saw it.

    ``samples`` readings, one every ``period_s``, over ``wall_s``; the watching took ``own_cpu_share`` of one processor.
    ``longest_gap_s`` is by how much a reading was late at most, time asleep included. Shares of the processors
    (``others…``, ``steal…``) are of all that the worker may use; ``others_waiting_share`` is for how long threads of
    others were ready to run and waited: over 1 where several waited for each processor. Faults and switches are the
    worker's, swap is the machine's. ``p10`` and ``p90`` are the nearest readings; a quantity without such a word is a
    mean or a total.
    ``gpu_throttle`` is the share of the readings at which each reason held the clocks down.
    ``over_time`` has what was read and when, in seconds after the watching began, with the samples: warm-up included.
    A key of ``missing`` is the beginning of the names that are None, or were at some readings, with the reason.
    """

    period_s: float | None = None
    samples: int = 0
    wall_s: float | None = None
    longest_gap_s: float | None = None
    own_cpu_share: float | None = None
    others_cpu_share: float | None = None
    others_waiting_share: float | None = None
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
    over_time: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stages:
    """Seconds a batch of the scenario ``to_file``: decode, fetch to the host, write to a video file; one after another.

    ``parts_s`` takes decode to pieces, by name in order, where the session computes them one after the other.
    ``write_s`` is for how long the writer had each batch: its sum counts, for an encoder puts off most of its work, and
    the last entry is everything until the file was whole.
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
    ``budget`` or, where a protocol goes through it once, ``clip``; of a server ``last load`` or ``missed load``, of a
    player ``time of play``, of the way to a file ``frames kept`` where memory was the bound; ``averaged`` says how FPS
    follow from the samples: median or mean;
    ``calls_per_sample`` says over how many back-to-back decodes a sample is averaged (offline scenario);
    ``frames_on`` says where the decoded frames are when the clock stops, ``caches`` whether those of the device were
    emptied before each sample (``cold``) or held what the decode before left there (``hot``).
    ``algorithm`` and ``flop_per_frame`` are there where the runtime computes the network otherwise than by the direct
    convolution that ``Cost`` counts.
    ``launches`` are the operators that a decode starts one by one, where the session can tell.
    ``yardstick_s`` are times of the device's yardstick (see :class:`nervbench.records.Ceilings`), half of them taken
    before the samples and half after.
    ``meanwhile`` is None where nobody was watching, and ``unwatched`` says why.
    """

    warm_up_s: tuple[float, ...] = ()
    stopped_by: str | None = None
    calls_per_sample: int = 1
    averaged: str = MEDIAN
    frames_on: str = "device"
    caches: str = "hot"
    algorithm: str | None = None
    flop_per_frame: int | None = None
    launches: int | None = None
    yardstick_s: tuple[float, ...] = ()
    load_s: float | None = None
    wall_s: float | None = None
    process_cpu_s: float | None = None
    peak_memory_bytes: int | None = None
    meanwhile: Meanwhile | None = None
    unwatched: str | None = None
    stages: Stages | None = None
    served: Served | None = None
    playback: Playback | None = None
