"""A clip: the source frames of a video, of a folder of images, or of a packaged one, whole or only its beginning.

A clip is a description; frames are read from it in pieces of about ``PIECE_BYTES``, so memory is bounded whatever the
length. Frames stay uint8 RGB. Resizing is explicit (``size``) and its filter has a name that belongs to every result.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from nervbench.data.bounds import MAX_FRAMES, MAX_PIXELS, MOST_PIXELS, Bounds
from nervbench.data.containers import announced_bytes
from nervbench.data.packaged import PACKAGED, packaged_path
from nervbench.data.room import room
from nervbench.errors import ClipError, unknown

Frames = npt.NDArray[np.uint8]
"""(N, H, W, 3) uint8 RGB."""

Size = tuple[int, int]
"""(width, height) in pixels."""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
CROP = "crop"  # not resized: the middle of the frame
RESAMPLES = (*FILTERS, CROP)
DEFAULT_FILTER = "bicubic"
AS_IT_IS = "none"  # the name of the filter where a clip already has the size that is asked for
PIECE_BYTES = 64 << 20
# What a file is taken for, whatever its name: no PostScript (Pillow runs Ghostscript on it), no list of other files.
IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
VIDEO_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "mpegvideo", "h264", "hevc", "m4v", "ivf",
    "obu", "gif", "yuv4mpegpipe", "ogg", "flv", "asf", "mxf", "nut", "wav", "mp3", "aac", "flac",
)  # fmt: skip
EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")  # Pillow clips deeper ones


@dataclass(frozen=True, slots=True)
class Clip:
    """What is known of a clip without holding its frames.

    ``frames`` counts them; ``fps`` is None where the source does not say (a folder of images).
    ``sha256`` is of the file, or of all file names and contents of the folder. Of a clip that is not ``whole``, frames
    follow that are none of it.
    """

    name: str
    path: Path
    frames: int
    width: int
    height: int
    fps: float | None
    sha256: str
    credit: str | None = None
    whole: bool = True

    @property
    def size(self) -> Size:
        """(width, height) in pixels."""
        return self.width, self.height


def trained_filter(notes: Mapping[str, str], otherwise: str = DEFAULT_FILTER) -> str:
    """The filter that a checkpoint's notes say its clip was resized with for the training, or another."""
    noted = notes.get("resized_with", otherwise)
    return noted if noted in RESAMPLES else otherwise


def open_clip(source: str | Path, max_pixels: int | None = None, max_frames: int | None = None) -> Clip:
    """Describe a clip: the name of a packaged one, a video file, or a folder of images of one size.

    A number behind a colon takes only so many frames from the start: ``bikes:132``, ``film.mp4:250``. A frame of more
    than ``max_pixels``, or more than ``max_frames`` of them, are refused.

    Raises ClipError, saying what was found, for a missing, empty, truncated or audio-only file, for a folder without
    images or with images of several sizes, and for a clip with fewer frames than asked for.
    """
    bounds = Bounds(max_pixels or MAX_PIXELS, max_frames or MAX_FRAMES)
    where, first = beginning(str(source))
    clip = _opened(where, bounds)
    if first is None:
        return clip
    if first > clip.frames:
        msg = f"clip {where}: it has {clip.frames} frames; its first {first} were asked for"
        raise ClipError(msg)
    return replace(clip, name=f"{clip.name}:{first}", frames=first, whole=first == clip.frames)


def beginning(source: str) -> tuple[str, int | None]:
    """A clip as it was asked for, as where it is and how many of its first frames are meant; None is all.

    >>> beginning("bikes:132"), beginning("film.mp4")
    (('bikes', 132), ('film.mp4', None))
    """
    found = re.fullmatch(r"(.+):([1-9][0-9]{0,8})", source, re.DOTALL)
    if not found or os.path.exists(source):  # noqa: PTH110 (pathlib's raises where a name is too long to exist)
        return source, None
    return found[1], int(found[2])


def from_anywhere(source: str) -> str:
    """The same clip for a process that works in another folder."""
    where, first = beginning(source)
    found = where if where in PACKAGED else str(Path(where).resolve())
    return found if first is None else f"{found}:{first}"


def _opened(where: str, bounds: Bounds) -> Clip:
    """The whole clip."""
    if where in PACKAGED:
        return _open_video(packaged_path(where), where, PACKAGED[where].credit, bounds)
    path = Path(where)
    if path.is_dir():
        return _open_folder(path, bounds)
    if not path.exists():
        names = " or ".join(f"'{name}'" for name in PACKAGED)
        msg = f"clip {path}: no such file or folder; give a video, a folder of images, or {names}"
        raise ClipError(msg)
    if not path.is_file():
        msg = f"clip {path}: a device or a pipe; give a video, or a folder of images"
        raise ClipError(msg)
    if path.stat().st_size == 0:
        msg = f"clip {path}: the file is empty"
        raise ClipError(msg)
    return _open_video(path, path.stem, None, bounds)


def read(clip: Clip, size: Size | None = None, resample: str = DEFAULT_FILTER) -> Iterator[Frames]:
    """All frames in order, in pieces (N, H, W, 3) of about ``PIECE_BYTES``, resized to ``size`` if given.

    Raises ClipError where a frame cannot be decoded, has another size than the clip, or the source ends early.
    """
    if resample not in RESAMPLES:
        raise ClipError(unknown("filter", resample, RESAMPLES))
    width, height = size or clip.size
    if resample == CROP and (width > clip.width or height > clip.height):
        msg = f"clip {clip.name} has frames of {clip.width}x{clip.height}; {width}x{height} cannot be cut out of them"
        raise ClipError(msg)
    per_piece = max(1, PIECE_BYTES // (width * height * 3))
    piece: list[npt.NDArray[np.uint8]] = []
    count = 0
    for image in _folder_frames(clip) if clip.path.is_dir() else _video_frames(clip.path, clip.size):
        if count == clip.frames and not clip.whole:
            break
        if count == clip.frames:
            msg = f"clip {clip.path}: more frames than the {clip.frames} that it had when it was opened"
            raise ClipError(msg)
        piece.append(np.asarray(_resized(image, (width, height), resample)))
        count += 1
        if len(piece) == per_piece:
            yield np.stack(piece)
            piece = []
    if piece:
        yield np.stack(piece)
    if count != clip.frames:
        found = f"{clip.frames} frames announced, {count} could be decoded"
        msg = f"clip {clip.path}: {found}: the file is truncated or damaged"
        raise ClipError(msg)


def load(clip: Clip, size: Size | None = None, resample: str = DEFAULT_FILTER) -> Frames:
    """All frames as one array (N, H, W, 3), in memory or, if there are many, mapped from a temporary file."""
    width, height = size or clip.size
    frames: Frames = room((clip.frames, height, width, 3))
    start = 0
    for piece in read(clip, size, resample):
        frames[start : start + len(piece)] = piece
        start += len(piece)
    return frames


def frames_at(clip: Clip, indices: Sequence[int], size: Size | None = None, resample: str = DEFAULT_FILTER) -> Frames:
    """The frames of ``indices`` (each from 0 to frames − 1), in that order: (len(indices), H, W, 3)."""
    if bad := [index for index in indices if not 0 <= index < clip.frames]:
        msg = f"clip {clip.name} has frames 0 to {clip.frames - 1}; asked for {bad[0]}"
        raise ClipError(msg)
    width, height = size or clip.size
    frames: Frames = np.empty((len(indices), height, width, 3), np.uint8)
    start, last = 0, max(indices, default=-1)
    pieces = read(clip, size, resample)
    while start <= last:
        piece = next(pieces)
        for position, index in enumerate(indices):
            if start <= index < start + len(piece):
                frames[position] = piece[index - start]
        start += len(piece)
    return frames


def spread(frames: int, count: int) -> tuple[int, ...]:
    """``count`` frame indices spread evenly over a clip, first and last included.

    >>> spread(132, 3)
    (0, 66, 131)
    """
    return tuple(sorted({int(position) for position in np.linspace(0, frames - 1, min(count, frames)).round()}))


def _open_video(path: Path, name: str, credit: str | None, bounds: Bounds) -> Clip:
    """Read the header and walk the packets: enough to count frames and to see that a file was cut off."""
    try:
        with _container(path) as container:
            stream = _video_stream(path, container)
            width, height = stream.codec_context.width, stream.codec_context.height
            announced = stream.frames
            rate = stream.average_rate
            packets = shown = corrupt = 0
            for packet in container.demux(stream):
                packets += packet.size > 0
                shown += packet.size > 0 and not packet.is_discard  # an edit list discards what it cuts away
                corrupt += packet.is_corrupt
                bounds.check_frames(path, shown)
    except (av.FFmpegError, OSError) as error:
        reason = f"cannot be read as a video ({_reason(error)})"
        msg = f"clip {path}: {reason}; the file is damaged, truncated or not a video"
        raise ClipError(msg) from None
    bounds.check_pixels(path, width, height)
    if (size := path.stat().st_size) < (whole := announced_bytes(path) or 0):
        msg = f"clip {path}: {size} of the {whole} bytes that its header announces are there: the file is truncated"
        raise ClipError(msg)
    if not packets or packets < announced or corrupt:
        found = f"its header announces {announced or 'no number of'} frames, {packets - corrupt} are whole"
        msg = f"clip {path}: {found}: the file is truncated"
        raise ClipError(msg)
    # Where no count is announced, packets may outnumber frames (VP8 has invisible ones): only decoding tells.
    frames = shown if announced else sum(1 for _ in _video_frames(path, (width, height)))
    return Clip(name, path, frames, width, height, float(rate) if rate else None, _sha256([path]), credit)


def _container(path: Path) -> InputContainer:
    """The opened file. ``file:`` keeps a colon in a name from being read as a protocol."""
    options = {"format_whitelist": ",".join(VIDEO_FORMATS), "protocol_whitelist": "file"}
    try:
        return av.open(f"file:{path}", options=options)
    except (
        UnicodeDecodeError
    ):  # its tags, which nothing here reads; from 19 on PyAV has no such option and no such error
        return av.open(f"file:{path}", options=options, metadata_errors="replace")


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    """The first video stream that is not the cover picture of a piece of music."""
    for stream in container.streams.video:
        disposition = getattr(stream, "disposition", None)  # older PyAV does not say
        if "attached_pic" in (getattr(disposition, "name", None) or ""):
            continue
        if getattr(stream, "codec_context", None) is None:
            msg = f"clip {path}: its video is of a codec that this PyAV cannot decode"
            raise ClipError(msg)
        return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "no streams"
    msg = f"clip {path}: no video in it (found: {kinds})"
    raise ClipError(msg)


def _open_folder(path: Path, bounds: Bounds) -> Clip:
    files = _image_files(path)
    if not files:
        msg = f"clip {path}: a folder with no images in it (looked for {', '.join(IMAGE_SUFFIXES)})"
        raise ClipError(msg)
    bounds.check_frames(path, len(files))
    sizes: dict[Size, Path] = {}
    for file in files:
        with _image(path, file, "read as an image") as image:
            sizes.setdefault(image.size, file)
            mode = image.mode
        if mode not in EIGHT_BIT_MODES:
            msg = f"clip {path}: {file.name} has pixels of kind {mode}; convert it to 8 bits a channel"
            raise ClipError(msg)
    if len(sizes) > 1:
        found = ", ".join(f"{file.name} is {w}x{h}" for (w, h), file in list(sizes.items())[:3])
        msg = f"clip {path}: images of {len(sizes)} sizes ({found}); all frames of a clip have one size"
        raise ClipError(msg)
    ((width, height),) = sizes
    bounds.check_pixels(path, width, height)
    return Clip(path.resolve().name, path, len(files), width, height, None, _sha256(files, named=True))


@contextlib.contextmanager
def _image(folder: Path, file: Path, purpose: str) -> Iterator[Image.Image]:
    """An image with nothing but its header read; what Pillow raises here or in the block becomes a ClipError."""
    try:
        # Ours is the bound that counts; Pillow's own warning comes at 89 million pixels, its error at twice that.
        with warnings.catch_warnings(action="ignore"), Image.open(file, formats=IMAGE_FORMATS) as image:
            yield image
    except Image.DecompressionBombError:
        msg = f"clip {folder}: {file.name} has more pixels than any bound allows ({MOST_PIXELS}); make it smaller"
        raise ClipError(msg) from None
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, EOFError, MemoryError,
            RuntimeError, struct.error, zlib.error) as error:  # fmt: skip
        # All that damaged bytes can make Pillow's plugins raise; it declares none of it.
        msg = f"clip {folder}: {file.name} cannot be {purpose} ({_reason(error)})"
        raise ClipError(msg) from None


def _other_size(path: Path, index: int, found: Size, expected: Size) -> str:
    """The sentence for a frame that is not as large as the clip."""
    return f"clip {path}: frame {index} has {found[0]}x{found[1]} pixels, the clip {expected[0]}x{expected[1]}"


def _video_frames(path: Path, size: Size) -> Iterator[Image.Image]:
    try:
        with _container(path) as container:
            stream = _video_stream(path, container)
            stream.thread_type = "NONE"  # libav's VP8 decoder waits for ever in its slice threads on a damaged frame
            for index, frame in enumerate(container.decode(stream)):
                if frame.is_corrupt:
                    msg = f"clip {path}: frame {index} is damaged"
                    raise ClipError(msg)
                if (frame.width, frame.height) != size:  # before it is converted, for it may be huge
                    raise ClipError(_other_size(path, index, (frame.width, frame.height), size))
                yield Image.fromarray(frame.to_ndarray(format="rgb24"))
    except (av.FFmpegError, OSError) as error:
        msg = f"clip {path}: decoding stopped ({_reason(error)}): the file is truncated or damaged"
        raise ClipError(msg) from None


def _folder_frames(clip: Clip) -> Iterator[Image.Image]:
    for index, file in enumerate(_image_files(clip.path)):
        with _image(clip.path, file, "decoded") as image:
            if image.size != clip.size:
                raise ClipError(_other_size(clip.path, index, image.size, clip.size))
            frame = image.convert("RGB")
        yield frame


def _resized(image: Image.Image, size: Size, resample: str) -> Image.Image:
    if image.size == size:
        return image
    if resample == CROP:
        left, top = (image.width - size[0]) // 2, (image.height - size[1]) // 2
        return image.crop((left, top, left + size[0], top + size[1]))
    return image.resize(size, FILTERS[resample])


def _image_files(folder: Path) -> list[Path]:
    """The folder's images in natural order: frame2 before frame10. Hidden files are none of it."""
    files = (file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())
    return sorted((file for file in files if not file.name.startswith(".")), key=lambda file: _natural(file.name))


def _natural(name: str) -> tuple[list[tuple[str, int]], str]:
    """A key for sorting: pairs of text and the number after it, then all of it (frame01 and frame1 differ)."""
    parts = [*re.split(r"(\d+)", Path(name).stem), "0"]
    return [(text, int(number)) for text, number in zip(parts[::2], parts[1::2], strict=True)], name


def _sha256(files: Sequence[Path], *, named: bool = False) -> str:
    """A hash of the contents, and of the names where these give the order."""
    digest = hashlib.sha256()
    for file in files:
        if named:
            digest.update(file.name.encode(errors="surrogateescape") + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _reason(error: BaseException) -> str:
    """The library's own words, without the path it repeats."""
    text = getattr(error, "strerror", None) or str(error)
    return re.sub(r":? '[^']*'$", "", text.strip().splitlines()[0]) if text.strip() else type(error).__name__
