"""A case that has ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from nervbench.records.artifact import Artifact, Cost
from nervbench.records.case import SCHEMA, Case, Status
from nervbench.records.device import DeviceCard, Environment
from nervbench.records.profile import Profile
from nervbench.records.telemetry import Telemetry

DISTURBED = frozenset(
    {"others_busy", "stolen", "swapping", "low_memory", "clock_moved", "throttled", "shared_gpu", "suspended"}
)
"""Codes of doubts that are about the machine, not about the samples."""


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
    """One case, ended. ``samples_s`` are seconds a decode call, in order; empty unless the case was timed.

    A case that ended otherwise than OK while it was timed keeps those until then, with the doubt ``cut_off``: they
    are no result. ``wall_s`` are the seconds of its process, from start to end; None where none was started.
    ``place`` is what it asked for where many machines measured (``cuda:T4``); None on the machine that was asked.
    """

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
    profile: Profile | None = None
    wall_s: float | None = None
    place: str | None = None
    schema: int = SCHEMA
