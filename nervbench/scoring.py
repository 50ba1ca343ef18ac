"""Scoring a decoded clip against its source, piece by piece, so that a clip larger than memory can be scored.

PSNR and MS-SSIM of each frame, then their mean and their worst; bits per pixel from the size of the file that decodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

import numpy as np
import numpy.typing as npt
import torch

from nervbench.data.clip import AS_IT_IS, DEFAULT_FILTER, Clip, Frames, Size, read, trained_filter
from nervbench.errors import CheckpointError
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.network import FrameDecoder, positions
from nervbench.quality import ms_ssim_per_frame, psnr_per_frame, summary
from nervbench.records import Quality

PIXELS_AT_ONCE = 500_000  # eager keeps several feature maps of hundreds of channels for each


def decoded(loaded: Checkpoint, frames: int, indices: Sequence[int]) -> Iterator[tuple[Sequence[int], Frames]]:
    """Decode frames of ``indices`` in fp32 eager, a few at a time: (indices, frames (N, H, W, 3) uint8)."""
    decoder = FrameDecoder(loaded.model()).eval()
    batch = max(1, min(8, PIXELS_AT_ONCE // (loaded.spec.width * loaded.spec.height)))
    for start in range(0, len(indices), batch):
        some = indices[start : start + batch]
        with torch.inference_mode():
            frames_NHW3 = decoder(positions(torch.tensor(some), frames)).numpy()
        yield some, frames_NHW3


def score(
    loaded: Checkpoint, clip: Clip, tell: Callable[[int, float], object] = lambda _done, _psnr_db: None
) -> Quality:
    """The quality of a checkpoint on its whole clip; ``tell`` is called with the frames done and their mean PSNR."""
    scorer = Scorer(clip, (loaded.spec.width, loaded.spec.height), trained_filter(loaded.notes))
    for indices, frames in decoded(loaded, clip.frames, range(clip.frames)):
        scorer.add(indices, frames)
        tell(indices[-1] + 1, scorer.psnr_db() or 0.0)
    return scorer.quality(loaded.size_bytes)


def check_same_length(name: str, loaded: Checkpoint, clip: Clip) -> None:
    """Raise CheckpointError where a checkpoint was trained on another number of frames than the clip has."""
    if loaded.frames not in (None, clip.frames):
        msg = (
            f"checkpoint {name} was trained on {loaded.frames} frames, the clip {clip.name} has {clip.frames}; "
            f"give the clip it was trained on with --clip"
        )
        raise CheckpointError(msg)


class Scorer:
    """Takes the decoded frames of a whole clip in order and gives their quality.

    The source is read alongside and resized to ``size`` (width, height) by the filter ``resample``; at no time is more
    of it held than one piece. Reading raises ClipError where the source is damaged.
    """

    def __init__(self, clip: Clip, size: Size, resample: str = DEFAULT_FILTER) -> None:
        self._clip = clip
        self._size = size
        self._resample = AS_IT_IS if clip.size == size else resample
        self._source: Iterator[npt.NDArray[np.uint8]] = chain.from_iterable(read(clip, size, resample))
        self._psnr_db: list[float] = []
        self._ms_ssim: list[float] = []

    def add(self, indices: Sequence[int], frames_NHW3: Frames) -> None:
        """Score the next frames; raises ValueError for frames of another size or out of order."""
        start = len(self._psnr_db)
        if list(indices) != list(range(start, min(start + len(frames_NHW3), self._clip.frames))):
            msg = f"frames {list(indices)} were given, frame {start} of {self._clip.frames} is next"
            raise ValueError(msg)
        source_NHW3 = np.stack(list(islice(self._source, len(frames_NHW3))))
        self._psnr_db += psnr_per_frame(frames_NHW3, source_NHW3)
        self._ms_ssim += ms_ssim_per_frame(frames_NHW3, source_NHW3) or []

    def psnr_db(self) -> float | None:
        """The mean PSNR so far, for progress."""
        return float(np.mean(self._psnr_db)) if self._psnr_db else None

    def quality(self, size_bytes: int, reference_psnr_db: float | None = None) -> Quality:
        """The quality of the whole clip; ``size_bytes`` is of the file it was decoded from.

        Raises ValueError while frames are missing.
        """
        frames = len(self._psnr_db)
        if frames != self._clip.frames:
            msg = f"{frames} of the {self._clip.frames} frames of {self._clip.name} have been scored"
            raise ValueError(msg)
        width, height = self._size
        return summary(
            self._psnr_db,
            self._ms_ssim,
            bits_per_pixel=8 * size_bytes / (frames * width * height),
            clip=self._clip.name,
            clip_sha256=self._clip.sha256,
            resample=self._resample,
            reference_psnr_db=reference_psnr_db,
        )
