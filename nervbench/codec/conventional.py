"""Conventional codecs through PyAV: frames to a file in memory at a constant quality, and back.

RGB frames become YCbCr of BT.709 in limited range, the file says so, and the way back uses the same matrix and range: a
wrong one costs several dB. Both ways round exactly and interpolate chroma in full, which libswscale does not unless it
is told: of 4:2:0 its short cuts cost 3.4 dB on Big Buck Bunny at 320×180.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from nervbench.data.clip import Frames
from nervbench.errors import ConfigError, UnsupportedError, first_line, printable, unknown

CONTAINER = "matroska"
GOP = 250
"""Frames from one key frame to the next at most: a short clip is stored with one, and scene changes."""
MATRIX, RANGE = "ITU709", "MPEG"
BT_709, LIMITED_RANGE = 1, 1  # AVCOL_SPC_BT709, AVCOL_RANGE_MPEG
EXACT = 0x4 | 0x2000 | 0x4000 | 0x40000  # SWS_BICUBIC, _FULL_CHR_H_INT, _FULL_CHR_H_INP, _ACCURATE_RND
ONE_THREAD: dict[str, Any] = {"threads": 1} if int(av.__version__.partition(".")[0]) >= 18 else {}
"""Conversions take one thread, where PyAV can tell libswscale: threads are the codec's."""
DEFAULT_FPS, MOST_FPS = 25.0, 240.0
YUV420, YUV444 = "yuv420p", "yuv444p"
PSNR, VISUAL = "psnr", "visual"
TUNES = (PSNR, VISUAL)
LOG_BYTES = 1 << 16
X265_LOG = "log-level=info:info=0"  # its version on standard error, not with all its options into the file: 2.4 kB
VERSION = re.compile(rb"x264 - core \d+(?: r\d+ \w+)?|HEVC encoder version [\w.+-]+|SVT-AV1 Encoder Lib [\w.+-]+")
"""x264 writes it into the file, the others say it as they start."""
X26X_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoder of libav with what a user would choose for storage.

    ``crf`` are constant qualities from good to bad; ``tuned`` are the options that make it aim at PSNR, none where it
    does so anyway.
    """

    encoder: str
    preset: str
    presets: tuple[str, ...]
    crf: tuple[int, ...]
    formats: tuple[str, ...]
    preset_option: str = "preset"
    tuned: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


CODECS = {
    "x264": Codec("libx264", "medium", X26X_PRESETS, (13, 18, 23, 28, 33, 38, 43), (YUV420, YUV444),
                  tuned={"tune": "psnr"}),
    "x265": Codec("libx265", "medium", X26X_PRESETS, (13, 18, 23, 28, 33, 38, 43), (YUV420, YUV444),
                  tuned={"tune": "psnr"}, options={"x265-params": X265_LOG}),
    "svt-av1": Codec("libsvtav1", "8", tuple(map(str, range(14))), (10, 20, 30, 40, 50, 60), (YUV420,)),
    "vp9": Codec("libvpx-vp9", "4", tuple(map(str, range(9))), (10, 20, 30, 40, 50, 60), (YUV420, YUV444),
                 preset_option="cpu-used", options={"b": "0", "deadline": "good"}),
}  # fmt: skip
"""By the name that people paste."""


@dataclass(frozen=True, slots=True)
class Setup:
    """All that decides a file but its frames."""

    codec: str
    preset: str
    crf: int
    pixel_format: str
    tune: str = PSNR

    def settings(self) -> dict[str, str]:
        """The same in words, for a record: the encoder and its options as libav takes them, threads left out."""
        codec = CODECS[self.codec]
        return {
            "encoder": codec.encoder,
            "container": CONTAINER,
            "pixel_format": self.pixel_format,
            "tune": self.tune if codec.tuned else PSNR,
            **self.options(),
        }

    def options(self) -> dict[str, str]:
        """What the encoder is told."""
        codec = CODECS[self.codec]
        tuned = codec.tuned if self.tune == PSNR else {}
        return {codec.preset_option: self.preset, "crf": str(self.crf), "g": str(GOP), **codec.options, **tuned}


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file in memory; ``payload_bytes`` are its packets, ``encoder`` the version that the encoder says."""

    data: bytes
    payload_bytes: int
    encoder: str | None


def setups(name: str, preset: str | None, tune: str) -> list[Setup]:
    """A setup for each pixel format and quality of a codec."""
    codec = CODECS[name]
    return [Setup(name, preset or codec.preset, crf, pixels, tune) for pixels in codec.formats for crf in codec.crf]


def parse_codecs(text: str, tune: str) -> tuple[Setup, ...]:
    """The setups of ``x264,x265:slow``; raises ConfigError with every part that is not known.

    >>> {setup.preset for setup in parse_codecs("x265:slow", "psnr")}
    {'slow'}
    """
    found: list[Setup] = []
    problems: list[str] = []
    for part in dict.fromkeys(part.strip() for part in text.split(",")):
        name, _, preset = part.partition(":")
        if name not in CODECS:
            problems.append(f"--codecs: {unknown('codec', name[:40], CODECS)}")
        elif preset and preset not in CODECS[name].presets:
            problems.append(f"--codecs: {unknown(f'preset of {name}', preset[:40], CODECS[name].presets)}")
        else:
            found += setups(name, preset or None, tune)
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def encode(frames_NHW3: Frames, setup: Setup, threads: int, fps: float | None = None) -> Encoded:
    """Encode RGB frames with so many threads, at ``fps`` where it is known and plausible, else 25.

    Raises UnsupportedError where this PyAV has no such encoder or the encoder refuses the frames.
    """
    height, width = frames_NHW3.shape[1:3]
    if setup.pixel_format == YUV420 and (width % 2 or height % 2):
        msg = f"{YUV420} takes frames of even sides, these are {width}x{height}"
        raise UnsupportedError(msg)
    file = io.BytesIO()
    with _standard_error() as printed:
        try:
            payload = _encode(file, frames_NHW3, setup, threads, fps)
        except (av.FFmpegError, ValueError) as error:  # ValueError: an encoder or a pixel format that is not there
            said = re.search(r"\[error\]:? *(.+)", printed().decode("utf-8", "replace"))
            reason = printable(said[1]) if said else first_line(error)
            msg = f"{CODECS[setup.codec].encoder} of this PyAV does not encode {setup.pixel_format}: {reason}"
            raise UnsupportedError(msg) from error
        data = file.getvalue()
        found = VERSION.search(data[:LOG_BYTES]) or VERSION.search(printed())
    return Encoded(data, payload, found[0].decode() if found else None)


def decoded(data: bytes, threads: int) -> Iterator[av.VideoFrame]:
    """The frames of a file in the codec's own pixel format, by as many threads.

    Raises UnsupportedError where this PyAV has no decoder for it.
    """
    try:
        with av.open(io.BytesIO(data), "r") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = threads
            stream.codec_context.thread_type = "AUTO"
            yield from container.decode(stream)
    except (av.FFmpegError, ValueError, AttributeError) as error:  # AttributeError: a stream without a codec context
        msg = f"this PyAV cannot decode what it encoded: {first_line(error)}"
        raise UnsupportedError(msg) from error


def to_rgb(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """A decoded frame as (H, W, 3) uint8."""
    rgb = frame.reformat(
        format="rgb24",
        src_colorspace=MATRIX,
        src_color_range=RANGE,
        dst_color_range="JPEG",
        interpolation=EXACT,
        **ONE_THREAD,
    )
    return np.asarray(rgb.to_ndarray(), np.uint8)


def to_yuv(frame_HW3: npt.NDArray[np.uint8], pixel_format: str) -> av.VideoFrame:
    """A frame (H, W, 3) uint8 as an encoder takes it."""
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HW3), format="rgb24")
    return rgb.reformat(
        format=pixel_format, dst_colorspace=MATRIX, dst_color_range=RANGE, interpolation=EXACT, **ONE_THREAD
    )


def _encode(file: io.BytesIO, frames_NHW3: Frames, setup: Setup, threads: int, fps: float | None) -> int:
    """Write the file; returns the bytes of its packets."""
    rate = Fraction(fps if fps and 1 <= fps <= MOST_FPS else DEFAULT_FPS).limit_denominator(100_000)
    options = setup.options() | _thread_options(setup.codec, threads)
    payload = 0
    with av.open(file, "w", format=CONTAINER) as container:
        stream: Any = container.add_stream(CODECS[setup.codec].encoder, rate=rate, options=options)
        stream.height, stream.width = frames_NHW3.shape[1:3]
        stream.pix_fmt = setup.pixel_format
        stream.codec_context.colorspace = BT_709
        stream.codec_context.color_range = LIMITED_RANGE
        stream.codec_context.thread_count = threads
        for index, frame_HW3 in enumerate(chain(frames_NHW3, (None,))):
            frame = None if frame_HW3 is None else to_yuv(frame_HW3, setup.pixel_format)
            if frame:
                frame.pts, frame.time_base = index, 1 / rate
            for packet in stream.encode(frame):
                payload += packet.size
                container.mux(packet)
    return payload


def _thread_options(codec: str, threads: int) -> dict[str, str]:
    """How each encoder is told; libx264 and libvpx go by the thread count of libav."""
    alone = threads == 1
    pools = "pools=none:frame-threads=1" if alone else f"pools={threads}"
    return {
        "x265": {"x265-params": f"{X265_LOG}:{pools}"},
        "svt-av1": {"svtav1-params": f"lp={min(threads, 6)}"},  # levels of parallelism; there are six
        "vp9": {"row-mt": "0" if alone else "1"},
    }.get(codec, {})


@contextlib.contextmanager
def _standard_error() -> Iterator[Any]:
    """Keep what a library prints on standard error from the terminal; yields a function that gives it."""
    with tempfile.TemporaryFile() as file:

        def printed() -> bytes:
            return os.pread(file.fileno(), LOG_BYTES, 0)

        kept = os.dup(2)
        try:
            os.dup2(file.fileno(), 2)
            yield printed
        finally:
            os.dup2(kept, 2)
            os.close(kept)
