"""Fidelity: the frames of a case against fp32 eager, before the timing and on frames of the timed run."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np

from nervbench.measure.checks import fidelity_bound_db
from nervbench.measure.scenario import Decoder
from nervbench.quality import mse_per_frame, psnr_from_mse
from nervbench.records import Fidelity
from nervbench.sweep import reference
from nervbench.sweep.jobs import CaseJob
from nervbench.sweep.reference import Frames

KEPT = 12
"""Batches of the timed run that are kept for checking, at the most."""


class Watch:
    """Called between samples: keeps the frames of the timed run whose reference is known.

    The first batches are kept and then always the latest, so that a decoder that goes wrong late is seen too.
    """

    def __init__(self, session: Decoder, checked: AbstractSet[int]) -> None:
        self._session = session
        self._checked = checked
        self.kept: list[tuple[int, Frames]] = []

    def __call__(self, start: int) -> None:
        """Keep the batch that was decoded last, if it began at a checked frame."""
        if start in self._checked:
            del self.kept[KEPT - 1 :]
            self.kept.append((start, self._session.fetch()))


class Comparison:
    """Collects how far frames are from the reference, and judges them by the bound of the precision."""

    def __init__(self, job: CaseJob) -> None:
        self._job = job
        self._frames: dict[bool, set[int]] = {False: set(), True: set()}
        self._worst_mse = 0.0
        self._worst_frame = -1
        self._largest = 0
        self._malformed: str | None = None
        loss = job.max_loss_db
        quality = job.prepared.reference_psnr_db
        self._bound_db = fidelity_bound_db(job.assumed_quality_db if quality is None else quality, loss)
        at = f"{quality:.2f} dB, what fp32 eager reaches" if quality else f"{job.assumed_quality_db:g} dB, assumed"
        self._bound_from = f"a loss of {loss:g} dB at a quality of {at}"

    def add(self, start: int, frames: Frames, during: bool = False) -> None:
        """Compare a batch that begins at frame ``start``."""
        cost, batch = self._job.prepared.costs[self._job.case.precision], self._job.case.batch
        expected = (batch, cost.height, cost.width, 3)
        if frames.shape != expected or frames.dtype != np.uint8:
            self._malformed = f"frames of shape {frames.shape} and type {frames.dtype}, expected {expected} uint8"
            return
        indices = [(start + offset) % self._job.prepared.frames for offset in range(batch)]
        known = reference.read(self._job.prepared.reference, indices)
        self._frames[during] |= set(indices)
        self._largest = max(self._largest, int(np.abs(frames.astype(np.int16) - known).max()))
        for index, error in zip(indices, mse_per_frame(frames, known), strict=True):
            if error > self._worst_mse:
                self._worst_mse, self._worst_frame = float(error), index

    def fidelity(self) -> Fidelity:
        """What was found so far."""
        return Fidelity(
            before_frames=tuple(sorted(self._frames[False])),
            during_frames=tuple(sorted(self._frames[True])),
            worst_psnr_db=psnr_from_mse(self._worst_mse),
            largest_difference=self._largest,
            bound_db=self._bound_db,
            bound_from=self._bound_from,
        )

    def wrong(self) -> str | None:
        """Why the frames cannot be accepted, or None.

        Where there is a source, the loss of quality itself is measured, on every frame (:mod:`nervbench.sweep.score`);
        there the distance from fp32, from which a loss is only derived, does not judge.
        """
        if self._malformed or self._job.prepared.source:
            return self._malformed
        worst = psnr_from_mse(self._worst_mse)
        if worst is None or worst >= self._bound_db:
            return None
        return (
            f"frame {self._worst_frame} is {worst:.1f} dB from fp32 eager, at least {self._bound_db:.1f} dB are needed "
            f"({self._bound_from}); largest difference {self._largest} of 255"
        )
