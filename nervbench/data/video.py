"""Frames out of the house: an mp4 to look at, or PNG files that keep every bit.

The mp4 is H.264 at a nearly transparent quality (CRF 12) in yuv420p, which every player takes. Its YCbCr matrix is
BT.601, the one that swscale uses unless told otherwise, and the file says so: players that read tags show true colours.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from nervbench.data.clip import Frames
from nervbench.errors import OutputError
from nervbench.files import writable_folder, write_atomically

ENCODER = "libx264"
CRF = 12
BT_601 = 6  # AVCOL_SPC_SMPTE170M
LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG


def write_images(folder: Path, pieces: Iterable[tuple[Sequence[int], Frames]]) -> list[Path]:
    """Write frames as ``frame_00065.png``, numbered by their indices; returns the paths.

    Raises OutputError where the folder cannot be made or written.
    """
    writable_folder(folder)
    paths: list[Path] = []
    for indices, frames_NHW3 in pieces:
        for index, frame_HW3 in zip(indices, frames_NHW3, strict=True):
            path = folder / f"frame_{index:05d}.png"
            content = io.BytesIO()
            Image.fromarray(frame_HW3).save(content, "PNG")
            write_atomically(path, content.getvalue())
            paths.append(path)
    return paths


def write_video(path: Path, pieces: Iterable[Frames], fps: float) -> None:
    """Encode frames (N, H, W, 3) as an mp4; where a side is odd, its last line is doubled (yuv420p needs even sides).

    Written beside ``path`` and renamed when whole. Raises OutputError where that is not possible.
    """
    if ENCODER not in av.codecs_available:
        msg = f"this PyAV has no {ENCODER} encoder; decode to a folder of images instead"
        raise OutputError(msg)
    with _replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream: Any = None
        for piece_NHW3 in pieces:
            if stream is None:
                stream = _stream(container, piece_NHW3.shape[2], piece_NHW3.shape[1], fps)
            for frame_HW3 in piece_NHW3:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(_even(frame_HW3), format="rgb24")))
        if stream is None:
            msg = f"cannot write {path}: no frames"
            raise OutputError(msg)
        container.mux(stream.encode(None))


def _stream(container: Any, width: int, height: int, fps: float) -> Any:
    stream = container.add_stream(ENCODER, rate=Fraction(fps).limit_denominator(100_000))
    stream.width, stream.height = width + width % 2, height + height % 2
    stream.pix_fmt = "yuv420p"
    stream.options = {"crf": str(CRF)}
    stream.codec_context.colorspace = BT_601
    stream.codec_context.color_range = LIMITED_RANGE
    return stream


def _even(frame_HW3: Frames) -> Frames:
    height, width = frame_HW3.shape[:2]
    return np.ascontiguousarray(np.pad(frame_HW3, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its name on success and is gone otherwise."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}.", suffix=".mp4", delete=False) as file:
            temporary = Path(file.name)
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except (OSError, av.FFmpegError) as error:
        msg = f"cannot write {path}: {getattr(error, 'strerror', None) or error}"
        raise OutputError(msg) from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)
