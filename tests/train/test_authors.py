"""Ours against the recipe as the authors' code runs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nervbench.data.clip import Frames
from nervbench.model.network import FrameDecoder, positions
from nervbench.quality import psnr_per_frame
from tests.train.authors import begun, written
from tests.train.small import RECIPE, SPEC, run, state


@pytest.fixture
def moving() -> Frames:
    """Six frames of 16×12 of a wave that moves."""
    y, x, t = np.mgrid[0:12, 0:16, 0:6].astype(np.float64)
    wave = np.stack([np.sin(x / (3 + c) + y / 4 + t / 3) for c in range(3)], axis=-1)
    return (127.5 + 100 * wave.transpose(2, 0, 1, 3)).round().astype(np.uint8)


def test_the_same_result(tmp_path: Path, moving: Frames) -> None:
    """From the same seed, after the same epochs, the decoded PSNR differs by less than 0.1 dB."""
    recipe = replace(RECIPE, epochs=25, learning_rate=1e-2, evaluate_every=25)
    ours = run(moving, tmp_path / "ours", recipe=recipe)[-1].decoded_psnr_db
    authors = begun(SPEC, written(moving, tmp_path), recipe, workers=0)
    for number in range(recipe.epochs):
        authors.epoch(number)
    with torch.inference_mode():
        decoded = FrameDecoder(authors.model)(positions(torch.arange(6), 6)).numpy()
    theirs = sum(psnr_per_frame(decoded, moving)) / 6
    assert theirs > 20
    assert ours == pytest.approx(theirs, abs=0.1)


def test_the_first_steps_are_the_same(tmp_path: Path, moving: Frames) -> None:
    """After one epoch every weight has moved as theirs has, to a hundredth of the largest move."""
    recipe = replace(RECIPE, epochs=1)
    run(moving, tmp_path / "ours", recipe=recipe)
    authors = begun(SPEC, written(moving, tmp_path), recipe, workers=0)
    before = {name: parameter.detach().clone() for name, parameter in authors.model.named_parameters()}
    authors.epoch(0)
    ours = state(tmp_path / "ours")["model"]
    for name, parameter in authors.model.named_parameters():
        moved = (parameter - before[name]).abs().max().item()
        torch.testing.assert_close(ours[name], parameter.detach(), atol=0.01 * moved, rtol=0)
