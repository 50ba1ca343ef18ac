"""``nervbench decode``: frames of a checkpoint as a video or as images."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from nervbench.cli._progress import progress
from nervbench.cli._said import as_json_option, say
from nervbench.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    import numpy.typing as npt

    from nervbench.data.clip import Frames
    from nervbench.model.checkpoint import Checkpoint

MOST_FRAMES = 10_000_000


@click.command()
@click.argument("checkpoint")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, help="A .mp4 file, or a folder for PNG files."
)
@click.option("--frames", "chosen", help="Which: 0,65,131 or 10:20 (the end is left out).  [default: all]")
@click.option(
    "--fps", type=click.FloatRange(0.1, 1000), default=25.0, show_default=True, help="Frames a second of the mp4."
)
@click.option("--total", type=click.IntRange(1, 1 << 24), help="Frames of the clip, where the checkpoint does not say.")
@click.option(
    "--times",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    help="Slow motion: so many frames for each, those between two frames from the same weights. --frames counts them.",
)
@click.option(
    "--beside",
    "source",
    help="Put this source on the left of each frame: a video, a folder of images, or 'bigbuckbunny'.",
)
@as_json_option
def command(
    checkpoint: str,
    out: Path,
    chosen: str | None,
    fps: float,
    total: int | None,
    times: int,
    source: str | None,
    as_json: bool,
) -> None:
    """Decode CHECKPOINT (a file, or the name of a shipped model) in fp32 to a video, or to PNG files named by frame.

    \b
    Example:  nervbench decode nerv-xs -o bunny.mp4
              nervbench decode nerv-xs -o frames --frames 0,65,131
              nervbench decode nerv-xs -o slow.mp4 --times 4 --beside bigbuckbunny
    """  # noqa: D301 (click wants the character)
    as_video = _wants_video(out)
    from nervbench.cli._checkpoint import opened
    from nervbench.data.video import write_images, write_video

    loaded = opened(checkpoint)
    frames = _length(checkpoint, loaded, total)
    count = times * (frames - 1) + 1  # after the last frame there is nothing to be between
    indices = parse_frames(chosen, count) if chosen is not None else range(count)
    pieces = _with_progress(loaded, frames * times, indices)
    width = loaded.spec.width
    if source:
        pieces = _beside(pieces, _sources(source, loaded, frames, indices, times))
        width *= 2
    if as_video:
        write_video(out, (piece for _, piece in pieces), fps)
    else:
        write_images(out, pieces)
    found = {"out": out, "frames": len(indices), "width": width, "height": loaded.spec.height}
    say(as_json, found, f"{out}: {len(indices)} frames of {width}×{loaded.spec.height}")


def parse_frames(text: str, frames: int) -> tuple[int, ...]:
    """The indices of ``0,65,131``, ``a:b`` (b left out; either may be missing) or both, in the order given.

    Raises ConfigError with every part that cannot be used.

    >>> parse_frames("0,7:9", 10)
    (0, 7, 8)
    """
    indices: list[int] = []
    problems: list[str] = []
    for part in text.split(","):
        found = re.fullmatch(r"([0-9]{0,9})(:?)([0-9]{0,9})", part.strip())
        if not found or not any(found.groups()):
            problems.append(f"--frames: '{part.strip()[:40]}' is not a frame; write 0,65,131 or 10:20")
            continue
        first, colon, last = found.groups()
        start = int(first or 0)
        stop = int(last or frames) if colon else start + 1
        if not start < stop <= frames:
            problems.append(f"--frames: '{part.strip()}' is empty or out of range; frames are 0 to {frames - 1}")
            continue
        if len(indices) + stop - start > MOST_FRAMES:
            problems.append(f"--frames: more than {MOST_FRAMES:,} frames; decode them in parts")
            break
        indices += range(start, stop)
    if problems:
        raise ConfigError(problems)
    return tuple(indices)


def _wants_video(out: Path) -> bool:
    if out.is_dir() or not out.suffix:
        return False
    if out.suffix.lower() == ".mp4":
        return True
    msg = f"--out: cannot write '{out.suffix}' files ({out.name}); give a .mp4 file, or a folder for PNG files"
    raise ConfigError([msg])


def _length(name: str, loaded: Checkpoint, total: int | None) -> int:
    """The T of t / T, from the file or else from the command line."""
    if loaded.frames is None and total is None:
        msg = f"checkpoint {name} does not say how many frames its clip has; give it with --total"
        raise CheckpointError(msg)
    if loaded.frames is not None and total not in (None, loaded.frames):
        msg = f"checkpoint {name} has {loaded.frames} frames, --total says {total}; leave it out"
        raise ConfigError([msg])
    return loaded.frames or total or 1


def _sources(
    source: str, loaded: Checkpoint, frames: int, indices: Sequence[int], times: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """The source frame (H, W, 3) of each index; of one between two frames, the earlier of them.

    The clip is read once, from the beginning. Raises ConfigError where the indices go back, or the clip is another.
    """
    from nervbench.data.clip import open_clip, read, trained_filter

    clip = open_clip(source)
    if clip.frames != frames:
        msg = f"--beside: the clip {clip.name} has {clip.frames} frames, the checkpoint {frames}"
        raise ConfigError([msg])
    if any(later < earlier for earlier, later in itertools.pairwise(indices)):
        msg = "--beside reads the source in order; give --frames in rising order"
        raise ConfigError([msg])
    size = (loaded.spec.width, loaded.spec.height)
    return _each(read(clip, size, trained_filter(loaded.notes)), indices, times)


def _each(pieces: Iterator[Frames], indices: Sequence[int], times: int) -> Iterator[npt.NDArray[np.uint8]]:
    """The frame index // times of a clip's pieces, for each index."""
    numbered = enumerate(itertools.chain.from_iterable(pieces))
    number, frame = next(numbered)
    for index in indices:
        while number < index // times:
            number, frame = next(numbered)
        yield frame


def _beside(
    pieces: Iterator[tuple[Sequence[int], Frames]], sources: Iterator[npt.NDArray[np.uint8]]
) -> Iterator[tuple[Sequence[int], Frames]]:
    """Each frame with its source on the left: (N, H, 2 · W, 3)."""
    for some, piece_NHW3 in pieces:
        left_NHW3 = np.stack(list(itertools.islice(sources, len(piece_NHW3))))
        yield some, np.concatenate([left_NHW3, piece_NHW3], axis=2)


def _with_progress(loaded: Checkpoint, frames: int, indices: Sequence[int]) -> Iterator[tuple[Sequence[int], Frames]]:
    from nervbench.scoring import decoded

    done = 0
    with progress("decode", len(indices)) as advance:
        for some, piece in decoded(loaded, frames, indices):
            yield some, piece
            done += len(some)
            advance(done, "")
