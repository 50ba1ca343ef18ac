"""Scoring a decoded clip against its source in pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nervbench.data import clip as clips
from nervbench.data.clip import AS_IT_IS, Clip, Frames
from nervbench.errors import ClipError
from nervbench.quality import ms_ssim_per_frame, mse_per_frame
from nervbench.scoring import Scorer

SIZE = (24, 16)


def make_clip(folder: Path, frames: Frames) -> Clip:
    """A folder of PNG files with these frames."""
    folder.mkdir()
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{index}.png")
    return clips.open_clip(folder)


@pytest.fixture
def source() -> Frames:
    """Seven noisy frames."""
    return np.random.default_rng(1).integers(20, 200, (7, SIZE[1], SIZE[0], 3), np.uint8)


def test_quality(tmp_path: Path, source: Frames) -> None:
    """Mean and worst PSNR, the worst frame's number and the rate follow from the frames and the file's size."""
    clip = make_clip(tmp_path / "clip", source)
    off = np.array([1, 2, 1, 5, 1, 2, 1], np.uint8)
    scorer = Scorer(clip, SIZE)
    for start in (0, 3, 6):
        piece = slice(start, start + 3)
        scorer.add(range(7)[piece], (source + off[:, None, None, None])[piece])
    quality = scorer.quality(size_bytes=84, reference_psnr_db=40.0)
    expected = 10 * np.log10(255**2 / off.astype(float) ** 2)

    assert quality.psnr_db == pytest.approx(expected.mean())
    assert quality.psnr_worst_db == pytest.approx(expected[3])
    assert quality.psnr_worst_frame == 3
    assert quality.bits_per_pixel == 8 * 84 / (7 * 24 * 16)
    assert (quality.frames, quality.clip_sha256, quality.reference_psnr_db) == (7, clip.sha256, 40.0)
    assert quality.resample == AS_IT_IS
    assert quality.ms_ssim is None


def test_resizing_is_recorded(tmp_path: Path, source: Frames) -> None:
    """A source of another size is resized by the named filter, and the quality says so."""
    clip = make_clip(tmp_path / "clip", source)
    smaller = clips.load(clip, (12, 8), "box")
    scorer = Scorer(clip, (12, 8), "box")
    scorer.add(range(7), smaller)

    assert scorer.quality(1).resample == "box"
    assert scorer.quality(1).psnr_db > 60


def test_pieces_do_not_matter(tmp_path: Path, source: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quality is the same however source and decode are cut into pieces."""
    clip = make_clip(tmp_path / "clip", source)
    decoded = source[:, ::-1].copy()
    whole = Scorer(clip, SIZE)
    whole.add(range(7), decoded)
    monkeypatch.setattr(clips, "PIECE_BYTES", 2 * source[0].size)
    parts = Scorer(clip, SIZE)
    for index in range(7):
        parts.add([index], decoded[index : index + 1])

    assert parts.quality(9) == whole.quality(9)


def test_ms_ssim(tmp_path: Path) -> None:
    """Where frames are large enough, MS-SSIM is the mean and the worst over frames."""
    noise = np.random.default_rng(2).integers(0, 256, (2, 176, 176, 3), np.uint8)
    decoded = np.stack([noise[0], noise[1] // 2])
    clip = make_clip(tmp_path / "clip", noise)
    scorer = Scorer(clip, (176, 176))
    scorer.add(range(2), decoded)
    each = ms_ssim_per_frame(decoded, noise)
    assert each is not None

    assert scorer.quality(1).ms_ssim == pytest.approx(np.mean(each))
    assert scorer.quality(1).ms_ssim_worst == min(each) < 0.99 < max(each)


def test_equal_frames_stay_finite(tmp_path: Path, source: Frames) -> None:
    """An equal frame counts as one level of error in one value, so the mean stays a number."""
    clip = make_clip(tmp_path / "clip", source)
    scorer = Scorer(clip, SIZE)
    scorer.add(range(7), source)

    assert mse_per_frame(source, source).max() == 0
    assert scorer.quality(1).psnr_db == pytest.approx(10 * np.log10(255**2 * source[0].size))


def test_progress(tmp_path: Path, source: Frames) -> None:
    """The mean so far is unknown before the first frame."""
    scorer = Scorer(make_clip(tmp_path / "clip", source), SIZE)

    assert scorer.psnr_db() is None
    scorer.add([0], source[:1] + 1)
    assert scorer.psnr_db() == pytest.approx(10 * np.log10(255**2))


def test_misuse(tmp_path: Path, source: Frames) -> None:
    """Frames out of order, too many, of another size, and a quality of half a clip are refused."""
    scorer = Scorer(make_clip(tmp_path / "clip", source), SIZE)

    with pytest.raises(ValueError, match=r"frames \[1\] were given, frame 0 of 7 is next"):
        scorer.add([1], source[1:2])
    with pytest.raises(ValueError, match="frame 0 of 7 is next"):
        scorer.add(range(8), np.concatenate([source, source[:1]]))
    with pytest.raises(ValueError, match="cannot be compared"):
        scorer.add([0], source[:1, :8])
    with pytest.raises(ValueError, match="0 of the 7 frames"):
        scorer.quality(1)


def test_source_is_damaged(tmp_path: Path, source: Frames) -> None:
    """A source frame that cannot be decoded is a ClipError that names it."""
    clip = make_clip(tmp_path / "clip", source)
    path = tmp_path / "clip" / "5.png"
    path.write_bytes(path.read_bytes()[:200])

    with pytest.raises(ClipError, match=r"5\.png"):
        Scorer(clip, SIZE).add(range(7), source)
