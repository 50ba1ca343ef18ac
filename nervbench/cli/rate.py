"""``nervbench rate``: bits and quality of networks beside conventional codecs, on the same frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nervbench.cli._said import as_json_option, say
from nervbench.codec.conventional import CODECS, PSNR, TUNES, parse_codecs

if TYPE_CHECKING:
    from nervbench.rates import RatePoint

PAGE = "rate.md"
PAGE_COMMAND = "nervbench rate --page -o FOLDER"


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
@as_json_option
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
    as_json: bool,
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
    if not only_page:
        from nervbench.cli._checkpoint import note
        from nervbench.sweep.rating import RateOrder, measure

        for point in measure(RateOrder(checkpoints, source, wanted, threads, frames, repeats), out, note):
            click.echo(line_of(point), err=True)
    points = rates.read(out / rates.FILE)
    for name, content in report.generate(points, PAGE_COMMAND).items():
        write_atomically(out / name, content)
    rows = [json.loads(rates.to_line(point)) for point in points] if as_json else []
    say(as_json, {"page": out / PAGE, "points": rows}, str(out / PAGE))


def line_of(point: RatePoint) -> str:
    """A point in a line, as it is made."""
    words = f"{point.method} {' '.join(point.settings.get(key, '') for key in ('pixel_format', 'crf'))}".strip()
    words += f", {point.threads} thread{'s' if point.threads != 1 else ''}: "
    if point.quality is None:
        return f"{words}{point.status.value}, {point.reason}"
    return f"{words}{point.quality.bits_per_pixel:.4f} bits per pixel, PSNR {point.quality.psnr_db:.2f} dB"
