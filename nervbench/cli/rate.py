"""``nervbench rate``: bits and quality of networks beside conventional codecs, on the same frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nervbench.codec.conventional import CODECS, PSNR, TUNES, Setup, setups
from nervbench.errors import ConfigError, unknown

if TYPE_CHECKING:
    from nervbench.data.clip import Clip, Frames
    from nervbench.device.base import Device
    from nervbench.model.checkpoint import Checkpoint
    from nervbench.rates import RatePoint, Source

POINTS, PAGE = "points.jsonl", "rate.md"
PAGE_COMMAND = "nervbench rate --page -o FOLDER"
MOST_THREADS = 1024


@dataclass(frozen=True, slots=True)
class Network:
    """A checkpoint to measure, the size of the file that decodes it, and the hash of its weights."""

    name: str
    loaded: Checkpoint
    size_bytes: int
    sha256: str


@click.command()
@click.argument("checkpoints", nargs=-1)
@click.option(
    "--clip", "source", default="bigbuckbunny", show_default=True, help="A video, a folder, or 'bigbuckbunny'."
)
@click.option(
    "--codecs",
    default="x264,x265,svt-av1",
    show_default=True,
    help=f"Which of {', '.join(CODECS)}; a preset goes behind a colon: x265:slow.",
)
@click.option("--threads", default="1,all", show_default=True, help="Thread counts; each is a row of its own.")
@click.option("--frames", type=click.IntRange(1), help="Only so many frames, from the start.  [default: all]")
@click.option(
    "--repeats", type=click.IntRange(2, 1000), default=3, show_default=True, help="Timed passes, after one of warm-up."
)
@click.option("--tune", type=click.Choice(TUNES), default=PSNR, show_default=True, help="What x264 and x265 aim at.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder of points and page.")
@click.option("--page", "only_page", is_flag=True, help="Measure nothing; write the page again from the points there.")
def command(
    checkpoints: tuple[str, ...],
    source: str,
    codecs: str,
    threads: str,
    frames: int | None,
    repeats: int,
    tune: str,
    out: Path,
    only_page: bool,
) -> None:
    """Put CHECKPOINTS (files, or names of shipped models) beside conventional codecs: bits, quality, speed.

    The codecs encode the clip at the size of each checkpoint (without any, at its own) at several constant qualities.
    Points that are in the folder already are not made again; those that were UNSUPPORTED are tried once more.

    \b
    Example:  nervbench rate nerv-xs -o runs/rate
              nervbench rate nerv-s.safetensors --clip bunny.mp4 --codecs x264:slow,svt-av1:4 --threads all -o runs/rate
    """  # noqa: D301 (click wants the character)
    from nervbench import rates
    from nervbench.files import writable_folder, write_atomically
    from nervbench.report import rate as report

    wanted = parse_codecs(codecs, tune)
    writable_folder(out)
    made = {point.key: point for point in rates.read(out / POINTS)}
    if not only_page:
        for point in _new_points(made, checkpoints, source, wanted, threads, frames, repeats):
            if made.get(point.key) != point:
                rates.append(out / POINTS, point)
                made[point.key] = point
            click.echo(_line(point), err=True)
    for name, content in report.generate(list(made.values()), PAGE_COMMAND).items():
        write_atomically(out / name, content)
    click.echo(out / PAGE)


def parse_codecs(text: str, tune: str) -> list[Setup]:
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
    return found


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


def _new_points(
    made: dict[tuple[object, ...], RatePoint],
    checkpoints: Sequence[str],
    source: str,
    wanted: Sequence[Setup],
    threads: str,
    frames: int | None,
    repeats: int,
) -> Iterator[RatePoint]:
    """Measure what is not there yet."""
    from nervbench.data.clip import open_clip
    from nervbench.device.cpu import CpuDevice

    device = CpuDevice()
    counts = parse_threads(threads, device.card().threads or 1)
    clip = open_clip(source)
    if frames and frames > clip.frames:
        msg = f"--frames {frames}: the clip {clip.name} has {clip.frames}; leave it out to take all"
        raise ConfigError([msg])
    networks = [_network(name, clip) for name in checkpoints]
    for scene, beside in _scenes(clip, networks, frames or clip.frames).items():
        scene_frames = _Frames(clip, scene)
        yield from _codec_points(made, wanted, counts, scene_frames, device, repeats)
        yield from _network_points(made, beside, counts, scene_frames, device)


class _Frames:
    """The frames of a scene, read when they are first asked for: where all points are there already, never."""

    def __init__(self, clip: Clip, source: Source) -> None:
        self.clip = clip
        self.source = source
        self._frames: Frames | None = None

    def __call__(self) -> Frames:
        from nervbench.data.clip import DEFAULT_FILTER, RESAMPLES, frames_at, load

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


def _scenes(clip: Clip, networks: Sequence[Network], frames: int) -> dict[Source, list[Network]]:
    """The networks by the frames that they are judged by; the clip as it is where there is no network."""
    from nervbench.data.clip import AS_IT_IS, trained_filter
    from nervbench.rates import Source

    if not networks:
        return {Source(clip.name, clip.sha256, clip.width, clip.height, frames, AS_IT_IS): []}
    found: dict[Source, list[Network]] = {}
    for network in networks:
        size = (network.loaded.spec.width, network.loaded.spec.height)
        resample = AS_IT_IS if size == clip.size else trained_filter(network.loaded.notes)
        found.setdefault(Source(clip.name, clip.sha256, *size, frames, resample), []).append(network)
    return found


def _codec_points(
    made: dict[tuple[object, ...], RatePoint],
    wanted: Sequence[Setup],
    counts: Sequence[int],
    frames: _Frames,
    device: Device,
    repeats: int,
) -> Iterator[RatePoint]:
    from dataclasses import replace

    from nervbench.codec.points import codec_point, conversion_psnr_db, measured
    from nervbench.records import Status

    bounds: dict[str, float] = {}
    for setup in wanted:
        for threads in counts:
            point = codec_point(setup, frames.source, threads, device)
            if point.key in made and made[point.key].status is Status.OK:
                continue
            if setup.pixel_format not in bounds:
                bounds[setup.pixel_format] = conversion_psnr_db(frames(), setup.pixel_format)
            point = replace(point, conversion_psnr_db=bounds[setup.pixel_format])
            yield measured(point, setup, frames(), frames.clip.fps, device, repeats)


def _network_points(
    made: dict[tuple[object, ...], RatePoint],
    networks: Sequence[Network],
    counts: Sequence[int],
    frames: _Frames,
    device: Device,
) -> Iterator[RatePoint]:
    from nervbench.codec.network import measured, network_point

    for network in networks:
        for threads in counts:
            point = network_point(network.name, network.loaded, network.sha256, frames.source, threads, device)
            if point.key not in made:
                yield measured(point, network.loaded, network.size_bytes, frames(), frames.clip.frames, device)


def _network(name: str, clip: Clip) -> Network:
    """A checkpoint with the size of the file that decodes it."""
    from nervbench.cli._checkpoint import opened
    from nervbench.scoring import check_same_length

    loaded = opened(name)
    check_same_length(name, loaded, clip)
    return Network(Path(name).stem if Path(name).is_file() else name, loaded, loaded.size_bytes, loaded.sha256())


def _line(point: RatePoint) -> str:
    """A point in a line, as it is made."""
    words = f"{point.method} {' '.join(point.settings.get(key, '') for key in ('pixel_format', 'crf'))}".strip()
    words += f", {point.threads} thread{'s' if point.threads != 1 else ''}: "
    if point.quality is None:
        return f"{words}{point.status.value}, {point.reason}"
    return f"{words}{point.quality.bits_per_pixel:.4f} bits per pixel, PSNR {point.quality.psnr_db:.2f} dB"
