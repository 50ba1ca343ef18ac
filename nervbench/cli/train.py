"""``nervbench train``: a clip in, a checkpoint out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from nervbench.cli._progress import progress
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
    help="A video, a folder of images, or 'bigbuckbunny'.",
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
def command(model: str, source: str, out: Path | None, **options: int | float | str) -> None:
    r"""Train MODEL on a clip by the authors' recipe (Adam, batch 1, warm-up and cosine, Fusion6).

    Run the same command again to continue after an interruption: the result is that of an uninterrupted run.

    \b
    Example:  nervbench train nerv-xs --epochs 200 -o runs/bunny
    """
    from nervbench.data.clip import DEFAULT_FILTER, load, open_clip
    from nervbench.files import writable_folder
    from nervbench.model import checkpoint
    from nervbench.model.zoo import spec_of
    from nervbench.train.loop import train, trained

    recipe = replace(DEFAULT, **options)  # type: ignore[arg-type]
    spec = spec_of(model)
    clip = open_clip(source)
    folder = writable_folder(out or Path("runs") / model)
    size = (spec.width, spec.height)
    frames = load(clip, size)
    with progress(f"train {model}", recipe.epochs) as advance:
        for epoch in train(spec, frames, recipe, folder):
            advance(epoch.number, f"loss {epoch.loss:.4f} PSNR {epoch.psnr_db:.2f} dB")
    resized = "none" if clip.size == size else DEFAULT_FILTER
    notes = {"clip": clip.name, "clip_sha256": clip.sha256, "resized_with": resized, "recipe": recipe.to_json()}
    if clip.credit:
        notes["credit"] = clip.credit
    target = folder / f"{model}.safetensors"
    checkpoint.save(target, trained(spec, clip.frames, folder, notes))
    click.echo(f"{target}: trained for {recipe.epochs} epochs; score it with: nervbench eval {target} --clip {source}")
