"""The lines of epochs, and how long a training took."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from nervbench.data.video import write_video
from nervbench.device.cpu import CpuDevice
from nervbench.model import checkpoint
from nervbench.model.spec import NervSpec
from nervbench.model.zoo import MODELS
from nervbench.train.history import EPOCHS, History, history, note
from nervbench.train.loop import Epoch, Recipe
from nervbench.train.whole import Order, train_whole


def epoch(number: int, psnr_db: float = 20.0) -> Epoch:
    """An epoch that ended."""
    return Epoch(number, 4, 0.1, psnr_db, 1e-3)


def test_an_epoch_done_twice_counts_once(tmp_path: Path) -> None:
    """Of an epoch that was done again after an interruption, the last line counts."""
    for number, seconds in ((1, 5.0), (2, 9.0), (2, 3.0), (3, 1.0)):
        note(tmp_path, epoch(number, 20.0 + number), seconds)
    assert history(tmp_path, 3) == History(3, (21.0, 22.0, 23.0), (5.0, 3.0, 1.0))
    assert history(tmp_path, 2).trained_s == 8.0


def test_a_missing_line_counts_as_the_median(tmp_path: Path) -> None:
    """A torn line, one of something else, and a file that is not there."""
    assert history(tmp_path, 2) == History(2, (), ())
    assert history(tmp_path, 2).trained_s is None
    for number, seconds in ((1, 1.0), (2, 2.0), (4, 6.0)):
        note(tmp_path, epoch(number), seconds)
    with (tmp_path / EPOCHS).open("a") as file:
        file.write('[1]\n"x"\n{"epoch": 3, "psnr')
    assert history(tmp_path, 4).trained_s == 9.0 + 2.0


def test_the_checkpoint_says_how_long_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its note is the sum of the seconds of its epochs, over an interruption too, and its weights are the same."""
    spec = NervSpec(fc_dim=4, strides=(2,), stem_widths=(8,), lower_width=4, embed_levels=6)
    monkeypatch.setitem(MODELS, "tiny", spec)
    write_video(tmp_path / "clip.mp4", iter([np.zeros((2, spec.height, spec.width, 3), np.uint8)]), 25)
    order = Order("tiny", str(tmp_path / "clip.mp4"), Recipe(epochs=3, save_every=1), tmp_path / "cut")
    next(train_whole(order, CpuDevice()))
    whole = dataclasses.replace(order, folder=tmp_path / "whole")
    for each in (order, whole):
        list(train_whole(each, CpuDevice()))
    cut, uncut = (checkpoint.load(each.folder / "tiny.safetensors") for each in (order, whole))
    assert float(cut.notes[checkpoint.TRAINED_S]) == pytest.approx(sum(history(order.folder, 3).epoch_s), rel=1e-4)
    assert len(history(order.folder, 3).epoch_s) == 3
    assert cut.sha256() == uncut.sha256()
