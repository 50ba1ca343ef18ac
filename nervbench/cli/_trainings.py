"""Several trainings of one command: told line by line as they end, and a table at last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nervbench.cli._said import of_trials, say

if TYPE_CHECKING:
    from nervbench.sweep.jobs import TrainJob
    from nervbench.train.loop import Recipe
    from nervbench.trials import Trial

FAILED = 4
VIDEO_SUFFIXES = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".mpeg", ".ts", ".webm", ".y4m")
TIMEOUT_S = 30 * 24 * 3600.0


def videos_in(folder: Path) -> list[Path]:
    """The videos of a folder that is no clip itself: one with images in it is one clip."""
    from nervbench.data.clip import IMAGE_SUFFIXES

    if not folder.is_dir():
        return []
    files = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]
    if any(file.suffix.lower() in IMAGE_SUFFIXES for file in files):
        return []
    return sorted(file for file in files if file.suffix.lower() in VIDEO_SUFFIXES)


def train_each(model: str, videos: Sequence[Path], recipe: Recipe, out: Path, place: str, as_json: bool = False) -> int:
    """Train the model on each video, in ``out / name of the video``; the exit code."""
    from nervbench.files import writable_folder
    from nervbench.model.zoo import spec_of
    from nervbench.sweep.jobs import TrainJob
    from nervbench.train.whole import settings

    spec_of(model)
    folder = writable_folder(out)
    jobs = [
        TrainJob(path.name, model, path.stem, str(path.resolve()), settings(recipe), folder / path.name, place)
        for path in videos
    ]
    return do(jobs, folder, as_json)


def do(jobs: Sequence[TrainJob], folder: Path, as_json: bool = False) -> int:
    """What is left of the jobs, then the table of all; the exit code: 4 where some failed."""
    train_left(jobs, folder)
    if as_json:
        say(as_json, {"trainings": of_trials(rows_of(jobs, folder))}, "")
    return table_of(jobs, folder, shown=not as_json)


def train_left(jobs: Sequence[TrainJob], folder: Path) -> None:
    """What is left of the jobs, told line by line."""
    from nervbench import trials
    from nervbench.sweep.training import left_to_do, train_all

    left = len(left_to_do(jobs, folder))
    if left < len(jobs):
        click.echo(f"{len(jobs) - left} of {len(jobs)} trainings have their row in {folder / trials.FILE}", err=True)
    for step in train_all(jobs, folder, TIMEOUT_S):
        click.echo(line_of(step), err=True)


def table_of(jobs: Sequence[TrainJob], folder: Path, shown: bool = True) -> int:
    """Print what came of the jobs, unless it is not to be shown; the exit code: 4 where some failed."""
    from nervbench.records import Status

    found = rows_of(jobs, folder)
    if shown:
        _table(found)
    return 0 if all(trial.status is Status.OK for trial in found) else FAILED


def rows_of(jobs: Sequence[TrainJob], folder: Path) -> list[Trial]:
    """The rows of the jobs, as far as they are there."""
    from nervbench import trials
    from nervbench.sweep.training import unstarted

    wanted = {unstarted(job).key for job in jobs}
    return [trial for trial in trials.read(folder / trials.FILE) if trial.key in wanted]


def line_of(step: TrainJob | Trial) -> str:
    """What begins, or how it ended."""
    from nervbench.records import Status
    from nervbench.trials import Trial

    if not isinstance(step, Trial):
        return f"{step.name} …"
    if step.status is not Status.OK:
        return f"{step.name}: {step.status.value}, {step.reason}"
    if step.quality is None:
        return f"{step.name}: stopped after {step.epochs} epochs"
    return f"{step.name}: {step.epochs} epochs, PSNR {step.quality.psnr_db:.2f} dB"


def _table(found: Sequence[Trial]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from nervbench.records import Status
    from nervbench.units import fixed, prefixed

    table = Table(box=None, pad_edge=False)
    for heading in ("training", "epochs", "PSNR", "worst", "MS-SSIM", "an epoch"):
        table.add_column(heading, justify="left" if heading == "training" else "right")
    for trial in found:
        cells = [str(trial.epochs) if trial.status is Status.OK else trial.status.value]
        if quality := trial.quality:
            psnr = (f"{quality.psnr_db:.2f} dB", f"{quality.psnr_worst_db:.2f} dB")
            cells = [str(trial.epochs), *psnr, fixed(quality.ms_ssim, 4), prefixed(trial.usual_epoch_s, "s")]
        table.add_row(Text(trial.name), *map(Text, cells))
    Console().print(table)
