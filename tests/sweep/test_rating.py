"""Points of rate and distortion without the command line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nervbench import rates
from nervbench.codec import points as measuring
from nervbench.codec.conventional import PSNR, parse_codecs
from nervbench.errors import ConfigError
from nervbench.sweep.rating import RateOrder, measure


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RateOrder:
    """Three frames of noise by x264 alone; passes are not repeated to fill half a second."""
    monkeypatch.setattr(measuring, "MIN_WALL_S", 0.0)
    clip = tmp_path / "clip"
    clip.mkdir()
    for index, frame in enumerate(np.random.default_rng(0).integers(0, 256, (3, 18, 32, 3), np.uint8)):
        Image.fromarray(frame).save(clip / f"{index}.png")
    return RateOrder((), str(clip), parse_codecs("x264:ultrafast", PSNR)[:3], threads=(1,), repeats=2)


def test_goes_on(order: RateOrder, tmp_path: Path) -> None:
    """A point is in the folder when it is yielded; the same order makes the others, and then nothing."""
    folder = tmp_path / "new" / "rate"
    first = next(measure(order, folder))
    assert rates.read(folder / rates.FILE) == [first]

    others = list(measure(order, folder))
    assert rates.read(folder / rates.FILE) == [first, *others]
    assert [point.settings["crf"] for point in (first, *others)] == ["13", "18", "23"]
    assert list(measure(order, folder)) == []


def test_counts_or_text(order: RateOrder, tmp_path: Path) -> None:
    """Thread counts as numbers are those of the text."""
    made = list(measure(dataclasses.replace(order, threads=(2, 1, 2)), tmp_path / "rate"))

    assert [point.threads for point in made] == [2, 1] * 3
    assert list(measure(dataclasses.replace(order, threads="1,2"), tmp_path / "rate")) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"threads": (0,)}, "'0' is no number of threads; write 1 to 1024, or all"),
        ({"threads": ()}, "'' is no number of threads"),
        ({"frames": 0}, "--frames 0: the clip clip has 3; leave it out to take all"),
    ],
)
def test_refused(order: RateOrder, tmp_path: Path, change: dict[str, object], said: str) -> None:
    """An order that cannot be followed is refused with what is possible, and nothing is written."""
    with pytest.raises(ConfigError, match=said):
        next(measure(dataclasses.replace(order, **change), tmp_path / "rate"))  # type: ignore[arg-type]

    assert not (tmp_path / "rate" / rates.FILE).exists()
