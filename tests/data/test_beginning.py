"""A clip with a number of frames behind a colon is the beginning of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nervbench.data.clip import beginning, frames_at, from_anywhere, load, open_clip
from nervbench.errors import ClipError


def test_frames() -> None:
    """The beginning of a clip is its first frames under the name that was asked for."""
    bunny = open_clip("bigbuckbunny")
    some = open_clip("bigbuckbunny:5")
    assert (some.name, some.frames, some.sha256) == ("bigbuckbunny:5", 5, bunny.sha256)
    frames = load(some, (32, 18))
    assert np.array_equal(frames, frames_at(bunny, range(5), (32, 18)))


def test_more_than_there_are() -> None:
    """A clip with fewer frames is refused, and one with exactly so many is read to its end."""
    with pytest.raises(ClipError, match="clip bigbuckbunny: it has 132 frames; its first 133 were asked for"):
        open_clip("bigbuckbunny:133")
    assert open_clip("bigbuckbunny:132").whole


def test_a_folder(tmp_path: Path) -> None:
    """The first images of a folder, in natural order."""
    for number in (1, 2, 10):
        Image.new("RGB", (16, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
    assert load(open_clip(f"{tmp_path}:2"))[:, 0, 0, 0].tolist() == [1, 2]


def test_a_name_with_a_colon(tmp_path: Path) -> None:
    """What exists under the whole name is that; a 0 behind the colon asks for nothing that is possible."""
    (tmp_path / "take:2").touch()
    assert beginning(str(tmp_path / "take:2")) == (str(tmp_path / "take:2"), None)
    assert beginning("film.mp4:0") == ("film.mp4:0", None)


def test_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths become whole ones, names of packaged clips stay."""
    monkeypatch.chdir(tmp_path)
    assert from_anywhere("film.mp4:7") == f"{tmp_path.resolve() / 'film.mp4'}:7"
    assert from_anywhere("bikes:7") == "bikes:7"
