"""PSNR by hand, MS-SSIM by its properties."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from nervbench.quality import ms_ssim_per_frame, mse_per_frame, psnr_from_mse, psnr_per_frame, summary


def grey(
    level: int, frames: int = 1, height: int = 4, width: int = 6
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Frames of one level of grey."""
    return np.full((frames, height, width, 3), level, np.uint8)


def test_psnr_by_hand() -> None:
    """A difference of 16 levels everywhere is 20·log10(255/16) = 24.05 dB, whatever its sign."""
    for a, b in ((100, 116), (116, 100), (239, 255)):
        (mse,) = mse_per_frame(grey(a), grey(b))
        assert mse == 256
        assert psnr_from_mse(mse) == pytest.approx(20 * math.log10(255 / 16))


def test_black_and_white_are_0_db() -> None:
    """The largest error there is has a PSNR of 0 dB."""
    (mse,) = mse_per_frame(grey(0), grey(255))
    assert psnr_from_mse(mse) == pytest.approx(0)


def test_error_is_of_each_frame() -> None:
    """The error of a frame is the mean over its own values: one value of 72 off by 6 levels is 0.5."""
    a, b = grey(10, frames=3), grey(10, frames=3)
    b[1, 2, 3, 0] += 6
    assert mse_per_frame(a, b).tolist() == [0, 36 / 72, 0]


def test_identical_frames_have_no_psnr() -> None:
    """Where there is no error the PSNR is unknown, not infinite."""
    (mse,) = mse_per_frame(grey(7), grey(7))
    assert psnr_from_mse(mse) is None


def test_psnr_per_frame_is_finite() -> None:
    """Each frame has its own PSNR; one without error counts as if one of its values were off by one level."""
    a, b = grey(10, frames=2), grey(10, frames=2)
    b[1] += 16
    exact, other = psnr_per_frame(a, b)
    assert exact == pytest.approx(10 * math.log10(255**2 * 72))
    assert other == pytest.approx(20 * math.log10(255 / 16))


def test_summary_has_mean_and_worst() -> None:
    """Of a clip's frames the mean, the worst and its number are kept; MS-SSIM without values is unknown."""
    told = {"bits_per_pixel": 0.1, "clip": "a", "clip_sha256": "0", "resample": "bicubic", "reference_psnr_db": None}
    found = summary([30.0, 20.0, 40.0], [], **told)  # type: ignore[arg-type]
    assert (found.frames, found.psnr_db, found.psnr_worst_db, found.psnr_worst_frame) == (3, 30, 20, 1)
    assert (found.ms_ssim, found.ms_ssim_worst) == (None, None)
    known = summary([30.0, 20.0], [0.75, 0.25], **told)  # type: ignore[arg-type]
    assert (known.ms_ssim, known.ms_ssim_worst) == (0.5, 0.25)


def test_shapes_must_agree() -> None:
    """Frames of different sizes or numbers cannot be compared."""
    with pytest.raises(ValueError, match="cannot be compared"):
        mse_per_frame(grey(1), grey(1, height=5))
    with pytest.raises(ValueError, match="cannot be compared"):
        ms_ssim_per_frame(grey(1, frames=2, height=161, width=161), grey(1, height=161, width=161))


def test_ms_ssim_needs_161_pixels() -> None:
    """Below 161 pixels a side five scales do not fit, and MS-SSIM is unknown; from there on it is known."""
    assert ms_ssim_per_frame(grey(1, height=160, width=400), grey(1, height=160, width=400)) is None
    found = ms_ssim_per_frame(grey(1, height=161, width=161), grey(1, height=161, width=161))
    assert found is not None
    assert found == pytest.approx([1])


def test_ms_ssim_falls_with_noise() -> None:
    """Of two frames the noisier one has the lower MS-SSIM, each frame for itself."""
    draw = np.random.default_rng(0)
    smooth = np.linspace(0, 200, 180)[None, :, None, None] + np.linspace(0, 50, 200)[None, None, :, None]
    source = np.broadcast_to(smooth, (2, 180, 200, 3)).astype(np.uint8)
    noise = draw.integers(0, 20, source.shape[1:]).astype(np.uint8)
    noisy = np.stack([source[0] + noise // 5, source[1] + noise])
    found = ms_ssim_per_frame(source, noisy)
    assert found is not None
    assert 1 > found[0] > found[1] > 0


def test_read_only_frames_are_fine() -> None:
    """Frames that cannot be written to are compared without a warning."""
    frames = grey(3, height=161, width=161)
    frames.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ms_ssim_per_frame(frames, frames) is not None
