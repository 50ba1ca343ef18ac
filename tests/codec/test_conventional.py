"""Conventional codecs: a round trip keeps the colours, a file is what it says, and a refusal is a row."""

from __future__ import annotations

import io
from dataclasses import replace

import av
import numpy as np
import pytest

from nervbench.codec import conventional, points
from nervbench.codec.conventional import CODECS, YUV420, YUV444, Setup, decoded, encode, to_rgb, to_yuv
from nervbench.data.clip import Frames
from nervbench.device.cpu import CpuDevice
from nervbench.errors import UnsupportedError
from nervbench.quality import psnr_per_frame
from nervbench.rates import RatePoint, Source
from nervbench.records import Status

NEAR_LOSSLESS = Setup("x264", "ultrafast", 2, YUV444)
SMALL = Setup("x264", "ultrafast", 33, YUV420)


def moving(frames: int = 6, height: int = 64, width: int = 96) -> Frames:
    """A gradient of saturated colours, and a bar that moves over it."""
    pictures = np.zeros((frames, height, width, 3), np.uint8)
    pictures[..., 0] = np.linspace(0, 255, width).astype(np.uint8)
    pictures[..., 1] = np.linspace(255, 0, height).astype(np.uint8)[:, None]
    for index in range(frames):
        pictures[index, :, 8 * index : 8 * index + 12, 2] = 230
    return pictures


def psnr_db(setup: Setup, frames: Frames) -> float:
    """Of the frames that come back."""
    back = np.stack([to_rgb(frame) for frame in decoded(encode(frames, setup, 1).data, 1)])
    return min(psnr_per_frame(back, frames))


def test_near_lossless() -> None:
    """x264 at crf 2 in yuv444p gives RGB back with over 40 dB, so matrix and range are the same both ways."""
    assert psnr_db(NEAR_LOSSLESS, moving()) > 40


@pytest.mark.parametrize(("matrix", "span"), [("ITU601", "MPEG"), ("ITU709", "JPEG")])
def test_another_matrix_or_range(monkeypatch: pytest.MonkeyPatch, matrix: str, span: str) -> None:
    """Decoding by another matrix or range than the file says costs at least ten decibels."""
    frames = moving()
    data = encode(frames, NEAR_LOSSLESS, 1).data
    monkeypatch.setattr(conventional, "MATRIX", matrix)
    monkeypatch.setattr(conventional, "RANGE", span)
    back = np.stack([to_rgb(frame) for frame in decoded(data, 1)])
    assert min(psnr_per_frame(back, frames)) < 30


def test_file_says_its_colours() -> None:
    """The file announces BT.709 in limited range, so that a player shows what was scored."""
    frame = next(decoded(encode(moving(2), NEAR_LOSSLESS, 1).data, 1))
    assert (frame.colorspace, frame.color_range) == (1, 1)


def test_conversion_bounds() -> None:
    """No file has a better frame than the conversion of its pixel format alone, and 4:2:0 costs more than 4:4:4."""
    frames = moving()
    coarse, fine = (points.conversion_psnr_db(frames, pixels) for pixels in (YUV420, YUV444))
    assert coarse < fine
    assert psnr_db(replace(NEAR_LOSSLESS, pixel_format=YUV420), frames) < coarse + 0.1


@pytest.mark.parametrize("name", CODECS)
def test_every_codec(name: str) -> None:
    """Each codec of the table gives all frames back, in its format, and a worse quality takes fewer bytes."""
    codec = CODECS[name]
    fast = codec.presets[0] if name.startswith("x") else codec.presets[-1]
    frames = moving(5)
    good, bad = (encode(frames, Setup(name, fast, crf, YUV420), 1) for crf in (codec.crf[0], codec.crf[-1]))
    assert len(bad.data) < len(good.data)
    assert good.payload_bytes < len(good.data) < good.payload_bytes + 4000
    assert [frame.format.name for frame in decoded(good.data, 1)] == [YUV420] * 5


def test_version() -> None:
    """x264, x265 and SVT-AV1 say their version in the file or as they start, which the terminal does not see."""
    for name, start in (("x264", "x264 - core"), ("x265", "HEVC encoder version"), ("svt-av1", "SVT-AV1 Encoder Lib")):
        codec = CODECS[name]
        fast = codec.presets[0] if name.startswith("x") else codec.presets[-1]
        assert (encode(moving(2), Setup(name, fast, 40, YUV420), 1).encoder or "").startswith(start)


def test_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing that an encoder prints reaches the terminal, and what comes after it does again."""
    encode(moving(2), Setup("svt-av1", "13", 50, YUV420), 1)
    assert capfd.readouterr().err == ""


def test_container() -> None:
    """The file is a Matroska file that libav opens by its content."""
    with av.open(io.BytesIO(encode(moving(2), SMALL, 1).data)) as container:
        assert "matroska" in container.format.name


@pytest.mark.parametrize(
    ("setup", "side", "words"),
    [
        (Setup("svt-av1", "13", 40, YUV444), 64, "libsvtav1 of this PyAV does not encode yuv444p: "),
        (SMALL, 63, "yuv420p takes frames of even sides, these are 63x64"),
    ],
)
def test_refused(setup: Setup, side: int, words: str) -> None:
    """What an encoder cannot take is refused in a sentence."""
    with pytest.raises(UnsupportedError, match=words):
        encode(moving(2, 64, side), setup, 1)


def point_of(setup: Setup, frames: Frames) -> RatePoint:
    """A measured point of these frames."""
    source = Source("bar", "ab" * 32, frames.shape[2], frames.shape[1], len(frames), "none")
    device = CpuDevice()
    return points.measured(points.codec_point(setup, source, 1, device), setup, frames, None, device, 2)


def test_missing_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A codec that this PyAV has not is a point that says UNSUPPORTED and why."""
    monkeypatch.setitem(CODECS, "x266", replace(CODECS["x264"], encoder="libvvenc-of-nobody"))
    point = point_of(replace(SMALL, codec="x266"), moving(2))
    assert (point.status, point.quality) == (Status.UNSUPPORTED, None)
    assert "libvvenc-of-nobody of this PyAV does not encode" in (point.reason or "")


def test_point() -> None:
    """A point has bits of the whole file, quality against the RGB frames, and raw samples of three kinds of work."""
    frames = moving()
    point = point_of(SMALL, frames)
    assert point.status is Status.OK
    assert point.quality is not None
    assert point.size_bytes is not None
    assert point.quality.bits_per_pixel == 8 * point.size_bytes / (6 * 96 * 64)
    assert point.quality.psnr_db == pytest.approx(np.mean(psnr_per_frame(
        np.stack([to_rgb(frame) for frame in decoded(encode(frames, SMALL, 1).data, 1)]), frames)))  # fmt: skip
    for work in (point.encode, point.decode, point.decode_rgb):
        assert work is not None
        assert len(work.samples_s) == len(work.cpu_s) >= 2
        assert (work.frames, len(work.warm_up_s)) == (6, 1)


def test_settings() -> None:
    """What decides the file is in the point: encoder, preset, quality, pixel format, tune, key frames, container."""
    settings = replace(SMALL, preset="slow").settings()
    assert settings == {
        "encoder": "libx264", "container": "matroska", "pixel_format": "yuv420p", "preset": "slow", "crf": "33",
        "g": "250", "tune": "psnr",
    }  # fmt: skip
    assert replace(SMALL, tune="visual").settings()["tune"] == "visual"
    assert Setup("svt-av1", "8", 30, YUV420, "visual").settings()["tune"] == "psnr"  # SVT-AV1 is never told


def test_frames_that_do_not_come_back() -> None:
    """Frames that are fewer or more than went in are never scored."""
    frames = moving(4)
    source = Source("bar", "ab" * 32, 96, 64, 4, "none")
    for wrong in (frames[:3], np.concatenate([frames, frames[:1]])):
        with pytest.raises(UnsupportedError, match="4 frames went in"):
            points.scored(iter(wrong), frames, 1.0, source)


def test_converted() -> None:
    """Grey stays grey through either pixel format."""
    grey = np.full((1, 16, 16, 3), 128, np.uint8)
    for pixels in (YUV420, YUV444):
        assert np.abs(to_rgb(to_yuv(grey[0], pixels)).astype(int) - 128).max() <= 1
