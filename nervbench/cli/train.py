"""``nervbench train``: a clip in, a checkpoint out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from nervbench.cli._progress import progress
from nervbench.cli._trainings import train_each, videos_in
from nervbench.train.loop import Recipe
from nervbench.train.losses import LOSSES

DEFAULT = Recipe()


@click.command()
@click.argument("model")
@click.option(
    "--clip",
    "source",
    default="bigbuckbunny",
    show_default=True,
    help="A video, a folder of images, 'bigbuckbunny', or a folder of videos: each is trained by itself.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the run; an unfinished run there is continued.  [default: runs/MODEL]",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=DEFAULT.epochs,
    show_default=True,
    help="Times that every frame is seen.",
)
@click.option("--batch", type=click.IntRange(1), default=DEFAULT.batch, show_default=True, help="Frames a step.")
@click.option(
    "--learning-rate", type=click.FloatRange(0, min_open=True), default=DEFAULT.learning_rate, show_default=True
)
@click.option("--loss", type=click.Choice(sorted(LOSSES)), default=DEFAULT.loss, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=DEFAULT.seed, show_default=True)
@click.option(
    "--save-every",
    type=click.IntRange(1),
    default=DEFAULT.save_every,
    show_default=True,
    help="Epochs between saved states.",
)
def command(model: str, source: str, out: Path | None, **options: int | float | str) -> int:
    r"""Train MODEL on a clip by the authors' recipe (Adam, batch 1, warm-up and cosine, Fusion6).

    Run the same command again to continue after an interruption: the result is that of an uninterrupted run.

    \b
    Example:  nervbench train nerv-xs --epochs 200 -o runs/bunny
    """
    from nervbench.sweep.local import told
    from nervbench.train.whole import Order, train_whole

    recipe = replace(DEFAULT, **options)  # type: ignore[arg-type]
    if videos := videos_in(Path(source)):
        return train_each(model, videos, recipe, out or Path("runs") / model)
    order = Order(model, source, recipe, out or Path("runs") / model)
    with progress(f"train {model}", recipe.epochs) as advance:
        target = told(
            train_whole(order),
            lambda epoch: advance(epoch.number, f"loss {epoch.loss:.4f} PSNR {epoch.psnr_db:.2f} dB"),
        )
    click.echo(f"{target}: trained for {recipe.epochs} epochs; score it with: nervbench eval {target} --clip {source}")
    return 0
