"""Clips that were made to do harm: too large, of another kind than their name, or a list of other files."""

from __future__ import annotations

import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nervbench.config import ClipSource
from nervbench.data import bounds
from nervbench.data import clip as clips
from nervbench.data.clip import load, open_clip
from nervbench.errors import ClipError

MakeVideo = Callable[..., Path]


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def png(width: int, height: int, *more: bytes) -> bytes:
    """A PNG that announces this size, with black rows as far as they go."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = zlib.compress(bytes(min((3 * width + 1) * height, 1000)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def folder(path: Path, content: bytes, count: int = 1) -> Path:
    """A folder of one image so many times."""
    path.mkdir()
    for number in range(count):
        (path / f"{number}.png").write_bytes(content)
    return path


@pytest.mark.parametrize("side", [8193, 10_000, 13_000, 60_000])
def test_images_over_the_bound(tmp_path: Path, side: int) -> None:
    """An image that is too large is refused by its header, with both numbers and no warning of Pillow's."""
    with pytest.raises(
        ClipError, match=r"the bound is 67108864 pixels|more pixels than any bound allows \(134217728\)"
    ):
        open_clip(folder(tmp_path / "a", png(side, side)))


def test_pixels_are_settable(tmp_path: Path, make_video: MakeVideo) -> None:
    """The bound is the caller's, and the message says which key raises it."""
    images = folder(tmp_path / "a", png(4, 4))
    assert open_clip(images, max_pixels=16).size == (4, 4)
    assert open_clip(folder(tmp_path / "b", png(10_000, 10_000)), max_pixels=1 << 27).size == (10_000, 10_000)
    with pytest.raises(ClipError, match=r"frames of 4x4; the bound is 15 pixels \(.*max_pixels under \[clip\]"):
        open_clip(images, max_pixels=15)
    with pytest.raises(ClipError, match=r"frames of 64x48; the bound is 3071 pixels"):
        open_clip(make_video(), max_pixels=64 * 48 - 1)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts"])
def test_frames_are_settable(tmp_path: Path, make_video: MakeVideo, name: str) -> None:
    """More frames than the bound are refused, in a folder and in a video, counted by its header or not."""
    images = folder(tmp_path / "a", png(4, 4), 3)
    assert open_clip(images, max_frames=3).frames == 3
    with pytest.raises(ClipError, match=r"3 frames or more; the bound is 2 \(cut the clip, .*max_frames under"):
        open_clip(images, max_frames=2)
    video = make_video(name)
    assert open_clip(video, max_frames=12).frames == 12
    with pytest.raises(ClipError, match=r"12 frames or more; the bound is 11"):
        open_clip(video, max_frames=11)


def test_text_that_unpacks_to_much(tmp_path: Path) -> None:
    """A PNG with a compressed remark of a hundred megabytes is refused by name."""
    remark = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100 << 20)))
    with pytest.raises(ClipError, match=r"0\.png cannot be read as an image \(Decompressed data too large"):
        open_clip(folder(tmp_path / "a", png(4, 4, remark)))


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", b"P6 4 4 255\n"]
)
def test_other_formats_under_the_name_of_an_image(tmp_path: Path, content: bytes) -> None:
    """PostScript named .png does not reach Pillow's plugin, which would run Ghostscript on it."""
    with pytest.raises(ClipError, match="cannot be read as an image"):
        open_clip(folder(tmp_path / "a", content))


def test_an_image_that_grew(tmp_path: Path) -> None:
    """An image replaced by a huge one after the clip was opened is not decoded."""
    images = folder(tmp_path / "a", png(4, 4), 2)
    clip = open_clip(images)
    (images / "1.png").write_bytes(png(13_000, 13_000))
    with pytest.raises(ClipError, match="frame 1 has 13000x13000 pixels, the clip 4x4"):
        load(clip)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:PORT/a.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile whole.mp4\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=video PORT RTP/AVP 96\na=rtpmap:96 H264/9\n",
    ],
    ids=["HLS", "concat", "SDP"],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.m3u8", "a.ffconcat", "a.sdp"])
def test_lists_of_other_files(make_video: MakeVideo, name: str, text: str) -> None:
    """A list of other files or addresses is no video: nothing that it names is opened."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        path = make_video("whole.mp4").with_name(name)
        path.write_text(text.replace("PORT", str(server.getsockname()[1])))
        with pytest.raises(ClipError, match="cannot be read as a video"):
            open_clip(path)
        with pytest.raises(BlockingIOError):  # nobody has asked
            server.accept()


def test_a_codec_that_is_not_known(make_video: MakeVideo) -> None:
    """A video whose codec has no decoder is refused as that."""
    path = make_video("a.avi", codec="mpeg4")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"ZZZZ"))
    with pytest.raises(ClipError, match="of a codec that this PyAV cannot decode"):
        open_clip(path)


def test_decoding_has_one_thread(make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Videos are decoded without slice threads: found by fuzzing, a damaged VP8 frame locks them for ever."""
    streams = []
    found = clips._video_stream

    def kept(path: Path, container: Any) -> Any:
        streams.append(found(path, container))
        return streams[-1]

    monkeypatch.setattr(clips, "_video_stream", kept)
    frames = clips.read(open_clip(make_video()))
    next(frames)
    assert streams[-1].thread_type.name == "NONE"


def test_bounds_that_a_bench_may_set() -> None:
    """Without bounds of their own, clips have those that bench.toml has without a key."""
    assert (ClipSource().max_pixels, ClipSource().max_frames) == (bounds.MAX_PIXELS, bounds.MAX_FRAMES)
    assert Image.MAX_IMAGE_PIXELS is not None
    assert 2 * Image.MAX_IMAGE_PIXELS > 1 << 27  # the most that max_pixels may be, which Pillow must not refuse first


def test_devices_are_no_videos() -> None:
    """What is neither a file nor a folder is called what it is."""
    with pytest.raises(ClipError, match="a device or a pipe; give a video"):
        open_clip("/dev/zero")
