"""Decoded frames as files."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from nervbench.data.clip import Frames, load, open_clip
from nervbench.data.video import write_images, write_video
from nervbench.errors import CheckpointError, OutputError


def colours(frames: int, height: int, width: int) -> Frames:
    """Frames of four flat, saturated quarters that change slowly."""
    picture = np.zeros((frames, height, width, 3), np.uint8)
    picture[:, : height // 2, : width // 2] = (220, 40, 10)
    picture[:, : height // 2, width // 2 :] = (20, 200, 40)
    picture[:, height // 2 :, : width // 2] = (30, 60, 210)
    picture[:, height // 2 :, width // 2 :] = (200, 200, 60)
    return picture + np.arange(frames, dtype=np.uint8)[:, None, None, None]


def test_video_holds_the_frames(tmp_path: Path) -> None:
    """All frames are in the mp4, in order, at its rate, with the colours they had."""
    frames = colours(9, 64, 96)
    path = tmp_path / "new" / "out.mp4"
    write_video(path, iter([frames[:4], frames[4:]]), 12.5)
    clip = open_clip(path)
    inside = np.s_[:, 8:-8:8, 8:-8:8]  # off the edges, where chroma is shared
    error = np.abs(load(clip)[inside].astype(int) - frames[inside])

    assert (clip.frames, clip.size, clip.fps) == (9, (96, 64), 12.5)
    assert np.median(error) <= 2
    assert [path.name for path in path.parent.iterdir()] == ["out.mp4"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_video_says_its_matrix(tmp_path: Path) -> None:
    """The mp4 is tagged with the matrix and the range that it was made with."""
    path = tmp_path / "out.mp4"
    write_video(path, [colours(2, 32, 32)], 25)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context

        assert (context.pix_fmt, context.colorspace, context.color_range) == ("yuv420p", 6, 1)


@pytest.mark.parametrize(("height", "width"), [(45, 80), (44, 81), (9, 15)])
def test_odd_sides(tmp_path: Path, height: int, width: int) -> None:
    """A frame with an odd side is made even by doubling its last line."""
    path = tmp_path / "out.mp4"
    write_video(path, [colours(3, height, width)], 25)
    clip = open_clip(path)

    assert clip.size == (width + width % 2, height + height % 2)
    assert clip.frames == 3


def test_failure_leaves_the_old_file(tmp_path: Path) -> None:
    """When decoding fails midway, the error is its own, an older file stays and no half file is left."""
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")

    def failing() -> Iterator[Frames]:
        yield colours(2, 32, 32)
        msg = "gone"
        raise CheckpointError(msg)

    with pytest.raises(CheckpointError, match="gone"):
        write_video(path, failing(), 25)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.mp4"]


def test_no_frames(tmp_path: Path) -> None:
    """A video of no frames is refused."""
    with pytest.raises(OutputError, match="no frames"):
        write_video(tmp_path / "out.mp4", [], 25)
    assert list(tmp_path.iterdir()) == []


def test_images_are_exact_and_numbered(tmp_path: Path) -> None:
    """PNG names carry the frame number, and the pixels are the decoded ones."""
    frames = np.random.default_rng(0).integers(0, 256, (3, 10, 12, 3), np.uint8)
    paths = write_images(tmp_path / "a" / "b", [((0, 65), frames[:2]), ((131,), frames[2:])])

    assert [path.name for path in paths] == ["frame_00000.png", "frame_00065.png", "frame_00131.png"]
    for path, frame in zip(paths, frames, strict=True):
        assert np.array_equal(np.asarray(Image.open(path)), frame)


def test_cannot_write(tmp_path: Path) -> None:
    """Where a file is in the way of a folder, video and images raise OutputError with the path."""
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match=r"cannot write .*file/out\.mp4"):
        write_video(tmp_path / "file" / "out.mp4", [colours(1, 8, 8)], 25)
    with pytest.raises(OutputError, match="cannot write to the folder"):
        write_images(tmp_path / "file" / "frames", [((0,), colours(1, 8, 8))])
    (tmp_path / "out.mp4").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*out\.mp4"):
        write_video(tmp_path / "out.mp4", [colours(1, 8, 8)], 25)


def test_no_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PyAV without x264 is said to be that, with what works instead."""
    monkeypatch.setattr(av, "codecs_available", set())

    with pytest.raises(OutputError, match="no libx264 encoder; decode to a folder"):
        write_video(tmp_path / "out.mp4", [colours(1, 8, 8)], 25)
