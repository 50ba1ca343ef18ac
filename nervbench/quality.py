"""How good frames are: quality against the source video, fidelity against fp32 eager of the same weights.

Both are computed on uint8 frames, as a viewer gets them. PSNR is −10·log10(MSE) of a frame with values in [0, 1],
then averaged over frames, as in the NeRV paper; MS-SSIM likewise, from pytorch-msssim with data range 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nervbench.records import Quality

Frames = npt.NDArray[np.uint8]
PIXELS_AT_ONCE = 500_000
MS_SSIM_MIN_SIDE = 161  # four halvings of an 11-tap window; the authors report 0 below, here it is unknown


def mse_per_frame(a_NHW3: Frames, b_NHW3: Frames) -> npt.NDArray[np.float64]:
    """Mean squared error of each frame, in units of (1/255)². Raises ValueError if the shapes differ."""
    _same_shape(a_NHW3, b_NHW3)
    errors = [
        np.mean(np.square(a.astype(np.float32) - b.astype(np.float32)), dtype=np.float64)
        for a, b in zip(a_NHW3, b_NHW3, strict=True)
    ]
    return np.array(errors, np.float64)


def psnr_from_mse(mse: float) -> float | None:
    """PSNR in dB of an error in units of (1/255)²; None for identical frames, which have no finite PSNR."""
    return None if mse == 0 else 10 * math.log10(255**2 / mse)


def ms_ssim_per_frame(a_NHW3: Frames, b_NHW3: Frames) -> list[float] | None:
    """MS-SSIM of each frame, or None where the frame is too small for its five scales.

    Raises ValueError if the shapes differ.
    """
    _same_shape(a_NHW3, b_NHW3)
    if min(a_NHW3.shape[1:3]) < MS_SSIM_MIN_SIDE:
        return None
    import torch  # noqa: PLC0415 (slow to import, and errors alone do without)
    from pytorch_msssim import ms_ssim  # noqa: PLC0415

    some = max(1, PIXELS_AT_ONCE // (a_NHW3.shape[1] * a_NHW3.shape[2]))
    found: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(a_NHW3), some):
            # A permuted view, so channels last: half the time of contiguous planes, a frame at a time or together.
            a_B3HW, b_B3HW = (
                torch.tensor(frames[start : start + some]).permute(0, 3, 1, 2).to(torch.float32) / 255
                for frames in (a_NHW3, b_NHW3)
            )
            found += ms_ssim(a_B3HW, b_B3HW, data_range=1, size_average=False).tolist()
    return found


def _same_shape(a_NHW3: Frames, b_NHW3: Frames) -> None:
    if a_NHW3.shape != b_NHW3.shape:
        msg = f"frames of shape {a_NHW3.shape} cannot be compared with frames of shape {b_NHW3.shape}"
        raise ValueError(msg)


def psnr_per_frame(a_NHW3: Frames, b_NHW3: Frames) -> list[float]:
    """PSNR of each frame in dB, always finite.

    A frame without any error counts as if one value of it were off by one level, the least error there is. Raises
    ValueError if the shapes differ.
    """
    least = 1 / a_NHW3[0].size
    return [10 * math.log10(255**2 / max(error, least)) for error in mse_per_frame(a_NHW3, b_NHW3)]


def summary(
    psnr_db: Sequence[float],
    ms_ssim: Sequence[float],
    *,
    bits_per_pixel: float,
    clip: str,
    clip_sha256: str,
    resample: str,
    reference_psnr_db: float | None,
) -> Quality:
    """The quality of a whole clip from the PSNR (dB) and, where known (else empty), the MS-SSIM of its frames."""
    worst = int(np.argmin(psnr_db))
    return Quality(
        frames=len(psnr_db),
        psnr_db=float(np.mean(psnr_db)),
        psnr_worst_db=psnr_db[worst],
        psnr_worst_frame=worst,
        ms_ssim=float(np.mean(ms_ssim)) if ms_ssim else None,
        ms_ssim_worst=min(ms_ssim) if ms_ssim else None,
        bits_per_pixel=bits_per_pixel,
        clip=clip,
        clip_sha256=clip_sha256,
        resample=resample,
        reference_psnr_db=reference_psnr_db,
    )
