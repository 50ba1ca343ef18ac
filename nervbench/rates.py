"""Points of rate and distortion: what a file of a video costs in bits, how good its frames are, how fast it decodes.

One JSON line a point, kept and read as results are (:mod:`nervbench.store`). A point that could not be made is a line
too, with its reason.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from nervbench import store
from nervbench.records import Quality, Status

SCHEMA = 1
"""The version of a line. A reader refuses a newer one."""
CODEC, NETWORK = "codec", "network"
FILE = "points.jsonl"
"""The name of a file of points in its folder."""


@dataclass(frozen=True, slots=True)
class Source:
    """What was encoded: ``frames`` of a clip from its start, brought to a size by the filter ``resample``."""

    clip: str
    clip_sha256: str
    width: int
    height: int
    frames: int
    resample: str


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of one kind of work on ``frames`` frames a sample.

    ``cpu_s`` is what the process had of all processors during each sample; the calls before the first one
    (``warm_up_s``) are kept apart.
    """

    frames: int
    samples_s: tuple[float, ...]
    cpu_s: tuple[float, ...] = ()
    warm_up_s: tuple[float, ...] = ()

    @property
    def fps(self) -> float | None:
        """Frames a second, from the median; None without samples."""
        middle = median(self.samples_s) if self.samples_s else 0.0
        return self.frames / middle if middle > 0 else None

    @property
    def cores(self) -> float | None:
        """Processors that were kept busy, on average over the samples."""
        wall = sum(self.samples_s)
        return sum(self.cpu_s) / wall if self.cpu_s and wall > 0 else None


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One file of a video, by a codec or a network (``kind``).

    ``settings`` is all that decides the file; ``threads`` is what encoder and decoder were told to use, ``device``
    what they ran on. ``payload_bytes`` are the packets alone, without the container, where there is one.
    ``conversion_psnr_db`` is the PSNR of frames that were only brought to the codec's pixel format and back.
    ``encode`` is None where it was not recorded; ``decode`` ends with frames in the codec's own format (a network has
    none but RGB), ``decode_rgb`` with RGB frames of uint8 in memory. ``encoder`` is the version that the encoder says.
    """

    method: str
    kind: str
    settings: dict[str, str]
    threads: int
    device: str
    source: Source
    versions: dict[str, str]
    status: Status = Status.OK
    reason: str | None = None
    encoder: str | None = None
    size_bytes: int | None = None
    payload_bytes: int | None = None
    conversion_psnr_db: float | None = None
    quality: Quality | None = None
    encode: Timed | None = None
    decode: Timed | None = None
    decode_rgb: Timed | None = None
    remark: str | None = None
    schema: int = SCHEMA

    @property
    def key(self) -> tuple[object, ...]:
        """What two points have in common that would come out the same."""
        named = (tuple(sorted(pairs.items())) for pairs in (self.settings, self.versions))
        return (self.method, *named, self.threads, self.device, self.source)


def to_line(point: RatePoint) -> str:
    """One point as one line of JSON, without the newline. Raises ResultsError where it holds a NaN or an infinity."""
    return store.line_of(dataclasses.asdict(point), f"the point of {point.method}")


def from_line(line: str) -> RatePoint:
    """The point of one line; raises ResultsError where it is none, or has a newer schema."""
    return store.valid(line, RatePoint, SCHEMA)


def append(path: Path, point: RatePoint) -> None:
    """Add one point with a single synced write; raises OutputError where the file cannot be written."""
    store.append_line(path, to_line(point))


def read(path: Path) -> list[RatePoint]:
    """The points of a file, of those made again only the last; none where there is no file.

    Raises ResultsError with the number of a line that is not a point.
    """
    return store.read_last(path, from_line)
