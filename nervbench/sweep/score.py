"""Quality: every frame of the clip decoded by the case and held against the source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nervbench import quality
from nervbench.data.room import room
from nervbench.device.base import Device
from nervbench.records import Quality
from nervbench.runtime.base import Session
from nervbench.sweep.jobs import CaseJob
from nervbench.sweep.reference import Frames


@dataclass(frozen=True, slots=True)
class Scored:
    """PSNR of every frame, known before the timing; MS-SSIM, which is slow, is computed when asked for, after it."""

    job: CaseJob
    frames: Frames
    source: Frames
    psnr_db: list[float]
    wrong: str | None

    def worse(self, start: int, frames: Frames) -> str | None:
        """Why frames of the timed run, a batch that begins at ``start``, are not as good as those scored, or None."""
        indices = [(start + offset) % len(self.source) for offset in range(len(frames))]
        for index, found in zip(indices, quality.psnr_per_frame(frames, self.source[indices]), strict=True):
            if self.psnr_db[index] - found > self.job.max_loss_db:
                return (
                    f"frame {index} has {found:.2f} dB against the source; it had {self.psnr_db[index]:.2f} dB before"
                )
        return None

    def quality(self) -> Quality:
        """PSNR and MS-SSIM, mean and worst."""
        prepared = self.job.prepared
        count, height, width, _ = self.source.shape
        return quality.summary(
            self.psnr_db,
            quality.ms_ssim_per_frame(self.frames, self.source) or (),
            bits_per_pixel=8 * prepared.checkpoint_bytes / (count * height * width),
            clip=prepared.clip,
            clip_sha256=prepared.clip_sha256,
            resample=prepared.resample,
            reference_psnr_db=prepared.reference_psnr_db,
        )


def score(job: CaseJob, session: Session, device: Device) -> Scored:
    """Decode the whole clip and say whether it lost more than the precision may."""
    prepared = job.prepared
    source: Frames = np.load(str(prepared.source), mmap_mode="r")
    frames: Frames = room(source.shape)
    for start in range(0, prepared.frames, job.case.batch):
        session.decode(start)
        device.synchronize()
        piece = frames[start : start + job.case.batch]
        piece[:] = session.fetch()[: len(piece)]
    psnr_db = quality.psnr_per_frame(frames, source)
    reached = float(np.mean(psnr_db))
    reference = prepared.reference_psnr_db or reached
    wrong = None
    if reference - reached > job.max_loss_db:
        wrong = (
            f"{reached:.2f} dB against the source, {reference - reached:.2f} dB less than fp32 eager "
            f"({reference:.2f} dB); {job.case.precision} may lose {job.max_loss_db:g} dB"
        )
    return Scored(job, frames, source, psnr_db, wrong)
