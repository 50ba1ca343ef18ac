"""``nervbench train``: a clip in, a checkpoint out."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_type_hints

import click

from nervbench.cli._progress import progress
from nervbench.cli._said import as_json_option, say
from nervbench.cli._trainings import train_each, videos_in
from nervbench.errors import unknown
from nervbench.records import PLACES
from nervbench.train.losses import LOSSES
from nervbench.train.state import Recipe

if TYPE_CHECKING:
    from nervbench.train.loop import Epoch

DEFAULT = Recipe()
PRECISIONS = get_args(get_type_hints(Recipe)["precision"])


def _known_loss(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if name not in LOSSES:
        raise click.BadParameter(unknown("loss", name, LOSSES))
    return name


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
@click.option(
    "--batch", type=click.IntRange(1), default=DEFAULT.batch, show_default=True, help="Frames computed together."
)
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    default=DEFAULT.accumulate,
    show_default=True,
    help="Batches a step: their gradients are averaged, as if the batch were so many times as large.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    default=DEFAULT.learning_rate,
    show_default=True,
    help="The highest, between warm-up and cosine.",
)
@click.option(
    "--warmup-share",
    type=click.FloatRange(0, 1, max_open=True),
    default=DEFAULT.warmup_share,
    show_default=True,
    help="Share of the epochs in which the learning rate rises.",
)
@click.option(
    "--loss",
    metavar="NAME",
    callback=_known_loss,
    default=DEFAULT.loss,
    show_default=True,
    help="l1, l2, ssim, or a mix of the authors: fusion1 to fusion12.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default=DEFAULT.precision,
    show_default=True,
    help="bf16: the network runs under autocast; weights, loss and optimiser stay in fp32.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=DEFAULT.seed,
    show_default=True,
    help="Of the first weights and of the order of frames.",
)
@click.option(
    "--save-every",
    type=click.IntRange(1),
    default=DEFAULT.save_every,
    show_default=True,
    help="Epochs between saved states.",
)
@click.option(
    "--evaluate-every",
    type=click.IntRange(0),
    default=DEFAULT.evaluate_every,
    show_default=True,
    help="Epochs between decodings of all frames, for their PSNR as a viewer gets them; 0 is never.",
)
@click.option(
    "--tensorboard",
    is_flag=True,
    help="Write loss, PSNR, learning rate and seconds of every epoch to RUN/tensorboard; needs nervbench[tensorboard].",
)
@click.option(
    "--device",
    "place",
    type=click.Choice(PLACES),
    default="cpu",
    show_default=True,
    help="Where to train; cuda is an NVIDIA GPU.",
)
@as_json_option
def command(
    model: str,
    source: str,
    out: Path | None,
    tensorboard: bool,
    place: str,
    as_json: bool,
    **options: int | float | str,
) -> int:
    r"""Train MODEL on a clip by the authors' recipe (Adam, batch 1, warm-up and cosine, Fusion6).

    Run the same command again to continue after an interruption: the result is that of an uninterrupted run.

    \b
    Example:  nervbench train nerv-xs --epochs 200 -o runs/bunny
    """
    from nervbench.device.cpu import CpuDevice
    from nervbench.errors import ConfigError
    from nervbench.sweep.local import told
    from nervbench.train.scalars import need, scalars
    from nervbench.train.whole import Order, train_whole

    recipe = replace(DEFAULT, **options)  # type: ignore[arg-type]
    folder = out or Path("runs") / model
    if videos := videos_in(Path(source)):
        if tensorboard:
            msg = f"--tensorboard is for one clip, and {source} is a folder of {len(videos)} videos; train one by one"
            raise ConfigError([msg])
        return train_each(model, videos, recipe, folder, place, as_json)
    if tensorboard:
        need()
    with ExitStack() as opened:
        advance = opened.enter_context(progress(f"train {model}", recipe.epochs))
        write = opened.enter_context(scalars(folder / "tensorboard")) if tensorboard else None
        began = time.monotonic()

        def tell(epoch: Epoch) -> None:
            nonlocal began
            decoded = "" if epoch.decoded_psnr_db is None else f", decoded {epoch.decoded_psnr_db:.2f} dB"
            advance(epoch.number, f"loss {epoch.loss:.4f} PSNR {epoch.psnr_db:.2f} dB{decoded}")
            if write:
                write(epoch, time.monotonic() - began)
            began = time.monotonic()

        target = told(train_whole(Order(model, source, recipe, folder, place), CpuDevice()), tell)
    words = f"{target}: trained for {recipe.epochs} epochs; score it with: nervbench eval {target} --clip {source}"
    say(as_json, {"checkpoint": target, "clip": source, "recipe": asdict(recipe)}, words)
    return 0
