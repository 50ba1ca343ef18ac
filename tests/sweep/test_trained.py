"""Weights that were trained on the clip: they are scored against it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nervbench.records import SINGLE_STREAM, TO_FILE, Result, Status

from .conftest import FRAMES, Studio, ended

pytestmark = pytest.mark.alone

PLAIN = f"fp32/1/{SINGLE_STREAM}"
CASES = ("works", "lossy", "unchecked", "dies", "broken")
TO_FILE_CASE = f"works/fp32/1/{TO_FILE}"


@pytest.fixture(scope="module")
def results(studio: Studio) -> dict[str, Result]:
    """A sweep with a trained checkpoint; two of its runtimes take down the process that loads them."""
    plan = studio.plan(studio.root / "trained", [f"{name}/{PLAIN}" for name in CASES], str(studio.trained))
    return ended(plan)[0]


def test_quality(results: dict[str, Result], studio: Studio) -> None:
    """Quality is of all frames against the source: the noise that was put on the clip, and what is said of it."""
    result = results["works"]
    quality = result.quality

    assert result.status == Status.OK, result.reason
    assert quality
    assert (quality.frames, quality.clip, quality.resample) == (FRAMES, "clip", "none")
    assert quality.psnr_db == pytest.approx(34.1, abs=0.5)
    assert quality.psnr_db == quality.reference_psnr_db
    assert quality.psnr_worst_db <= quality.psnr_db
    assert quality.ms_ssim
    assert 0.8 < quality.ms_ssim < 1
    assert quality.bits_per_pixel == pytest.approx(8 * studio.trained.stat().st_size / (FRAMES * 320 * 180), rel=0.01)
    assert result.fidelity
    assert "what fp32 eager reaches" in result.fidelity.bound_from


def test_unpacking(studio: Studio) -> None:
    """Of weights from a file the stages begin with reading it."""
    result = ended(studio.plan(studio.root / "unpacked", [TO_FILE_CASE], str(studio.trained), budget_s=0.1))[0]["works"]
    assert result.telemetry
    assert result.telemetry.stages
    assert result.telemetry.stages.unpack_s


def test_lossy(results: dict[str, Result]) -> None:
    """A runtime that loses four of eight bits has no samples and says by how much it missed."""
    result = results["lossy"]

    assert (result.status, result.samples_s) == (Status.WRONG_OUTPUT, ())
    assert "28.33 dB against the source, 5.7" in str(result.reason)


def test_wrong_where_it_is_not_compared(results: dict[str, Result]) -> None:
    """A frame between those compared that is wrong shows in the quality, and nothing is timed."""
    result = results["unchecked"]

    assert (result.status, result.samples_s) == (Status.WRONG_OUTPUT, ())
    assert "less than fp32 eager" in str(result.reason)
    assert "fp32 may lose 0.02 dB" in str(result.reason)
    assert result.quality
    assert result.quality.psnr_worst_frame == 1


def test_runtime_that_cannot_be_loaded(results: dict[str, Result]) -> None:
    """A runtime whose import ends the process, or fails, is UNSUPPORTED with how it ended; the others are measured."""
    dead, broken = results["dies"], results["broken"]

    assert dead.status == broken.status == Status.UNSUPPORTED
    assert dead.reason == "the runtime cannot be loaded: the worker ended with exit code 9 and without a result"
    assert "AttributeError: broken" in str(broken.reason)


def test_pictures(results: dict[str, Result], studio: Studio) -> None:
    """Of three frames there are source, decoded and difference, and they are what they say."""
    folder = studio.root / "trained" / "frames"
    names = sorted(path.name for path in folder.iterdir())

    assert results
    assert names == [
        f"nerv-xs-{index:04d}-{kind}.png" for index in (0, 2, 3) for kind in ("decoded", "difference", "source")
    ]
    source, decoded, difference = (_pixels(folder / f"nerv-xs-0002-{kind}.png")
                                   for kind in ("source", "decoded", "difference"))  # fmt: skip
    assert np.array_equal(source, _pixels(studio.clip / "2.png"))
    assert np.array_equal(difference, np.minimum(4 * np.abs(source - decoded), 255))


def _pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int_]]:
    return np.asarray(Image.open(path)).astype(int)
