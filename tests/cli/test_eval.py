"""``nervbench eval``."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nervbench import scoring
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint

Run = Callable[..., Any]


def test_json(run: Run, tiny_file: Path, decoded: Path) -> None:
    """The JSON has the model, the scores, the rate, the clip and the filter; a perfect decode scores accordingly."""
    outcome = run("eval", tiny_file, "--clip", decoded, "--json")
    scores = json.loads(outcome.out)

    assert outcome.code == 0
    assert scores["family"] == "nerv"
    assert scores["params"] == sum(t.numel() for t in checkpoint.load(tiny_file).tensors.values())
    assert (scores["width"], scores["height"], scores["frames"]) == (32, 18, 5)
    assert scores["psnr_db"] == pytest.approx(10 * math.log10(255**2 * 3 * 32 * 18))
    assert scores["bits_per_pixel"] == 8 * tiny_file.stat().st_size / (5 * 32 * 18)
    assert (scores["clip"], scores["resample"], scores["ms_ssim"]) == ("decoded", "none", None)
    assert "eval 5/5" in outcome.err


def test_worst_frame(run: Run, tiny_file: Path, decoded: Path) -> None:
    """The frame that is least like its source is named."""
    path = decoded / "3.png"
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    scores = json.loads(run("eval", tiny_file, "--clip", decoded, "--json").out)

    assert scores["psnr_worst_frame"] == 3
    assert scores["psnr_worst_db"] < 40 < scores["psnr_db"]


def test_lines(run: Run, tiny_file: Path, decoded: Path) -> None:
    """The lines for people say how the clip was resized and why there is no MS-SSIM."""
    for path in decoded.iterdir():
        Image.open(path).resize((64, 36)).save(path)
    outcome = run("eval", tiny_file, "--clip", decoded)

    assert outcome.code == 0
    assert "5 frames of decoded at 32×18 (resized from 64×36, bicubic)" in outcome.out
    assert "too small a frame" in outcome.out
    assert "bits per pixel (whole file)" in outcome.out


def test_filter_of_the_training(run: Run, tiny: Checkpoint, tmp_path: Path, decoded: Path) -> None:
    """The clip is resized by the filter that the checkpoint was trained with."""
    for path in decoded.iterdir():
        Image.open(path).resize((64, 36)).save(path)
    file = tmp_path / "box.safetensors"
    checkpoint.save(file, dataclasses.replace(tiny, notes={"resized_with": "box"}))

    assert json.loads(run("eval", file, "--clip", decoded, "--json").out)["resample"] == "box"


def test_another_length(run: Run, tiny_file: Path, decoded: Path) -> None:
    """A clip with another number of frames is refused with both numbers."""
    (decoded / "4.png").unlink()
    outcome = run("eval", tiny_file, "--clip", decoded)

    assert (outcome.code, outcome.out) == (1, "")
    assert "was trained on 5 frames, the clip decoded has 4" in outcome.err


def test_another_clip(run: Run, tiny: Checkpoint, tmp_path: Path, decoded: Path) -> None:
    """A clip that is not the one of the training is scored, with a note."""
    file = tmp_path / "noted.safetensors"
    checkpoint.save(file, dataclasses.replace(tiny, notes={"clip": "other", "clip_sha256": "0"}))
    outcome = run("eval", file, "--clip", decoded)

    assert outcome.code == 0
    assert "was trained on another file (other)" in outcome.err


def test_length_unknown(run: Run, tiny: Checkpoint, tmp_path: Path, decoded: Path) -> None:
    """A checkpoint that does not say its number of frames takes that of the clip."""
    file = tmp_path / "silent.safetensors"
    checkpoint.save(file, dataclasses.replace(tiny, frames=None))

    assert json.loads(run("eval", file, "--clip", decoded, "--json").out)["psnr_db"] > 60


def test_name_of_a_shipped_model(
    run: Run, tiny_file: Path, decoded: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The name of a model stands for its shipped checkpoint, and the rate is of that file."""
    weights = tmp_path / "weights"
    weights.mkdir()
    tiny_file.rename(weights / "nerv-xs.safetensors")
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
    scores = json.loads(run("eval", "nerv-xs", "--clip", decoded, "--json").out)

    assert scores["checkpoint"] == "nerv-xs"
    assert scores["size_bytes"] == (weights / "nerv-xs.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nerv-l", "no trained checkpoint of nerv-l is shipped"),
        ("nerv-sx", "no such file, and unknown model 'nerv-sx'"),
        ("runs/none.safetensors", "runs/none.safetensors: no such file"),
        (".", "a folder, expected a file"),
    ],
)
def test_no_checkpoint(run: Run, name: str, expected: str) -> None:
    """A checkpoint that is not there is said so, with the models that are shipped where it could be a name."""
    outcome = run("eval", name)

    assert outcome.code == 1
    assert expected in outcome.err


def test_bad_checkpoint(run: Run, tiny_file: Path, decoded: Path) -> None:
    """A truncated checkpoint is a message and exit code 1."""
    tiny_file.write_bytes(tiny_file.read_bytes()[:-40])
    outcome = run("eval", tiny_file, "--clip", decoded)

    assert outcome.code == 1
    assert "truncated or damaged" in outcome.err


def test_bad_clip(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    """A clip that is not there is a message and exit code 1."""
    outcome = run("eval", tiny_file, "--clip", tmp_path / "none.mp4")

    assert outcome.code == 1
    assert "no such file or folder" in outcome.err


def test_batches_do_not_matter(tiny: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames decoded one at a time are those decoded together, each with its index."""
    ((indices, together),) = scoring.decoded(tiny, 5, (4, 0, 2))
    monkeypatch.setattr(scoring, "PIXELS_AT_ONCE", 1)
    single = list(scoring.decoded(tiny, 5, (4, 0, 2)))

    assert tuple(indices) == (4, 0, 2) == tuple(index for (index,), _ in single)
    assert np.abs(together.astype(int) - np.concatenate([frame for _, frame in single])).max() <= 1
