"""A small checkpoint with its clip, and the command line as a function."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from PIL import Image

from nervbench.cli import main
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.network import FrameDecoder, positions
from nervbench.model.spec import NervSpec

TINY = NervSpec(fc_dim=4, strides=(2, 1), stem_widths=(8,), lower_width=4, embed_levels=4)
FRAMES = 5


class Outcome(NamedTuple):
    """What a call of the command line left."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the command line with these words."""

    def call(*words: object) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Outcome(int(caught.value.code or 0), out, err)

    return call


@pytest.fixture
def tiny() -> Checkpoint:
    """A model of 32×18 pixels with seeded weights, for a clip of five frames."""
    return dataclasses.replace(checkpoint.seeded(TINY, 3), frames=FRAMES)


@pytest.fixture
def tiny_file(tiny: Checkpoint, tmp_path: Path) -> Path:
    """The tiny checkpoint as a file."""
    path = tmp_path / "tiny.safetensors"
    checkpoint.save(path, tiny)
    return path


@pytest.fixture
def decoded(tiny: Checkpoint, tmp_path: Path) -> Path:
    """A clip that the tiny checkpoint decodes exactly: a folder of its own frames."""
    folder = tmp_path / "decoded"
    folder.mkdir()
    with torch.inference_mode():
        frames = FrameDecoder(tiny.model())(positions(torch.arange(FRAMES), FRAMES)).numpy()
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{index}.png")
    return folder
