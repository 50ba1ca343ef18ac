"""A whole compression without the command line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nervbench.data.clip import open_clip
from nervbench.errors import ConfigError
from nervbench.model import checkpoint
from nervbench.model.spec import NervSpec
from nervbench.scoring import score
from nervbench.sweep.compressing import Advance, CompressOrder, compress_whole

TINY = NervSpec(fc_dim=4, strides=(2, 1), stem_widths=(8,), lower_width=4, embed_levels=4)
FRAMES = 3


@pytest.fixture
def order(tmp_path: Path) -> CompressOrder:
    """Seeded weights of 32×18 pixels and a clip of three frames."""
    checkpoint.save(tmp_path / "tiny.safetensors", dataclasses.replace(checkpoint.seeded(TINY, 3), frames=FRAMES))
    clip = tmp_path / "clip"
    clip.mkdir()
    for index, frame in enumerate(np.random.default_rng(0).integers(0, 256, (FRAMES, 18, 32, 3), np.uint8)):
        Image.fromarray(frame).save(clip / f"{index}.png")
    return CompressOrder(str(tmp_path / "tiny.safetensors"), tmp_path / "tiny.nerv", 6, 0.4, str(clip))


def test_what_became_of_it(order: CompressOrder, capfd: pytest.CaptureFixture[str]) -> None:
    """The account and the rate are of the file, the qualities those of both checkpoints; nothing is printed."""
    made = compress_whole(order)
    clip, size = open_clip(order.source or ""), order.out.stat().st_size

    assert (made.account.bits, made.account.file_bytes) == (6, size)
    assert made.bits_per_pixel == 8 * size / (FRAMES * 32 * 18)
    assert made.before == score(checkpoint.load(order.checkpoint), clip)
    assert made.after == score(checkpoint.load(order.out), clip) != made.before
    assert capfd.readouterr() == ("", "")


def test_without_a_clip(order: CompressOrder) -> None:
    """Without a clip there are no qualities, and the file is the same."""
    compress_whole(order)
    first = order.out.read_bytes()
    made = compress_whole(dataclasses.replace(order, source=None))

    assert (made.before, made.after) == (None, None)
    assert order.out.read_bytes() == first


def test_watched(order: CompressOrder) -> None:
    """Each step that takes long is shown from its name to its end."""
    steps: list[tuple[str, int, int]] = []

    @contextmanager
    def watch(step: str, total: int) -> Iterator[Advance]:
        done = [0]
        yield lambda now, _text: done.append(now)
        steps.append((step, total, done[-1]))

    compress_whole(dataclasses.replace(order, epochs=2), watch)
    assert steps == [("eval", 3, 3), ("fine-tune", 2, 2), ("eval", 3, 3)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bits": 9}, "--bits: weights are stored in 4 to 8 bits, not in 9"),
        ({"share": 1.0}, "--prune: 1 is no share; give a number from 0 to 0.99"),
        ({"share": -0.1}, "--prune: -0.1 is no share"),
        ({"epochs": -1}, "--finetune-epochs: -1 is no number of epochs; give 0 or more"),
        ({"epochs": 1, "source": ""}, "there is nothing to train on"),
    ],
)
def test_refused(order: CompressOrder, change: dict[str, object], said: str) -> None:
    """An order that cannot be followed is refused with what is possible, before anything is written."""
    before = set(order.out.parent.iterdir())
    with pytest.raises(ConfigError, match=re.escape(said)):
        compress_whole(dataclasses.replace(order, **change))  # type: ignore[arg-type]

    assert set(order.out.parent.iterdir()) == before
