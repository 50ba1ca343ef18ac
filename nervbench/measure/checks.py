"""What must hold before a number is believed, as arithmetic on plain numbers.

How far may a decode be from fp32? The bound is on quality: a precision may lose so many dB against the source. An error
that is independent of the model's own adds to its squared error, so a loss of L dB at a quality of Q dB is reached at a
distance from fp32 of F = Q − 10·log10(10^(L/10) − 1): at 0.1 dB, 16.3 dB above the quality.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nervbench import stats
from nervbench.records import Doubt, Meanwhile

MANY = 12

CLUMPS_APART = 0.01
"""Two clumps nearer to each other change no number that anyone reads."""
OTHERS_SHARE = 0.05
STEAL_SHARE = 0.02
CLOCK_SHARE = 0.1
SWAPPED_BYTES = 1 << 20
MAJOR_FAULTS_PER_S = 10.0
"""A page comes from a good SSD in 0.1 ms and from a disk in 10: a thousandth to a tenth of the time."""
MEMORY_LEFT_BYTES = 512 << 20
"""Below it the next allocation of anyone on the machine may push out code and weights that are in use."""
GAP_S = 5.0
HARMLESS = frozenset({"idle", "application_clocks"})
"""Reasons of a GPU not to clock higher that are no fault: nothing to do, and clocks that someone has set."""


def fidelity_bound_db(quality_db: float, max_loss_db: float) -> float:
    """The PSNR against fp32 at which a quality of ``quality_db`` has lost ``max_loss_db``.

    >>> round(fidelity_bound_db(34.2, 0.1), 1)
    50.5
    """
    return quality_db - 10 * math.log10(10 ** (max_loss_db / 10) - 1)


def doubts_about(samples_s: Sequence[float], noise_bound: float) -> tuple[Doubt, ...]:
    """Reasons to distrust samples: noise over the bound, too few of them, drift, two clumps.

    Drift compares the medians of the first and the last third; it is a doubt when they differ by more than the noise
    and 3 %.
    """
    doubts: list[Doubt] = []
    spread = stats.noise(samples_s)
    if len(samples_s) < stats.samples_needed(0.5):
        doubts.append(Doubt("few_samples", {"samples": len(samples_s)}))
    if spread is not None and spread > noise_bound:
        doubts.append(Doubt("noisy", {"noise": spread, "bound": noise_bound}))
    if len(samples_s) >= MANY:
        third = len(samples_s) // 3
        early, late = stats.median(samples_s[:third]), stats.median(samples_s[-third:])
        if early and late and abs(late / early - 1) > max(0.03, spread or 0):
            doubts.append(Doubt("drift", {"share": late / early - 1}))
    split = stats.bimodality(samples_s)
    if split is not None and split > stats.BIMODAL and _width(samples_s) > CLUMPS_APART:
        doubts.append(Doubt("bimodal", {"share": split}))
    return tuple(doubts)


def _width(samples_s: Sequence[float]) -> float:
    """From the 5th to the 95th percentile, as a share of the median: where there are two clumps, their distance."""
    low, middle, high = np.percentile(samples_s, (5, 50, 95))
    return float((high - low) / middle) if middle > 0 else 0.0


def doubts_unchecked(frames: Sequence[int]) -> tuple[Doubt, ...]:
    """A reason to distrust a case of whose timed run no frame was compared."""
    return () if frames else (Doubt("unchecked"),)


def doubts_meanwhile(seen: Meanwhile | None) -> tuple[Doubt, ...]:
    """Reasons to distrust what was measured, from what the machine did meanwhile; what is unknown raises none."""
    if seen is None:
        return (Doubt("unobserved"),)
    others, steal, gap_s = seen.others_cpu_share, seen.steal_share, seen.longest_gap_s
    free, neighbours = seen.memory_available_min_bytes, seen.gpu_other_processes
    doubts: list[Doubt | None] = [
        Doubt("others_busy", {"share": others}) if others is not None and others > OTHERS_SHARE else None,
        Doubt("stolen", {"share": steal}) if steal is not None and steal > STEAL_SHARE else None,
        _swapping(seen),
        Doubt("low_memory", {"bytes": free}) if free is not None and free < MEMORY_LEFT_BYTES else None,
        _clock_moved(seen),
        _throttled(seen),
        Doubt("shared_gpu", {"processes": neighbours}) if neighbours else None,
        Doubt("suspended", {"gap_s": gap_s}) if gap_s is not None and gap_s > GAP_S else None,
    ]
    return tuple(doubt for doubt in doubts if doubt)


def _swapping(seen: Meanwhile) -> Doubt | None:
    """Memory of anyone that went to the disk or came back, or pages of the worker that had to."""
    swapped = (seen.swap_in_bytes or 0) + (seen.swap_out_bytes or 0)
    faults = (seen.major_faults or 0) / seen.wall_s if seen.wall_s else 0.0
    if swapped <= SWAPPED_BYTES and faults <= MAJOR_FAULTS_PER_S:
        return None
    return Doubt("swapping", {"bytes": swapped, "faults_per_s": faults})


def _clock_moved(seen: Meanwhile) -> Doubt | None:
    """The clock of what decodes: the GPU's where one was watched, else the processor's."""
    low, high = seen.gpu_sm_clock_p10_hz, seen.gpu_sm_clock_p90_hz
    if low is None:
        low, high = seen.clock_p10_hz, seen.clock_p90_hz
    if not low or not high or high <= low * (1 + CLOCK_SHARE):
        return None
    return Doubt("clock_moved", {"share": high / low - 1, "low_hz": low, "high_hz": high})


def _throttled(seen: Meanwhile) -> Doubt | None:
    """The share of the readings at which each reason held, worst first."""
    held = {reason: share for reason, share in (seen.gpu_throttle or {}).items() if reason not in HARMLESS}
    return Doubt("throttled", dict(sorted(held.items(), key=lambda each: -each[1]))) if held else None
