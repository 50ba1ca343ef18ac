"""What must hold before a number is believed, as arithmetic on plain numbers.

How far may a decode be from fp32? The bound is on quality: a precision may lose so many dB against the source. An error
that is independent of the model's own adds to its squared error, so a loss of L dB at a quality of Q dB is reached at a
distance from fp32 of F = Q − 10·log10(10^(L/10) − 1): at 0.1 dB, 16.3 dB above the quality.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nervbench import stats
from nervbench.records import Doubt

MANY = 12


def fidelity_bound_db(quality_db: float, max_loss_db: float) -> float:
    """The PSNR against fp32 at which a quality of ``quality_db`` has lost ``max_loss_db``.

    >>> round(fidelity_bound_db(34.2, 0.1), 1)
    50.5
    """
    return quality_db - 10 * math.log10(10 ** (max_loss_db / 10) - 1)


def doubts_about(samples_s: Sequence[float], noise_bound: float, others_cpu_share: float | None) -> tuple[Doubt, ...]:
    """Reasons to distrust samples: noise over the bound, too few of them, drift, a machine busy with other work.

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
    if others_cpu_share is not None and others_cpu_share > 0.05:
        doubts.append(Doubt("others_busy", {"share": others_cpu_share}))
    return tuple(doubts)
