"""Small videos, made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

MakeVideo = Callable[..., Path]


def picture(index: int, width: int = 64, height: int = 48) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A frame that differs from its neighbours: a gradient, and a bright bar that moves."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[..., 0] = np.linspace(0, 200, width).astype(np.uint8)
    frame[..., 1] = np.linspace(0, 200, height).astype(np.uint8)[:, None]
    frame[:, (4 * index) % width : (4 * index) % width + 8] = 255
    return frame


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Write frames of :func:`picture` to a video file of any container that libav knows by its suffix."""

    def make(
        name: str = "clip.mp4",
        frames: int = 12,
        codec: str = "libx264",
        audio: bool = False,
        change: Callable[[Any, int], Any] = lambda packet, _index: packet,
        container_options: dict[str, str] | None = None,
        **options: str,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", container_options=container_options or {}) as container:
            stream: Any = container.add_stream(codec, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            sound: Any = container.add_stream("aac", rate=44100) if audio else None
            shown = [av.VideoFrame.from_ndarray(picture(index), format="rgb24") for index in range(frames)]
            packets = [packet for frame in (*shown, None) for packet in stream.encode(frame)]
            for index, packet in enumerate(packets):
                container.mux(change(packet, index))
            if sound:
                _silence(container, sound)
        return path

    return make


@pytest.fixture
def pictures() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The first twelve frames of every video that is made here."""
    return np.stack([picture(index) for index in range(12)])


@pytest.fixture
def audio_only(tmp_path: Path) -> Path:
    """A file with sound and no picture."""
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        _silence(container, container.add_stream("aac", rate=44100))
    return path


def _silence(container: Any, stream: Any) -> None:
    for index in range(8):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 44100, 1024 * index, Fraction(1, 44100)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
