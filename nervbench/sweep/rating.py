"""Networks and conventional codecs on the same frames: points of rate and distortion, each written when it is made.

The same order again goes on: a point that is in the folder is not made again, one that was UNSUPPORTED is tried once
more. Points run one after the other in this process, because each takes the threads that it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nervbench import rates
from nervbench.codec import network as networks
from nervbench.codec import points as codecs
from nervbench.codec.conventional import Setup
from nervbench.data.clip import (
    AS_IT_IS,
    DEFAULT_FILTER,
    RESAMPLES,
    Clip,
    Frames,
    frames_at,
    load,
    open_clip,
    trained_filter,
)
from nervbench.device.base import Device
from nervbench.device.cpu import CpuDevice
from nervbench.errors import ConfigError
from nervbench.files import writable_folder
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.source import opened
from nervbench.rates import RatePoint, Source
from nervbench.records import Status
from nervbench.scoring import check_same_length

MOST_THREADS = 1024
Made = Mapping[tuple[object, ...], RatePoint]
"""The points that are there, by their keys."""


@dataclass(frozen=True, slots=True)
class RateOrder:
    """What to put beside what.

    ``checkpoints`` are files or names of shipped models, ``source`` a clip as :func:`open_clip` takes it, brought to
    the size of each checkpoint (without any, as it is). ``threads`` are counts, or a text such as ``1,all``; each is a
    point of its own. ``frames`` are so many from the start, None all. ``repeats`` are timed passes of a codec.
    """

    checkpoints: tuple[str, ...]
    source: str
    setups: tuple[Setup, ...]
    threads: str | tuple[int, ...] = "1,all"
    frames: int | None = None
    repeats: int = 3


@dataclass(frozen=True, slots=True)
class Network:
    """A checkpoint to measure, the size of the file that decodes it, and the hash of its weights."""

    name: str
    loaded: Checkpoint
    size_bytes: int
    sha256: str


def measure(order: RateOrder, folder: Path, tell: Callable[[str], object] = lambda _: None) -> Iterator[RatePoint]:
    """Yield every point of the order that is not in ``folder`` yet, as soon as it has been written there.

    One that was UNSUPPORTED and is so again for the same reason is yielded and not written twice. ``tell`` is called
    with what had to be assumed of a checkpoint. Raises ConfigError, ClipError and CheckpointError for an order that
    cannot be followed, ResultsError for a damaged file of points and OutputError where none can be written.
    """
    file = writable_folder(folder) / rates.FILE
    made = {point.key: point for point in rates.read(file)}
    for point in _new_points(order, made, tell):
        if made.get(point.key) != point:
            rates.append(file, point)
            made[point.key] = point
        yield point


def parse_threads(text: str, most: int) -> list[int]:
    """The counts of ``1,all``, each once; ``most`` is all. Raises ConfigError for what is no such number.

    >>> parse_threads("1,all", 8), parse_threads("1,all", 1)
    ([1, 8], [1])
    """
    found: list[int] = []
    for part in (part.strip() for part in text.split(",")):
        if part != "all" and not (part.isascii() and part.isdigit() and 1 <= int(part[:9]) <= MOST_THREADS):
            msg = f"--threads: '{part[:40]}' is no number of threads; write 1 to {MOST_THREADS}, or all"
            raise ConfigError([msg])
        found.append(most if part == "all" else int(part))
    return list(dict.fromkeys(found))


def _new_points(order: RateOrder, made: Made, tell: Callable[[str], object]) -> Iterator[RatePoint]:
    """Measure what is not there yet."""
    device = CpuDevice()
    text = order.threads if isinstance(order.threads, str) else ",".join(map(str, order.threads))
    counts = parse_threads(text, device.card().threads or 1)
    clip = open_clip(order.source)
    if order.frames is not None and not 1 <= order.frames <= clip.frames:
        msg = f"--frames {order.frames}: the clip {clip.name} has {clip.frames}; leave it out to take all"
        raise ConfigError([msg])
    found = [_network(name, clip, tell) for name in order.checkpoints]
    for scene, beside in _scenes(clip, found, order.frames or clip.frames).items():
        frames = _Frames(clip, scene)
        yield from _codec_points(order, made, counts, frames, device)
        yield from _network_points(made, beside, counts, frames, device)


def _network(name: str, clip: Clip, tell: Callable[[str], object]) -> Network:
    """A checkpoint with the size of the file that decodes it."""
    loaded = opened(name, tell)
    check_same_length(name, loaded, clip)
    return Network(Path(name).stem if Path(name).is_file() else name, loaded, loaded.size_bytes, loaded.sha256())


def _scenes(clip: Clip, found: Sequence[Network], frames: int) -> dict[Source, list[Network]]:
    """The networks by the frames that they are judged by; the clip as it is where there is no network."""
    if not found:
        return {Source(clip.name, clip.sha256, clip.width, clip.height, frames, AS_IT_IS): []}
    scenes: dict[Source, list[Network]] = {}
    for network in found:
        size = (network.loaded.spec.width, network.loaded.spec.height)
        resample = AS_IT_IS if size == clip.size else trained_filter(network.loaded.notes)
        scenes.setdefault(Source(clip.name, clip.sha256, *size, frames, resample), []).append(network)
    return scenes


class _Frames:
    """The frames of a scene, read when they are first asked for: where all points are there already, never."""

    def __init__(self, clip: Clip, source: Source) -> None:
        self.clip = clip
        self.source = source
        self._frames: Frames | None = None

    def __call__(self) -> Frames:
        if self._frames is None:
            size = (self.source.width, self.source.height)
            resample = self.source.resample if self.source.resample in RESAMPLES else DEFAULT_FILTER
            every = self.source.frames == self.clip.frames
            self._frames = (
                load(self.clip, size, resample)
                if every
                else frames_at(self.clip, range(self.source.frames), size, resample)
            )
        return self._frames


def _codec_points(
    order: RateOrder, made: Made, counts: Sequence[int], frames: _Frames, device: Device
) -> Iterator[RatePoint]:
    bounds: dict[str, float] = {}
    for setup in order.setups:
        for threads in counts:
            point = codecs.codec_point(setup, frames.source, threads, device)
            if point.key in made and made[point.key].status is Status.OK:
                continue
            if setup.pixel_format not in bounds:
                bounds[setup.pixel_format] = codecs.conversion_psnr_db(frames(), setup.pixel_format)
            point = replace(point, conversion_psnr_db=bounds[setup.pixel_format])
            yield codecs.measured(point, setup, frames(), frames.clip.fps, device, order.repeats)


def _network_points(
    made: Made, found: Sequence[Network], counts: Sequence[int], frames: _Frames, device: Device
) -> Iterator[RatePoint]:
    for each in found:
        for threads in counts:
            point = networks.network_point(each.name, each.loaded, each.sha256, frames.source, threads, device)
            if point.key not in made:
                yield networks.measured(point, each.loaded, each.size_bytes, frames(), frames.clip.frames, device)
