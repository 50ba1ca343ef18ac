"""``nervbench decode``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nervbench.cli.decode import parse_frames
from nervbench.data.clip import open_clip
from nervbench.errors import ConfigError
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint

Run = Callable[..., Any]


def test_video(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    """All frames become an mp4 at the rate asked for."""
    out = tmp_path / "out.mp4"
    outcome = run("decode", tiny_file, "-o", out, "--fps", 10)
    clip = open_clip(out)

    assert outcome.code == 0
    assert outcome.out == f"{out}: 5 frames of 32×18\n"
    assert (clip.frames, clip.size, clip.fps) == (5, (32, 18), 10)


def test_images(run: Run, tiny_file: Path, tmp_path: Path, decoded: Path) -> None:
    """Chosen frames become PNG files with their numbers and exact pixels."""
    outcome = run("decode", tiny_file, "-o", tmp_path / "out", "--frames", "4,1:3")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())

    assert outcome.code == 0
    assert names == ["frame_00001.png", "frame_00002.png", "frame_00004.png"]
    for name in names:
        found = np.asarray(Image.open(tmp_path / "out" / name)).astype(int)
        assert np.abs(found - np.asarray(Image.open(decoded / f"{int(name[6:11])}.png"))).max() <= 1


def test_slow_motion(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    """Three times as many frames up to the last: every third is a frame of the clip, the others are between."""
    assert run("decode", tiny_file, "-o", tmp_path / "once").code == 0
    outcome = run("decode", tiny_file, "-o", tmp_path / "slow", "--times", 3)
    names = sorted(path.name for path in (tmp_path / "slow").iterdir())

    assert outcome.out.endswith("13 frames of 32×18\n")
    assert names == [f"frame_{index:05d}.png" for index in range(13)]
    for index in range(5):
        once = np.asarray(Image.open(tmp_path / "once" / f"frame_{index:05d}.png")).astype(int)
        assert np.abs(once - np.asarray(Image.open(tmp_path / "slow" / f"frame_{3 * index:05d}.png"))).max() <= 1
    between = np.asarray(Image.open(tmp_path / "slow" / "frame_00001.png"))
    assert not np.array_equal(between, np.asarray(Image.open(tmp_path / "slow" / "frame_00000.png")))


def test_beside_the_source(run: Run, tiny_file: Path, tmp_path: Path, decoded: Path) -> None:
    """The source is on the left, the decoded frame on the right; between two frames, the earlier source."""
    outcome = run("decode", tiny_file, "-o", tmp_path / "out", "--times", 2, "--beside", decoded, "--frames", "3,8")

    assert outcome.out.endswith("2 frames of 64×18\n")
    for name, source in (("frame_00003.png", "1.png"), ("frame_00008.png", "4.png")):
        frame = np.asarray(Image.open(tmp_path / "out" / name))
        assert np.array_equal(frame[:, :32], np.asarray(Image.open(decoded / source)))
    assert np.abs(frame[:, 32:].astype(int) - np.asarray(Image.open(decoded / "4.png"))).max() <= 1


def test_folder_with_a_dot(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    """A folder that is there takes images, whatever its name."""
    (tmp_path / "run.1").mkdir()

    assert run("decode", tiny_file, "-o", tmp_path / "run.1", "--frames", "0").code == 0
    assert (tmp_path / "run.1" / "frame_00000.png").is_file()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-o", "out.gif"], "cannot write '.gif' files (out.gif); give a .mp4 file, or a folder"),
        (["-o", "out", "--frames", "0,5"], "'5' is empty or out of range; frames are 0 to 4"),
        (["-o", "out", "--times", "2", "--frames", "9"], "'9' is empty or out of range; frames are 0 to 8"),
        (["-o", "out", "--times", "9"], "9 is not in the range 1<=x<=8"),
        (["-o", "out", "--beside", "bigbuckbunny"], "the clip bigbuckbunny has 132 frames, the checkpoint 5"),
        (["-o", "out", "--beside", "none.mp4"], "clip none.mp4: no such file or folder"),
        (["-o", "out", "--frames", "3:3"], "'3:3' is empty or out of range"),
        (["-o", "out", "--frames", "-1"], "'-1' is not a frame"),
        (["-o", "out", "--frames", ""], "'' is not a frame; write 0,65,131 or 10:20"),
        (["-o", "out", "--total", "6"], "has 5 frames, --total says 6"),
        (["-o", "out.mp4", "--fps", "0"], "Invalid value for '--fps'"),
        ([], "Missing option '-o'"),
    ],
)
def test_bad_words(
    run: Run, tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str
) -> None:
    """A wrong option is a message with what is possible, exit code 1, and nothing written."""
    monkeypatch.chdir(tmp_path)
    outcome = run("decode", tiny_file, *words)

    assert (outcome.code, outcome.out) == (1, "")
    assert expected in outcome.err
    assert list(tmp_path.iterdir()) == [tiny_file]


@pytest.mark.parametrize("out", ["file/out.mp4", "file/out", "file"])
def test_cannot_write(run: Run, tiny_file: Path, tmp_path: Path, out: str) -> None:
    """An output that cannot be written is a message and exit code 1."""
    (tmp_path / "file").touch()
    outcome = run("decode", tiny_file, "-o", tmp_path / out)

    assert outcome.code == 1
    assert "cannot write" in outcome.err


def test_length_unknown(run: Run, tiny: Checkpoint, tmp_path: Path) -> None:
    """A checkpoint that does not say its number of frames needs --total."""
    file = tmp_path / "silent.safetensors"
    checkpoint.save(file, dataclasses.replace(tiny, frames=None))
    refused = run("decode", file, "-o", tmp_path / "out")

    assert refused.code == 1
    assert "does not say how many frames its clip has; give it with --total" in refused.err
    assert run("decode", file, "-o", tmp_path / "out", "--total", 2).code == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_all_parts_at_once() -> None:
    """Every part of --frames that cannot be used is reported."""
    with pytest.raises(ConfigError) as caught:
        parse_frames("0,x,9,2:1", 5)

    assert len(caught.value.problems) == 3


def test_too_many_frames() -> None:
    """A list that means more frames than anyone wants is refused before it is made."""
    with pytest.raises(ConfigError, match="more than 10,000,000 frames; decode them in parts"):
        parse_frames(",".join(["0:"] * 11), 1_000_000)


@given(st.text(alphabet="0123456789:,- x²", max_size=12), st.integers(1, 50))
def test_any_text(text: str, frames: int) -> None:
    """Whatever is given as --frames, it is indices in range or a ConfigError."""
    try:
        indices = parse_frames(text, frames)
    except ConfigError:
        return
    assert indices
    assert all(0 <= index < frames for index in indices)
